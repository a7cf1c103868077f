import * as data from "../data/index.js";
import * as flatness from "../flatness/index.js";
import * as nn from "../nn/index.js";
import * as optim from "../optim/index.js";
import { ConvNet } from "../models/index.js";
import { torch } from "../torch.js";
import { Progress, RunFolder, accuracy } from "../train/index.js";
import type { Tensor } from "../tensor.js";
import type { Device } from "../types.js";

// The main job: one small convnet, trained by each method from the same initial weights on the same batches.

// Two epochs are short: a larger learning rate ends worse with plain SGD, a larger radius leaves the perturbed runs behind it.
const base = { name: "sgd", lr: 0.02, momentum: 0.9, weightDecay: 5e-4 } as const;
const rho = 0.02;

/** The methods by id, as `optim.create` takes them. */
export const methods = {
  none: { method: "none", base },
  sam: { method: "sam", rho, base },
  msam: { method: "msam", rho, shards: 4, base },
  gasam: { method: "gasam", rho, base },
} as const;

export type MethodId = keyof typeof methods;

/** What people call them. */
export const names: Record<MethodId, string> = { none: "SGD", sam: "SAM", msam: "mSAM (4 shards)", gasam: "GA-SAM" };

/** Settings for each data set, so that four methods end in about 2 minutes on 2 cores. */
export const settings = {
  "fashion-mnist": { epochs: 2, batchSize: 128 },
  digits: { epochs: 30, batchSize: 64 },
} as const;

export type DataName = keyof typeof settings;

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
  const initial = newModel(images, job.device).stateDict();
  const results: Result[] = [];
  for (const method of job.methods) {
    const model = newModel(images, job.device);
    model.loadStateDict(initial);
    try {
      results.push(await trainOne(method, model, train, test, job, run, signal));
    } catch (error) {
      if (error === signal.reason) break;
      throw error;
    }
    run.writeJson("results.json", results);
  }
  return results;
}

function newModel({ classes, train }: data.ImageClasses, device: Device): ConvNet {
  const [, channels, size] = train.tensors[0].shape;
  return new ConvNet({ channels: channels!, size: size!, classes: classes.length }).to(device);
}

async function trainOne(
  method: MethodId,
  model: ConvNet,
  train: data.LabelledImages,
  test: data.LabelledImages,
  { epochs, seed, data: set }: Job,
  run: RunFolder,
  signal: AbortSignal,
): Promise<Result> {
  torch.manualSeed(seed);
  const { batchSize } = settings[set];
  const batches = data.loader(train, { batchSize, shuffle: true, seed, dropLast: true });
  const testBatches = data.loader(test, { batchSize: 1000 });
  const someTestBatches = data.loader(test.slice(0, Math.min(500, test.length)), { batchSize: 500 });
  const totalSteps = epochs * batches.length;
  const lookEvery = Math.ceil(totalSteps / 20);

  const loss = (x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y);
  const optimizer = optim.create(model, methods[method]);
  const step = optimizer.compile(loss);
  const progress = new Progress({ label: names[method].split(" ")[0]!.padEnd(6), total: totalSteps * batchSize });
  const times: number[] = [];
  let shown = "";
  try {
    for (let epoch = 0; epoch < epochs; epoch++) {
      let lossSum = 0;
      for await (const [x, y] of batches) {
        signal.throwIfAborted();
        optimizer.lr = cosine(base.lr, times.length / totalSteps);
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
  const stoppable = (x: Tensor, y: Tensor) => {
    signal.throwIfAborted();
    return loss(x, y);
  };
  const measured = data.loader(train.slice(0, Math.min(samples, train.length)), { batchSize: 500 });
  return {
    method,
    name: names[method],
    testAccuracy: await accuracy(model, testBatches),
    sharpness: await flatness.sharpness(model, stoppable, measured, { rho, steps }),
    msPerStep: median(times),
  };
}

/** The learning rate after a share `done` of the training: from `lr` down to 0 along half a cosine. */
function cosine(lr: number, done: number): number {
  return 0.5 * lr * (1 + Math.cos(Math.PI * done));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** 0.9123 → "91.2 %" */
export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`;
}
