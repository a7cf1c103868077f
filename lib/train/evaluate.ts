import { setImmediate } from "node:timers/promises";
import { autocast } from "../autocast.js";
import type { AutocastOptions } from "../autocast.js";
import { SteppeError, checkKeys, expected } from "../errors.js";
import type { Metric } from "../metrics/index.js";
import { inEvaluation } from "../nn/modes.js";
import type { Module } from "../nn/module.js";
import { meanOf } from "../optim/loss-form.js";
import type { LossWithLogits } from "../optim/index.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";

/** What {@link evaluate} measures. */
export interface EvaluateOptions<Batch extends Tensor[]> {
  model: Module;
  /** The mean loss over a batch, a scalar; or, as some methods need it, one loss per sample, or the logits, too. */
  loss?: (...batch: Batch) => Tensor | LossWithLogits;
  /** By name: what takes predictions and targets in, batch by batch. */
  metrics?: Record<string, Metric>;
  /** The predictions of a batch; default `model.forward` of its first tensor. */
  predict?: (...batch: Batch) => Tensor;
  /** The targets of a batch; default its last tensor. */
  targets?: (...batch: Batch) => Tensor;
  /** In mixed precision. */
  autocast?: AutocastOptions;
  /** Ends it between two batches. */
  signal?: AbortSignal;
}

/**
 * The mean loss over a set, weighted by the batches' sizes, as `loss`, and the metrics by their names. In evaluation mode and
 * without gradients; the modes are afterwards what they were. Other work gets a turn between batches.
 *
 * @throws SteppeError `ARGUMENT` for unknown options, and for what is no model; the signal's reason when it comes
 * @example const { loss, accuracy } = await train.evaluate({ model, loss, metrics: { accuracy: new metrics.Accuracy() } }, testBatches);
 */
export async function evaluate<Batch extends Tensor[]>(
  options: EvaluateOptions<Batch>,
  batches: Iterable<readonly [...Batch]> | AsyncIterable<readonly [...Batch]>,
): Promise<Record<string, number>> {
  checkKeys(options, ["model", "loss", "metrics", "predict", "targets", "autocast", "signal"]);
  const { model, loss, metrics = {}, predict, targets, autocast: mixed, signal } = options;
  if (typeof (model as Partial<Module> | undefined)?.modules !== "function") throw expected("a module", "options.model", model);
  const named = Object.entries(metrics);
  for (const [, metric] of named) metric.reset();
  const run = <T>(body: () => T): T => torch.scope(() => torch.noGrad(() => (mixed === undefined ? body() : autocast(body, mixed))));
  const predictions = predict ?? ((...batch: Batch): Tensor => (model as Module & { forward(input: Tensor): Tensor }).forward(batch[0]!));
  const truth = targets ?? ((...batch: Batch): Tensor => batch.at(-1)!);
  let sum = 0;
  let samples = 0;
  for await (const batch of batches) {
    signal?.throwIfAborted();
    const size = sizeOf(batch);
    // Modes are set for each batch: training may go on in between.
    const value = inEvaluation(model, () =>
      run(() => {
        if (named.length > 0) {
          const [predicted, wanted] = [predictions(...batch), truth(...batch)];
          if (!(predicted instanceof Tensor)) throw expected("a tensor of predictions", "predict's result", predicted);
          for (const [, metric] of named) metric.update(predicted, wanted);
        }
        return loss === undefined ? 0 : (meanOf(loss(...batch)).item() as number);
      }),
    );
    sum += size * value;
    samples += size;
    await setImmediate();
  }
  if (samples === 0) throw new SteppeError("ARGUMENT", "Expected at least one batch to evaluate on but received none.");
  return { ...(loss === undefined ? {} : { loss: sum / samples }), ...Object.fromEntries(named.map(([name, metric]) => [name, metric.compute()])) };
}

/** The number of samples in a batch: the length of its first tensor. */
export function sizeOf(batch: readonly Tensor[]): number {
  const first: unknown = Array.isArray(batch) ? batch[0] : undefined;
  if (!(first instanceof Tensor)) throw expected("an array of tensors", "a batch", batch);
  return first.dim() === 0 ? 1 : first.shape[0]!;
}
