import * as data from "../data/index.js";
import * as flatness from "../flatness/index.js";
import * as nn from "../nn/index.js";
import * as optim from "../optim/index.js";
import { ConvNet } from "../models/index.js";
import { expected } from "../errors.js";
import { median } from "../statistics.js";
import { torch } from "../torch.js";
import { Progress, RunFolder, accuracy } from "../train/index.js";
import type { Tensor } from "../tensor.js";
import type { Device } from "../types.js";

// The main job: one small convnet, trained by each method from the same initial weights on the same batches.

export type MethodId = "none" | "sam" | "msam" | "gasam";

/** The methods by id, as `optim.create` takes them. The learning rate falls from `lr` to 0 along half a cosine. */
export function methodsFor(set: DataName, totalSteps: number): Record<MethodId, optim.OptimizerOptions> {
  const { lr, rho } = settings[set];
  const shared = { base: { name: "sgd", lr, momentum: 0.9, weightDecay: 5e-4 }, lrSchedule: { name: "cosine", totalSteps } } as const;
  return {
    none: { method: "none", ...shared },
    sam: { method: "sam", rho, ...shared },
    msam: { method: "msam", rho, shards: 4, ...shared },
    gasam: { method: "gasam", rho, ...shared },
  };
}

/** What people call the methods. */
export const names: Record<MethodId, string> = { none: "SGD", sam: "SAM", msam: "mSAM (4 shards)", gasam: "GA-SAM" };

/** Settings for each data set, so that four methods end in about 2 minutes on 2 cores. */
export const settings = {
  "fashion-mnist": { epochs: 2, batchSize: 128, lr: 0.05, rho: 0.02, width: 8 },
  digits: { epochs: 20, batchSize: 64, lr: 0.05, rho: 0.1, width: 16 },
} as const;

export type DataName = keyof typeof settings;

/** How many steps a method takes: a last batch that would be smaller is left out. */
export function stepsOf({ data: set, epochs }: Job, { train }: data.ImageClasses): number {
  const { batchSize } = settings[set];
  if (train.length < batchSize) throw expected(`at least ${batchSize} training images`, set, train.length);
  return epochs * Math.floor(train.length / batchSize);
}

/** Sharpness is measured with this radius and as many steps of ascent, on the first training images. */
export const sharpnessSettings = { rho: 0.05, steps: 10, samples: 2000 } as const;

/** What the job is asked to do; what is left out comes from {@link settings}. */
export interface Job {
  data: DataName;
  epochs: number;
  methods: readonly MethodId[];
  seed: number;
  device: Device;
}

/** What one method came to. */
export interface Result {
  method: MethodId;
  name: string;
  /** From 0 to 1, on the whole test set. */
  testAccuracy: number;
  sharpness: number;
  /** Median time of an optimizer step in milliseconds. */
  msPerStep: number;
}

/**
 * Trains with each method in turn and writes metrics, weights and results into `run` as they come.
 *
 * @param signal ends the job after the step under way
 * @returns the results of the methods that came to their end: all of them unless the signal came
 */
export async function compareMethods(job: Job, images: data.ImageClasses, run: RunFolder, signal: AbortSignal): Promise<Result[]> {
  const train = images.train.to(job.device);
  const test = images.test.to(job.device);
  torch.manualSeed(job.seed);
  const totalSteps = stepsOf(job, images);
  const initial = newModel(images, job).stateDict();
  const results: Result[] = [];
  for (const method of job.methods) {
    const model = newModel(images, job);
    model.loadStateDict(initial);
    const optimizer = optim.create(model, methodsFor(job.data, totalSteps)[method]);
    try {
      results.push(await trainOne({ method, model, optimizer, train, test, totalSteps }, job, run, signal));
    } catch (error) {
      if (error === signal.reason) break;
      throw error;
    }
    run.writeJson("results.json", results);
  }
  return results;
}

function newModel({ classes, train }: data.ImageClasses, { data: set, device }: Job): ConvNet {
  const [, channels, size] = train.tensors[0].shape;
  return new ConvNet({ channels: channels!, size: size!, classes: classes.length, width: settings[set].width }).to(device);
}

interface Training {
  method: MethodId;
  model: ConvNet;
  optimizer: optim.Optimizer;
  train: data.LabelledImages;
  test: data.LabelledImages;
  totalSteps: number;
}

async function trainOne(training: Training, { epochs, seed, data: set }: Job, run: RunFolder, signal: AbortSignal): Promise<Result> {
  const { method, model, optimizer, train, test, totalSteps } = training;
  torch.manualSeed(seed);
  const { batchSize } = settings[set];
  const batches = data.loader(train, { batchSize, shuffle: true, seed, dropLast: true });
  const testBatches = data.loader(test, { batchSize: 1000 });
  const someTestBatches = data.loader(test.slice(0, Math.min(500, test.length)), { batchSize: 500 });
  const lookEvery = Math.ceil(totalSteps / 20);

  const loss = (x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y);
  const step = optimizer.compile(loss);
  const progress = new Progress({ label: names[method].split(" ")[0]!.padEnd(6), total: totalSteps * batchSize });
  const times: number[] = [];
  let shown = "";
  try {
    for (let epoch = 0; epoch < epochs; epoch++) {
      let lossSum = 0;
      for await (const [x, y] of batches) {
        signal.throwIfAborted();
        const start = performance.now();
        const report = await step(x, y);
        times.push(performance.now() - start);
        lossSum += report.loss;
        x.dispose();
        y.dispose();
        if (times.length % lookEvery === 0) shown = percent(await accuracy(model, someTestBatches));
        progress.advance(batchSize, { loss: report.loss.toFixed(4), ...(shown === "" ? {} : { accuracy: shown }) });
      }
      const testAccuracy = await accuracy(model, testBatches);
      run.log({ method, epoch: epoch + 1, loss: lossSum / batches.length, testAccuracy, msPerStep: median(times) });
    }
  } finally {
    progress.stop();
  }
  run.saveWeights(method, model.stateDict(), { method, data: set, seed: String(seed) });

  const { rho, steps, samples } = sharpnessSettings;
  const measured = data.loader(train.slice(0, Math.min(samples, train.length)), { batchSize: 500 });
  const stoppable = {
    async *[Symbol.asyncIterator]() {
      for await (const batch of measured) {
        signal.throwIfAborted();
        yield batch;
      }
    },
  };
  return {
    method,
    name: names[method],
    testAccuracy: await accuracy(model, testBatches),
    sharpness: await flatness.sharpness(model, loss, stoppable, { rho, steps }),
    msPerStep: median(times),
  };
}

/** 0.9123 → "91.2 %" */
export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`;
}
