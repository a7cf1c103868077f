import { halfWidth, mean, median, pairedTest, standardDeviation } from "../statistics.js";
import { isBetterWhenSmaller, isShareOf } from "../train/metric-names.js";
import type { Table } from "./csv.js";
import { number, words } from "./figures.js";
import { html } from "./html.js";
import type { Html } from "./html.js";
import type { ReportRun } from "./runs.js";

/** A number of each run that is compared. */
interface Column {
  key: string;
  title: string;
  /** Which way is better; null for neither. */
  better: "less" | "more" | null;
  percent: boolean;
  of: (run: ReportRun) => number | null;
}

function columnsOf(runs: readonly ReportRun[]): Column[] {
  const last = (key: string) => (run: ReportRun) => number(run.records.at(-1)?.[key]);
  const keys = [...new Set(runs.flatMap((run) => Object.keys(run.records.at(-1) ?? {})))].filter((key) => !["kind", "epoch", "step", "seconds", "msPerStep", "method"].includes(key));
  const columns: Column[] = keys.map((key) => {
    const percent = isShareOf(key, runs.map(last(key)));
    return { key, title: key === "loss" ? "Training loss" : words(key), better: isBetterWhenSmaller(key) ? "less" : "more", percent, of: last(key) };
  });
  for (const name of [...new Set(runs.flatMap((run) => run.measures.map((each) => each.name)))]) {
    const found = (run: ReportRun) => run.measures.find((each) => each.name === name);
    const sample = runs.map(found).find((each) => each !== undefined)!;
    const rho = number(sample.options["rho"]);
    const about = rho === null ? "" : ` ρ=${rho}`;
    if (sample.measure === "hessianEigenvalues") {
      columns.push({ key: `${name}[0]`, title: "Largest eigenvalue", better: "less", percent: false, of: (run) => number((found(run)?.result as number[] | undefined)?.[0]) });
    } else if (sample.measure === "hessianTrace") {
      columns.push({ key: `${name}.trace`, title: "Trace of the Hessian", better: "less", percent: false, of: (run) => number((found(run)?.result as { trace: number } | undefined)?.trace) });
    } else if (typeof sample.result === "number") {
      columns.push({ key: name, title: `${words(name)}${about}`, better: "less", percent: false, of: (run) => number(found(run)?.result) });
    }
  }
  const ms = (run: ReportRun) => {
    const times = run.steps.map((line) => number(line["ms"])).filter((value) => value !== null);
    return times.length > 0 ? median(times) : last("msPerStep")(run);
  };
  columns.push({ key: "msPerStep", title: "Time per step, ms", better: "less", percent: false, of: ms });
  return columns.filter((column) => runs.some((run) => column.of(run) !== null));
}

/** The table of methods, the numbers behind it, and the differences to the first method where seeds can be paired. */
export function comparison(runs: readonly ReportRun[], baseline: string): { table: Html; differences: Html | null; numbers: Table } {
  const methods = [...new Set(runs.map(({ method }) => method))];
  const columns = columnsOf(runs);
  const of = (method: string) => runs.filter((run) => run.method === method);
  const values = (method: string, column: Column) => of(method).map(column.of).filter((value) => value !== null);
  const best = (column: Column) => {
    const means = methods.map((method) => mean(values(method, column))).filter((value) => !Number.isNaN(value));
    return methods.length < 2 || column.better === null ? NaN : column.better === "less" ? Math.min(...means) : Math.max(...means);
  };
  const cell = (method: string, column: Column): Html => {
    const given = values(method, column);
    if (given.length === 0) return html`<td class="none">–</td>`;
    const show = (value: number) => shown(value, column, mean(given));
    const marked = mean(given) === best(column);
    const spread = given.length < 2 ? null : html`<span class="sd">± ${show(standardDeviation(given))}</span><small>95 %: ${show(mean(given) - halfWidth(given))} to ${show(mean(given) + halfWidth(given))}</small>`;
    return html`<td${marked ? html` class="best"` : ""}><b>${show(mean(given))}</b>${marked ? html`<span class="unseen"> (best)</span>` : ""} ${spread}</td>`;
  };
  const table = html`<table class="comparison"><caption class="unseen">Methods and what they came to</caption>
<thead><tr><th scope="col">Method</th><th scope="col">Runs</th>${columns.map(({ title, better }) => html`<th scope="col">${title}${better === null ? "" : html` <span class="way" title="${better === "less" ? "less is better" : "more is better"}">${better === "less" ? "↓" : "↑"}<span class="unseen"> ${better} is better</span></span>`}</th>`)}</tr></thead>
<tbody>${methods.map((method, i) => html`<tr><th scope="row"><i class="swatch" style="--c:var(--c${i % 8})"></i>${method}</th><td>${of(method).length}</td>${columns.map((column) => cell(method, column))}</tr>
`)}</tbody></table>`;
  const numbers = {
    columns: ["run", "method", "seed", ...columns.map(({ key }) => key)],
    rows: runs.map((run) => [run.name, run.method, run.seed, ...columns.map((column) => column.of(run))]),
  };
  return { table, differences: differencesTable(runs, methods, columns, baseline), numbers };
}

function differencesTable(runs: readonly ReportRun[], methods: readonly string[], columns: readonly Column[], baseline: string): Html | null {
  const paired = (method: string, column: Column) =>
    runs
      .filter((run) => run.method === method && run.seed !== null)
      .flatMap((run) => {
        const other = runs.find((each) => each.method === baseline && each.seed === run.seed);
        const [a, b] = [column.of(run), other === undefined ? null : column.of(other)];
        return a === null || b === null ? [] : [a - b];
      });
  const others = methods.filter((method) => method !== baseline);
  const comparable = columns.filter((column) => others.some((method) => paired(method, column).length >= 2));
  if (comparable.length === 0) return null;
  const values = (method: string, column: Column) => runs.filter((run) => run.method === method).map(column.of).filter((value) => value !== null);
  const cell = (method: string, column: Column): Html => {
    const differences = paired(method, column);
    if (differences.length < 2) return html`<td class="none">–</td>`;
    const [centre, half, p] = [mean(differences), halfWidth(differences), pairedTest(differences)];
    const show = (value: number) => `${value > 0 ? "+" : ""}${shown(value, column, mean(values(method, column)))}`;
    const clear = p < 0.05 && column.better !== null ? ((centre < 0) === (column.better === "less") ? "good" : "bad") : "";
    return html`<td${clear !== "" && html` class="${clear}"`}><b>${show(centre)}</b><small>95 %: ${show(centre - half)} to ${show(centre + half)}</small><small>p ${p < 0.001 ? "< 0.001" : `= ${p.toFixed(3)}`}</small></td>`;
  };
  return html`<table class="comparison"><caption class="unseen">Differences to ${baseline}, seed by seed</caption>
<thead><tr><th scope="col">Method</th><th scope="col">Pairs</th>${comparable.map(({ title }) => html`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>${others.map((method) => html`<tr><th scope="row"><i class="swatch" style="--c:var(--c${methods.indexOf(method) % 8})"></i>${method}</th><td>${Math.max(...comparable.map((column) => paired(method, column).length))}</td>${comparable.map((column) => cell(method, column))}</tr>
`)}</tbody></table>`;
}

/** Four digits that mean something, with as many decimals as `like` has, a mean that it stands beside; shares as percent. */
function shown(value: number, { percent }: Pick<Column, "percent">, like: number): string {
  const size = Math.abs(like);
  const isOdd = size !== 0 && (size < 1e-3 || size >= 1e5);
  const text = percent ? `${(100 * value).toFixed(2)} %` : isOdd ? value.toExponential(2) : value.toFixed(size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4);
  return text.replace(/^-/, "\u2212");
}
