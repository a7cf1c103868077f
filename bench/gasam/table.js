import { at, best, contenders, seeds } from "./plan.js";

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
const deviation = (values) => Math.sqrt(values.reduce((sum, x) => sum + (x - mean(values)) ** 2, 0) / (values.length - 1));
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** The final table, in Markdown: contenders whose grid and first two final seeds have run. */
export function finalTable(results) {
  const finals = Object.keys(contenders).flatMap((id) => {
    const setting = best(results, id);
    const runs = setting === null ? [] : at(results, id, setting, seeds.final);
    return runs.length < 2 ? [] : [{ id, setting, runs }];
  });
  const runsOf = (id) => finals.find((one) => one.id === id)?.runs ?? [];
  const rows = finals.map(({ id, setting, runs }) => {
    const test = runs.map((run) => run.test);
    return [
      contenders[id].title,
      setting.lr,
      setting.rho ?? "–",
      runs.length,
      `${mean(test).toFixed(4)} ± ${deviation(test).toFixed(4)}`,
      mean(runs.map((run) => run.trainLoss)).toFixed(3),
      id === "adam" ? "–" : against(runs, runsOf("adam")),
      id === "sam" ? "–" : against(runs, runsOf("sam")),
      (median(runs.map((run) => run.msPerStep)) / median(runsOf("adam").map((run) => run.msPerStep))).toFixed(2),
    ];
  });
  return markdown(["method", "lr", "rho", "seeds", "test loss", "training loss", "less Adam's (p)", "less SAM's (p)", "cost of a step / Adam's"], rows);
}

/** The tuning, in Markdown: the validation loss of each setting, by tuning seed. */
export function tuningTable(results) {
  const rows = Object.entries(contenders).flatMap(([id, { title, grid = [] }]) =>
    grid.flatMap((setting) => {
      const losses = seeds.tune.map((seed) => at(results, id, setting, [seed])[0]?.validation.toFixed(4) ?? "–");
      return losses.every((loss) => loss === "–") ? [] : [[title, setting.lr, setting.rho ?? "–", ...losses]];
    }),
  );
  return markdown(["method", "lr", "rho", ...seeds.tune.map((seed) => `validation loss, seed ${seed}`)], rows);
}

/** Mean difference of the test losses, seed by seed, and the two-sided p-value of the paired t-test. */
function against(runs, others) {
  const differences = runs.flatMap((run) => others.filter(({ seed }) => seed === run.seed).map(({ test }) => run.test - test));
  if (differences.length < 2) return "–";
  const difference = mean(differences);
  const t = difference / (deviation(differences) / Math.sqrt(differences.length));
  const p = studentTails(Math.abs(t), differences.length - 1);
  return `${difference < 0 ? "−" : "+"}${Math.abs(difference).toFixed(4)} (${p < 0.001 ? "< 0.001" : p.toFixed(3)})`;
}

/** P(|T| > t) for Student's t with `freedom` degrees, by Simpson's rule over x = √freedom · tan(angle). */
export function studentTails(t, freedom) {
  const density = (angle) => Math.cos(angle) ** (freedom - 1);
  const integral = (from, to, pieces = 2000) => {
    const width = (to - from) / pieces;
    let sum = density(from) + density(to);
    for (let i = 1; i < pieces; i++) sum += (i % 2 === 0 ? 2 : 4) * density(from + i * width);
    return (sum * width) / 3;
  };
  const angle = Math.atan(t / Math.sqrt(freedom));
  return integral(angle, Math.PI / 2) / integral(0, Math.PI / 2);
}

const markdown = (header, rows) => [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
