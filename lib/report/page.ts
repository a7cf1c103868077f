import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { csv } from "./csv.js";
import type { Table } from "./csv.js";
import type { Figure } from "./figures.js";
import { Html, embedded, html } from "./html.js";

export interface Page {
  title: string;
  /** Under the title. */
  about: string;
  methods: readonly string[];
  comparison: { table: Html; differences: Html | null; numbers: Table; baseline: string };
  figures: readonly Figure[];
  settings: Html | null;
  environment: Html | null;
  footer: string;
}

/** Beside this file in lib/, from where it is read in dist/, too. */
const asset = (name: string) => readFileSync(fileURLToPath(new URL(`../../lib/report/${name}`, import.meta.url)), "utf8");

/** The chart library, whole: the page asks for nothing. */
function libraries(): string[] {
  const require = createRequire(import.meta.url);
  const folder = (name: string) => dirname(require.resolve(name));
  return [join(folder("d3"), "..", "dist", "d3.min.js"), join(folder("@observablehq/plot"), "..", "dist", "plot.umd.min.js")].map((path) => readFileSync(path, "utf8"));
}

/** One HTML file that holds everything it needs. */
export function page({ title, about, methods, comparison, figures, settings, environment, footer }: Page): string {
  const scripts = [...libraries(), asset("client.js")].map((code) => code.replaceAll("</script", "<\\/script"));
  // Only these scripts may run, and nothing may be fetched: names in the page can do no harm.
  const hashes = scripts.map((code) => `'sha256-${createHash("sha256").update(code).digest("base64")}'`).join(" ");
  const policy = `default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src ${hashes}; base-uri 'none'; form-action 'none'`;
  const section = (name: Figure["section"]) => figures.filter((figure) => figure.section === name);
  const data = embedded({ methods, figures: figures.map(({ id, title: name, drawing }) => ({ id, title: name, drawing })) });
  const { table, differences, numbers, baseline } = comparison;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>
${new Html(asset("page.css"))}</style>
</head>
<body>
<header class="top">
<h1>${title}</h1>
<p class="about">${about}</p>
</header>
<div class="bar" role="group" aria-label="Methods that the charts show"><div>
<span class="label">Show</span>
${methods.map((method, i) => html`<button type="button" class="method" data-method="${method}" aria-pressed="true"><i class="swatch" style="--c:var(--c${i % 8})"></i>${method}</button>
`)}</div></div>
<main>
<noscript><p class="note">Charts are drawn by a script in this file, which does not run here; tables stand below each of them.</p></noscript>
<h2 id="comparison">Comparison</h2>
<div class="card scroll" tabindex="0" role="region" aria-label="Comparison">${table}</div>
<div class="tablefoot"><p class="note">Numbers of the last record of each run: mean ± standard deviation over the runs of a method, and the 95 % confidence interval of the mean by Student's t; the best mean is marked. Time per step is the median.</p>${download("comparison", "Comparison")}</div>
${template("comparison", numbers)}
${differences !== null && html`<h2 id="differences">Difference to ${baseline}</h2>
<div class="card scroll" tabindex="0" role="region" aria-label="Difference to ${baseline}">${differences}</div>
<div class="tablefoot"><p class="note">Runs of the same seed are paired. Mean difference, its 95 % confidence interval and p of Student's paired test; coloured where p is below 0.05. Several columns are several tests.</p></div>`}
${(["curves", "flatness"] as const).map((name) => section(name).length > 0 && html`<h2 id="${name}">${name === "curves" ? "Curves" : "Flatness"}</h2>
<div class="figures">
${section(name).map(drawn)}</div>
`)}
${settings !== null && html`<h2 id="settings">Settings</h2>
<div class="card scroll" tabindex="0" role="region" aria-label="Settings">${settings}</div>
`}
${environment !== null && html`<h2 id="environment">Environment</h2>
<div class="card scroll" tabindex="0" role="region" aria-label="Environment">${environment}</div>
`}
</main>
<footer>${footer}</footer>
<script type="application/json" id="figures">${data}</script>
${scripts.map((code) => html`<script>${new Html(code)}</script>
`)}</body>
</html>
`.text;
}

function drawn({ id, title, caption, wide, numbers, drawing }: Figure): Html {
  const { table, isWhole } = inRows(numbers, drawing);
  return html`<figure class="card${wide === true ? " wide" : ""}" aria-labelledby="title-${id}">
<header><h3 id="title-${id}">${title}</h3><div class="tools" id="tools-${id}">${download(id, title)}</div></header>
<figcaption>${caption}</figcaption>
<div class="chart" id="chart-${id}"></div>
<details><summary>Table${isWhole ? "" : " (some of the rows; all are in the CSV)"}</summary><div class="scroll" tabindex="0" role="region" aria-label="${title}, table"><table class="numbers"><caption class="unseen">${title}</caption>
<thead><tr>${table.columns.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
<tbody>${table.rows.map((row) => html`<tr>${row.map((cell) => html`<td>${typeof cell === "number" ? Number(cell.toPrecision(6)) : cell}</td>`)}</tr>
`)}</tbody></table></div></details>
${template(id, numbers)}
</figure>
`;
}

const rowsShown = 30;

/** For people: curves with a column for each run, and not more rows than one can read. */
function inRows(numbers: Table, drawing: Figure["drawing"]): { table: Table; isWhole: boolean } {
  let table = numbers;
  if (drawing.kind === "lines") {
    const runs = [...new Set(numbers.rows.map(([run]) => run as string))];
    const rows = new Map<number, (number | null)[]>();
    for (const [run, , , x, y] of numbers.rows) {
      const row = rows.get(x as number) ?? runs.map(() => null);
      row[runs.indexOf(run as string)] = y as number | null;
      rows.set(x as number, row);
    }
    table = { columns: [drawing.x, ...runs], rows: [...rows].sort(([a], [b]) => a - b).map(([x, row]) => [x, ...row]) };
  }
  const count = table.rows.length;
  if (count <= rowsShown) return { table, isWhole: true };
  const kept = Array.from({ length: rowsShown }, (_, i) => table.rows[Math.round((i * (count - 1)) / (rowsShown - 1))]!);
  return { table: { columns: table.columns, rows: kept }, isWhole: false };
}

function download(id: string, title: string): Html {
  return html`<button type="button" data-csv="${id}" aria-label="Download the numbers of ${title} as CSV">CSV</button>`;
}

function template(id: string, numbers: Table): Html {
  return html`<template id="csv-${id}">${csv(numbers)}</template>`;
}
