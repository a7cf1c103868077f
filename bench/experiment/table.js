import { mean, pairedTest } from "../../dist/statistics.js";

export const markdown = (header, rows) => [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/** A number with so many digits after the point, its sign a proper minus. */
export const number = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits).replace("-", "−") : "–");

/** "+0.0123 (0.045)": the mean of `of(run)` less that of the other's run with the same seed, and the p of the paired t-test. */
export function against(runs, others, of, digits) {
  const differences = runs.flatMap((run) => others.filter(({ seed }) => seed === run.seed).map((other) => of(run) - of(other)));
  if (differences.length < 2) return "–";
  const [difference, p] = [mean(differences), pairedTest(differences)];
  return `${difference < 0 ? "−" : "+"}${Math.abs(difference).toFixed(digits)} (${p < 0.001 ? "< 0.001" : p.toFixed(3)})`;
}
