import { mean, median, standardDeviation } from "../../dist/statistics.js";
import { against, markdown } from "../experiment/table.js";
import { contenders, plan, seeds } from "./plan.js";

const test = (run) => run.test;

const flatColumns = [
  ["sharpness", "sharpness", 3],
  ["shardSharpness", "m-sharpness", 3],
  ["adaptiveSharpness", "adaptive sharpness", 3],
  ["eigenvalue", "largest eigenvalue", 2],
];

/** Flatness of the contenders whose runs all have it, and p of each to SAM, in Markdown. */
export function flatnessTable(results) {
  const finals = plan.finals(results).filter(({ runs }) => runs.every((run) => run.sharpness !== undefined));
  const sam = finals.find(({ id }) => id === "sam")?.runs ?? [];
  const rows = finals.map(({ id, runs }) => [
    contenders[id].title,
    runs.length,
    ...flatColumns.map(([key, , digits]) => `${mean(runs.map((run) => run[key])).toFixed(digits)} ± ${standardDeviation(runs.map((run) => run[key])).toFixed(digits)}`),
    ...flatColumns.map(([key, , digits]) => (id === "sam" ? "–" : against(runs, sam, (run) => run[key], digits))),
  ]);
  return markdown(["method", "seeds", ...flatColumns.map(([, title]) => title), ...flatColumns.map(([, title]) => `${title} less SAM's (p)`)], rows);
}

/** The final table, in Markdown: contenders whose grid and first two final seeds have run. */
export function finalTable(results) {
  const finals = plan.finals(results);
  const runsOf = (id) => finals.find((one) => one.id === id)?.runs ?? [];
  const rows = finals.map(({ id, setting, runs }) => {
    const losses = runs.map(test);
    return [
      contenders[id].title,
      setting.lr,
      setting.rho ?? "–",
      runs.length,
      `${mean(losses).toFixed(4)} ± ${standardDeviation(losses).toFixed(4)}`,
      mean(runs.map((run) => run.trainLoss)).toFixed(3),
      id === "adam" ? "–" : against(runs, runsOf("adam"), test, 4),
      id === "sam" ? "–" : against(runs, runsOf("sam"), test, 4),
      (median(runs.map((run) => run.msPerStep)) / median(runsOf("adam").map((run) => run.msPerStep))).toFixed(2),
    ];
  });
  return markdown(["method", "lr", "rho", "seeds", "test loss", "training loss", "less Adam's (p)", "less SAM's (p)", "cost of a step / Adam's"], rows);
}

/** The tuning, in Markdown: the validation loss of each setting, by tuning seed. */
export function tuningTable(results) {
  const rows = Object.entries(contenders).flatMap(([id, { title, grid = [] }]) =>
    grid.flatMap((setting) => {
      const losses = seeds.tune.map((seed) => plan.at(results, undefined, id, setting, [seed])[0]?.validation.toFixed(4) ?? "–");
      return losses.every((loss) => loss === "–") ? [] : [[title, setting.lr, setting.rho ?? "–", ...losses]];
    }),
  );
  return markdown(["method", "lr", "rho", ...seeds.tune.map((seed) => `validation loss, seed ${seed}`)], rows);
}
