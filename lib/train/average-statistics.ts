import { autocast } from "../autocast.js";
import type { AutocastOptions } from "../autocast.js";
import { Loader } from "../data/index.js";
import type { Module } from "../nn/module.js";
import type { Average, LossWithLogits } from "../optim/index.js";
import { torch } from "../torch.js";
import type { Tensor } from "../tensor.js";

export interface StatisticsOptions<Batch extends Tensor[]> {
  model: Module;
  average: Average;
  /** Runs the model on a batch, as in training. */
  loss: (...batch: Batch) => Tensor | LossWithLogits;
  /** The training data. A pass of a loader that is under way goes on as if nothing had happened. */
  batches: Iterable<readonly [...Batch]> | AsyncIterable<readonly [...Batch]>;
  autocast?: AutocastOptions;
  signal?: AbortSignal;
}

/**
 * Batch-norm statistics for averaged weights, by a pass over the training data: those of the model belong to other weights. Of what
 * the pass draws (dropout) nothing is left in the generators.
 *
 * @throws the signal's reason when it comes
 */
export async function refreshStatistics<Batch extends Tensor[]>({ model, average, loss, batches, autocast: mixed, signal }: StatisticsOptions<Batch>): Promise<void> {
  const generators = ["cpu", ...otherDevices(model)].map((device) => torch.defaultGenerator(device));
  const states = generators.map((generator) => generator.getState());
  const pass = batches instanceof Loader ? (batches.again() as Loader<readonly [...Batch]>) : batches;
  try {
    await average.updateBn(pass, (batch) => {
      signal?.throwIfAborted();
      return mixed === undefined ? loss(...batch) : autocast(() => loss(...batch), mixed);
    });
  } finally {
    generators.forEach((generator, i) => generator.setState(states[i]!));
  }
}

/** Devices of the model, whose steps draw from generators of their own, beside the CPU. */
export function otherDevices(model: Module): string[] {
  return [...new Set(model.parameters().map(({ device }) => device as string))].filter((device) => device !== "cpu");
}
