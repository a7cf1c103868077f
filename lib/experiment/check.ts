import { readAverageOptions } from "../optim/averaging-options.js";
import { SteppeError } from "../errors.js";
import type { AverageOptions } from "../optim/index.js";
import type { Config, OptimizerConfig } from "./config.js";
import { mergedOptimizer } from "./methods.js";
import { optimizerProblem, relocated } from "./optimizer.js";
import { shapeProblems, wrongConfig } from "./schema.js";
import { defaultTuneSeed, gridOf } from "./settings-grid.js";

/**
 * Checks a configuration as far as that goes without its data.
 *
 * @param config what stands in the file
 * @param source what it is called in messages: its path
 * @throws SteppeError `ARGUMENT` with a line for each thing that is wrong
 */
export function checkConfig(config: unknown, source: string): Config {
  const problems = shapeProblems(config);
  const isShaped = problems.length === 0;
  const checked = config as Config;
  const say = (problem: string | null) => void (problem !== null && problems.push(problem));
  if (!isShaped) {
    const { optimizer } = (typeof config === "object" && config !== null ? config : {}) as { optimizer?: unknown };
    if (typeof optimizer === "object" && optimizer !== null && Object.hasOwn(optimizer, "method")) say(optimizerProblem(optimizer as OptimizerConfig, "optimizer"));
    throw wrongConfig(source, problems);
  }
  // The optimizer of a comparison may be in its methods alone.
  if (checked.compare === undefined || Object.hasOwn(checked.optimizer, "method")) say(optimizerProblem(checked.optimizer, "optimizer"));
  for (const [name, given] of Object.entries(checked.compare?.methods ?? {})) {
    const place = /^[A-Za-z_$][\w$]*$/.test(name) ? `compare.methods.${name}` : `compare.methods[${JSON.stringify(name)}]`;
    const grid = gridOf(given);
    const problemOf = (options: object) => optimizerProblem(mergedOptimizer(checked.optimizer, options) as OptimizerConfig, place);
    if (grid.length === 0) say(problemOf(given));
    for (const problem of new Set(grid.map(({ options }) => problemOf(options)))) say(problem);
  }
  const { compare } = checked;
  if (compare !== undefined && Object.keys(compare.methods).length === 0) say("compare.methods: expected at least one method, received none");
  if (compare?.baseline !== undefined && !Object.hasOwn(compare.methods, compare.baseline)) {
    say(`compare.baseline: expected one of ${Object.keys(compare.methods).join(", ")}, received ${JSON.stringify(compare.baseline)}`);
  }
  const tuneSeed = compare?.tuneSeed ?? defaultTuneSeed;
  if (Object.values(compare?.methods ?? {}).some((method) => method.tune !== undefined) && compare?.seeds?.includes(tuneSeed) === true) {
    say(`compare.tuneSeed: expected none of compare.seeds, received ${tuneSeed}`);
  }
  if (compare?.on === "test" && compare.choose === "best") say('compare.choose: expected "last" where compare.on is "test", received "best"');
  if (checked.average !== undefined) say(averageProblem(checked.average));
  const { epochs, steps } = checked;
  if ((epochs === undefined) === (steps === undefined)) say(`epochs: expected either epochs or steps, received ${epochs === undefined ? "neither" : "both"}`);
  if (typeof checked.data === "function" && checked.loss === undefined) say("loss: missing; expected a function of the model and a batch, or the name of a loss, beside data of one's own");
  if (problems.length > 0) throw wrongConfig(source, problems);
  return checked;
}

function averageProblem(average: AverageOptions): string | null {
  try {
    readAverageOptions(average);
    return null;
  } catch (error) {
    if (error instanceof SteppeError) return relocated(error.message, "average");
    throw error;
  }
}
