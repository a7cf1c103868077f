import { html } from "./html.js";
import type { Html } from "./html.js";
import type { ReportRun } from "./runs.js";

/** A row for each setting, a column for each method; what is not the same everywhere is marked. */
export function settingsTable(runs: readonly ReportRun[], part: "settings" | "environment"): Html | null {
  const methods = [...new Set(runs.map(({ method }) => method))];
  const flat = runs.map(({ settings }) => {
    const { environment, ...rest } = settings;
    return flatten(part === "settings" ? rest : { environment }, part === "settings" ? "" : null);
  });
  const keys = [...new Set(flat.flatMap((each) => [...each.keys()]))];
  if (keys.length === 0) return null;
  const valuesOf = (method: string, key: string) => [...new Set(flat.filter((_, i) => runs[i]!.method === method).map((each) => each.get(key) ?? "–"))];
  return html`<table class="settings"><caption class="unseen">${part === "settings" ? "Settings" : "Environment"} by method</caption>
<thead><tr><th scope="col">${part === "settings" ? "Setting" : "Environment"}</th>${methods.map((method) => html`<th scope="col">${method}</th>`)}</tr></thead>
<tbody>${keys.map((key) => {
    const cells = methods.map((method) => valuesOf(method, key).join(", "));
    const differs = new Set(cells).size > 1;
    return html`<tr${differs ? html` class="differs"` : ""}><th scope="row">${key}</th>${differs ? cells.map((cell) => html`<td>${cell}</td>`) : html`<td colspan="${methods.length}">${cells[0]}</td>`}</tr>
`;
  })}</tbody></table>`;
}

/** Leaves of an object by their paths: "optimizer.base.lr". The first part of a path is left out for `null`. */
function flatten(value: unknown, path: string | null): Map<string, string> {
  const isObject = typeof value === "object" && value !== null && (!Array.isArray(value) || value.some((each) => typeof each === "object"));
  if (!isObject) return value === undefined ? new Map() : new Map([[path ?? "", Array.isArray(value) ? value.join(", ") : String(value)]]);
  return new Map(Object.entries(value).flatMap(([key, each]) => [...flatten(each, path === null ? "" : path === "" ? key : `${path}.${key}`)]));
}
