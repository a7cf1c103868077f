import { expected } from "../errors.js";
import { measure } from "./objective.js";
import { readSharpness, rise } from "./sharpness.js";
import type { Module } from "../nn/module.js";
import type { Tensor } from "../tensor.js";
import type { BatchLoss, Batches } from "./objective.js";
import type { SharpnessOptions } from "./sharpness.js";

/**
 * m-sharpness: the mean over batches of m samples of each batch's own sharpness, `max over ‖ε‖ ≤ ρ of L_B(w+ε) − L_B(w)`, weighted
 * by their sizes (arXiv 2010.01412, section 4.1). m is the loader's batch size. Everything else is as for {@link sharpness}.
 */
export async function shardSharpness<Batch extends readonly Tensor[]>(
  model: Module,
  loss: BatchLoss<Batch>,
  loader: Batches<Batch>,
  options: SharpnessOptions,
): Promise<number> {
  const settings = readSharpness(options);
  return measure(model, loss, loader, async (objective) => {
    let sum = 0;
    let samples = 0;
    for await (const batch of loader) {
      const size = batch[0]?.shape[0] ?? 0;
      objective.batches = [batch];
      sum += size * (await rise(objective, settings));
      samples += size;
    }
    if (samples === 0) throw expected("at least one batch", "the loader", undefined);
    return sum / samples;
  });
}
