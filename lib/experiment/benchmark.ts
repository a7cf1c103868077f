import { loader, TensorDataset } from "../data/index.js";
import { SteppeError } from "../errors.js";
import { CifarResNet, ConvNet, MLP } from "../models/index.js";
import type { Module } from "../nn/module.js";
import * as optim from "../optim/index.js";
import { median } from "../statistics.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Device } from "../types.js";
import { build } from "./build.js";
import type { LoadedConfig } from "./load.js";
import { objectiveOf } from "./losses.js";
import { mergedOptimizer } from "./methods.js";
import { lossForm, optimizerProblem, withTotalSteps } from "./optimizer.js";
import type { OptimizerConfig } from "./config.js";

/** A net of the package's with batches of random numbers in its shape. */
interface Net {
  make: () => Module & { forward(x: Tensor): Tensor };
  shape: readonly number[];
  batchSize: number;
}

export const builtInNets = {
  mlp: { make: () => new MLP({ inFeatures: 784, hidden: [512, 512], numClasses: 10 }), shape: [1, 28, 28], batchSize: 128 },
  convnet: { make: () => new ConvNet({ channels: 1, size: 28, classes: 10 }), shape: [1, 28, 28], batchSize: 128 },
  resnet: { make: () => new CifarResNet({ depth: 20, numClasses: 10, inChannels: 3 }), shape: [3, 32, 32], batchSize: 32 },
} as const satisfies Record<string, Net>;

export type NetName = keyof typeof builtInNets;

export interface BenchmarkOptions {
  /** Steps of each method that are measured. */
  steps: number;
  /** By id, with their default options; default none, sam, msam, gasam, and the configuration's own. */
  methods?: readonly string[];
  batchSize?: number;
  device?: Device | (string & {});
}

export interface BenchmarkResult {
  name: string;
  parameters: number;
  batchSize: number;
  /** The first is what the others are compared with. */
  methods: { method: string; milliseconds: number }[];
}

const warmup = 3;
/** What methods need that have no default. */
const needed: Readonly<Record<string, object>> = { msam: { shards: 4 } };

/**
 * Measures steps of several methods on this machine, each method's steps in turn, so that what else the machine does hits all alike.
 *
 * @param subject a net of the package's, or a configuration: its model, data, loss and base optimizer
 */
export async function benchmark(subject: NetName | LoadedConfig, options: BenchmarkOptions): Promise<BenchmarkResult> {
  const { name, model, batches, batchSize, optimizers } = typeof subject === "string" ? await netOf(subject, options) : await configured(subject, options);
  model.train();
  const initial = Object.fromEntries(Object.entries(model.stateDict()).map(([key, tensor]) => [key, tensor.clone()]));
  const steps = optimizers.map(({ method, make }) => ({ method, step: make(), times: [] as number[] }));
  for (let i = 0; i < warmup + options.steps; i++) {
    const batch = batches[i % batches.length]!;
    for (const { step, times } of steps) {
      const start = performance.now();
      await step(...batch);
      if (i >= warmup) times.push(performance.now() - start);
    }
    // All methods move the same weights: that they stay where they are sensible is enough for a time.
    if (i % 10 === 9) model.loadStateDict(initial);
  }
  const parameters = model.numParameters();
  return { name, parameters, batchSize, methods: steps.map(({ method, times }) => ({ method, milliseconds: median(times) })) };
}

type Step = (...batch: Tensor[]) => Promise<unknown>;

interface Subject {
  name: string;
  model: Module;
  batches: Tensor[][];
  batchSize: number;
  optimizers: { method: string; make: () => Step }[];
}

const usual = ["none", "sam", "msam", "gasam"];

async function netOf(name: NetName, { methods = usual, batchSize, device = "cpu" }: BenchmarkOptions): Promise<Subject> {
  const { make, shape, batchSize: own }: Net = builtInNets[name];
  torch.manualSeed(0);
  const model = make().to(device as Device);
  const count = batchSize ?? own;
  const images = torch.randn([4 * count, ...shape], { device: device as Device });
  const labels = torch.arange(4 * count, { dtype: "int64" }).remainder(10).to(device as Device) as Tensor;
  const batches = [...loader(new TensorDataset(images, labels), { batchSize: count })].map((batch) => [...batch]);
  const objective = (form: Parameters<typeof objectiveOf>[3]) => objectiveOf(model, "classes", "crossEntropy", form).loss;
  const base = { base: { name: "sgd", lr: 1e-3, momentum: 0.9 } };
  return { name, model, batches, batchSize: count, optimizers: methods.map((method) => ({ method, make: compiled(model, { ...base, method, ...needed[method] }, objective) })) };
}

async function configured(loaded: LoadedConfig, { methods, batchSize, device, steps }: BenchmarkOptions): Promise<Subject> {
  const config = { ...loaded.config, ...(batchSize !== undefined && { batchSize }), ...(device !== undefined && { device: device as Device }) };
  const built = await build({ ...loaded, config });
  const { model, data, objective, context } = built;
  const own = config.optimizer as { method: string };
  const wanted = methods ?? ["none", ...(own.method === "none" ? usual.slice(1) : [own.method])];
  const batches: Tensor[][] = [];
  for await (const batch of data.train) {
    batches.push([...batch]);
    if (batches.length >= Math.min(8, warmup + steps)) break;
  }
  const loss = (form: Parameters<typeof objectiveOf>[3]) => {
    if (typeof config.loss !== "function") return objectiveOf(model, data.kind, config.loss, form, config.predict === undefined ? undefined : objective.predict).loss;
    if (form !== lossForm(config.optimizer)) throw new SteppeError("ARGUMENT", "Expected methods that take the configuration's own loss but received one that needs it in another form.");
    return objective.loss;
  };
  const optionsOf = (method: string) => mergedOptimizer(config.optimizer, method === own.method ? {} : { method, ...needed[method] });
  return { name: loaded.name, model, batches, batchSize: context.batchSize, optimizers: wanted.map((method) => ({ method, make: compiled(model, optionsOf(method), loss, built.autocast) })) };
}

function compiled(model: Module, options: object, loss: (form: Parameters<typeof objectiveOf>[3]) => (...batch: Tensor[]) => Tensor | optim.LossWithLogits, autocast?: object): () => Step {
  const config = options as OptimizerConfig;
  const problem = optimizerProblem(config, "optimizer");
  if (problem !== null) throw new SteppeError("ARGUMENT", problem);
  return () => (optim.create(model, withTotalSteps(config, 2 ** 31)) as optim.Optimizer).compile<Tensor[]>(loss(lossForm(config)), autocast === undefined ? {} : { autocast });
}
