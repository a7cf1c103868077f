import { setImmediate } from "node:timers/promises";
import { torch } from "../torch.js";
import { inEvaluation } from "./evaluate.js";
import type { Module } from "../nn/module.js";
import type { Tensor } from "../tensor.js";

/**
 * The share of samples whose largest logit is their label's, in evaluation mode. The modes are afterwards what they were.
 *
 * @param model gives logits [N, classes]
 * @param batches inputs and labels (int64 [N]) in batches, for example `data.loader(test, { batchSize: 1000 })`
 * @returns from 0 to 1
 */
export async function accuracy(
  model: Module & { forward(inputs: Tensor): Tensor },
  batches: Iterable<readonly [Tensor, Tensor]> | AsyncIterable<readonly [Tensor, Tensor]>,
): Promise<number> {
  let right = 0;
  let samples = 0;
  for await (const [inputs, labels] of batches) {
    right += countRight(model, inputs, labels);
    samples += labels.numel();
    await setImmediate();
  }
  return right / samples;
}

/** How many samples of one batch have their largest logit at their label. Evaluation mode, for the time of the call. */
export function countRight(model: Module & { forward(inputs: Tensor): Tensor }, inputs: Tensor, labels: Tensor): number {
  return inEvaluation(model, () => torch.scope(() => torch.noGrad(() => model.forward(inputs).argmax(-1).eq(labels).sum().item() as number)));
}
