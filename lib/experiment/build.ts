import { resolve } from "node:path";
import type { AutocastOptions } from "../autocast.js";
import { SteppeError, expected } from "../errors.js";
import type { Metric } from "../metrics/index.js";
import { Module } from "../nn/module.js";
import * as optim from "../optim/index.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Config, Context, OwnData } from "./config.js";
import { loadData } from "./data.js";
import type { Batches } from "./data.js";
import type { Sets } from "./data-sets.js";
import type { LoadedConfig } from "./load.js";
import { objectiveOf } from "./losses.js";
import type { Objective } from "./losses.js";
import { makeMetrics } from "./metrics.js";
import { makeModel } from "./models.js";
import { lossForm, optimizerProblem, withTotalSteps } from "./optimizer.js";

/** Everything that a run is made of. */
export interface Built {
  config: Config;
  context: Context;
  data: Batches;
  model: Module;
  objective: Objective;
  targets?: (...batch: Tensor[]) => Tensor;
  optimizer: optim.Optimizer;
  /** The optimizer's options, complete. */
  optimizerOptions: optim.OptimizerOptions;
  average?: optim.Average;
  autocast?: AutocastOptions;
  /** New ones at each call. */
  metrics: () => Record<string, Metric>;
  /** Steps of the optimizer in all. */
  totalSteps: number;
}

export interface BuildOptions {
  /** Data sets by name that were loaded before are taken from here, so that several runs load them once. */
  loaded?: Map<string, Sets>;
  /** Is told what of a pretrained model is random. */
  tell?: (text: string) => void;
}

/**
 * Makes data, model and optimizer of a configuration. The same seed gives the same initial weights and the same order of the
 * data, whatever the optimizer. Sets the seed of LibTorch's random numbers.
 */
export async function build({ config, folder }: Pick<LoadedConfig, "config" | "folder">, { loaded = new Map(), tell = () => {} }: BuildOptions = {}): Promise<Built> {
  const context = contextOf(config, folder);
  const problem = optimizerProblem(config.optimizer, "optimizer"); // of a comparison without a method of its own
  if (problem !== null) throw new SteppeError("ARGUMENT", problem);
  if (config.threads !== undefined) torch.setNumThreads(config.threads);
  torch.zeros([1], { device: context.device }).dispose(); // a device that is not there is an error before anything is loaded
  torch.manualSeed(context.seed); // for a configuration's own data function
  const data = await loadData(config, context, loaded);
  torch.manualSeed(context.seed);
  const model = await modelOf(config, context, data, tell);
  model.to(context.device);
  const totalSteps = stepsOf(config, data);
  const optimizerOptions = withTotalSteps(config.optimizer, totalSteps);
  const optimizer = optim.create(model, optimizerOptions) as optim.Optimizer;
  const { autocast } = config;
  const kind = context.device.startsWith("cuda") ? "cuda" : "cpu";
  return {
    config,
    context,
    data,
    model,
    objective: objective(config, model, data),
    ...(config.targets && { targets: config.targets }),
    optimizer,
    optimizerOptions,
    ...(config.average && { average: optim.average(model, config.average) }),
    ...(autocast !== undefined && autocast !== false && { autocast: autocast === true ? { device: kind } : autocast }),
    metrics: () => makeMetrics(config.metrics, data.kind),
    totalSteps,
  };
}

export function contextOf(config: Config, folder: string): Context {
  const { batchSize = 64, evaluationBatchSize = 4 * batchSize, seed = 0, device = "cpu" } = config;
  return { seed, batchSize, evaluationBatchSize, device, folder };
}

/** Steps of the optimizer in a run. */
function stepsOf({ epochs, steps, optimizer }: Config, { train }: Batches): number {
  const { accumulationSteps = 1 } = optimizer as { accumulationSteps?: number };
  return steps ?? Math.max(1, Math.floor((epochs! * train.length) / accumulationSteps));
}

async function modelOf(config: Config, context: Context, data: Batches, tell: (text: string) => void): Promise<Module> {
  const { model } = config;
  if (typeof model !== "function") return makeModel(model.from === undefined ? model : { ...model, from: resolve(context.folder, model.from) }, data.facts, tell);
  const { train, validation, test, facts } = data;
  const own: OwnData = { train, ...(validation && { validation }), ...(test && { test }), ...(facts.classes === undefined ? {} : { classes: facts.classes }) };
  const made: unknown = await model({ ...context, data: own });
  if (!(made instanceof Module)) throw expected("a module", "model's result", made, "It must come from the same copy of steppe as the command.");
  return made;
}

/** The configuration's own functions, or those that the data and the model ask for. */
function objective(config: Config, model: Module, data: Batches): Objective {
  const { loss, predict } = config;
  const own = predict === undefined ? undefined : (...batch: Tensor[]) => predict(model as never, ...batch);
  if (typeof loss !== "function") return objectiveOf(model, data.kind, loss, lossForm(config.optimizer), own);
  const { predict: usual } = objectiveOf(model, data.kind, "mse", undefined, own);
  return { loss: (...batch) => loss(model as never, ...batch), predict: usual };
}
