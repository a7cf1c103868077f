import { mean, median, standardDeviation } from "../../dist/statistics.js";
import { against, markdown } from "../experiment/table.js";
import { contenders, plan, seeds } from "./plan.js";

const test = (run) => run.test;

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
