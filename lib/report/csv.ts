/** A table of numbers and words; `null` and `undefined` are empty cells. */
export interface Table {
  columns: readonly string[];
  rows: readonly (readonly (string | number | null | undefined)[])[];
}

/** As CSV (RFC 4180, but with plain line feeds). Numbers are written so that reading gives the same number. */
export function csv({ columns, rows }: Table): string {
  return [columns, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

function cell(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return "";
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
