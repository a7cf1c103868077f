import { readFileSync, writeFileSync } from "node:fs";
import { mean, median, standardDeviation } from "../../dist/statistics.js";
import { against, markdown, number } from "../experiment/table.js";

/**
 * The tables of a study, in Markdown. A study has `plan`, `title`, `tasks` (by id, their titles), `columns` of what was measured
 * (`{ key, title, digits }`), `pairs` to compare (`[id, other]`), and `cheapest`, the contender whose step is 1 in the cost.
 */
export function tables(study, results) {
  return [resultTable(study, results), pairTable(study, results), tuningTable(study, results)];
}

const shortest = (value) => (value === null ? "–" : String(value));
const tasksOf = ({ tasks }) => Object.entries(tasks);
const manyTasks = (study) => tasksOf(study).length > 1;

/** Mean ± standard deviation of everything measured, over the final seeds. */
export function resultTable(study, results) {
  const { plan, columns, cheapest } = study;
  const rows = tasksOf(study).flatMap(([task, taskTitle]) => {
    const finals = plan.finals(results, task);
    const costOf = (runs) => median(runs.map(({ msPerStep }) => msPerStep));
    const base = finals.find(({ id }) => id === cheapest);
    return finals.map(({ id, setting, runs }) => [
      ...(manyTasks(study) ? [taskTitle] : []),
      plan.contenders[id].title,
      shortest(setting.lr),
      shortest(setting.rho),
      runs.length,
      ...columns.map(({ key, digits }) => spread(runs.map((run) => run[key]), digits)),
      base === undefined ? "–" : number(costOf(runs) / costOf(base.runs), 2),
    ]);
  });
  const header = [...(manyTasks(study) ? ["task"] : []), "method", "lr", "rho", "seeds", ...columns.map(({ title }) => title), "cost of a step"];
  return markdown(header, rows);
}

/** A run that diverged has null for a number, and then there is no mean. */
function spread(values, digits) {
  if (values.some((value) => value === null || value === undefined)) return "–";
  return `${number(mean(values), digits)} ± ${number(standardDeviation(values), digits)}`;
}

/** Differences between contenders, paired by seed, with the p of the two-sided paired t-test. */
export function pairTable(study, results) {
  const { plan, columns, pairs } = study;
  const rows = tasksOf(study).flatMap(([task, taskTitle]) => {
    const finals = plan.finals(results, task);
    const runsOf = (id) => finals.find((one) => one.id === id)?.runs;
    return pairs.flatMap(([id, other]) => {
      const [runs, others] = [runsOf(id), runsOf(other)];
      if (runs === undefined || others === undefined) return [];
      const cells = columns.map(({ key, digits }) => against(runs, others, (run) => run[key] ?? NaN, digits));
      return [[...(manyTasks(study) ? [taskTitle] : []), `${plan.contenders[id].title} less ${plan.contenders[other].title}`, ...cells]];
    });
  });
  return markdown([...(manyTasks(study) ? ["task"] : []), "difference (p)", ...columns.map(({ title }) => title)], rows);
}

/** What the tuning runs came to, by setting and seed. */
export function tuningTable(study, results) {
  const { plan, validation } = study;
  const rows = tasksOf(study).flatMap(([task, taskTitle]) =>
    Object.entries(plan.contenders).flatMap(([id, { title, grid = [] }]) =>
      grid.flatMap((setting) => {
        const runs = plan.seeds.tune.map((seed) => plan.at(results, task, id, setting, [seed])[0]);
        if (runs.every((run) => run === undefined)) return [];
        const cells = runs.map((run) => (run === undefined ? "–" : run.validation === null ? "diverged" : number(run.validation, validation.digits)));
        return [[...(manyTasks(study) ? [taskTitle] : []), title, shortest(setting.lr), shortest(setting.rho), ...cells]];
      }),
    ),
  );
  return markdown([...(manyTasks(study) ? ["task"] : []), "method", "lr", "rho", ...plan.seeds.tune.map((seed) => `${validation.title}, seed ${seed}`)], rows);
}

/** Puts the tables into a document, each between its marks `<!-- NAME -->` and `<!-- /NAME -->`. */
export function intoDocument(file, named) {
  let text = readFileSync(file, "utf8");
  for (const [name, table] of Object.entries(named)) {
    const [from, to] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
    const [start, end] = [text.indexOf(from), text.indexOf(to)];
    if (start < 0 || end < start) throw new Error(`Expected ${from} and then ${to} in ${file}.`);
    text = `${text.slice(0, start + from.length)}\n${table}\n${text.slice(end)}`;
  }
  writeFileSync(file, text);
}
