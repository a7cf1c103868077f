import { Accuracy } from "../metrics/index.js";
import type { Module } from "../nn/module.js";
import type { Tensor } from "../tensor.js";
import { evaluate } from "./evaluate.js";

/**
 * The share of samples whose largest logit is their label's, in evaluation mode. The modes are afterwards what they were.
 *
 * @param model gives logits [N, classes]
 * @param batches inputs and labels (int64 [N]) in batches, for example `data.loader(test, { batchSize: 1000 })`
 * @returns from 0 to 1
 * @throws SteppeError `ARGUMENT` for no batches
 */
export async function accuracy(
  model: Module & { forward(inputs: Tensor): Tensor },
  batches: Iterable<readonly [Tensor, Tensor]> | AsyncIterable<readonly [Tensor, Tensor]>,
): Promise<number> {
  const found = await evaluate<[Tensor, Tensor]>({ model, metrics: { accuracy: new Accuracy() } }, batches);
  return found["accuracy"]!;
}
