import { checkInteger } from "../checks.js";
import { torch } from "../torch.js";
import { measure } from "./objective.js";
import { readOptions } from "./options.js";
import { dispose, norm, normalLike, scale } from "./vectors.js";
import type { Module } from "../nn/module.js";
import type { Tensor } from "../tensor.js";
import type { BatchLoss, Batches } from "./objective.js";

/** Keyword arguments of {@link averageSharpness}. */
export interface AverageSharpnessOptions {
  /** Distance ρ from the weights. */
  rho: number;
  /** Directions drawn; default 10. Each is one pass over the set without gradient. */
  samples?: number;
  /** Decides the directions; default 0. */
  seed?: number;
}

/**
 * Average-direction sharpness: the mean of `L(w + ρ n(z)) − L(w)` over random directions z, standard normal.
 * Model, loss, loader and what holds for them are those of {@link sharpness}.
 *
 * @throws SteppeError `NON_FINITE` for a loss that is NaN or infinite
 * @example await flatness.averageSharpness(model, loss, loader, { rho: 0.5, samples: 20 });
 */
export async function averageSharpness<Batch extends readonly Tensor[]>(
  model: Module,
  loss: BatchLoss<Batch>,
  loader: Batches<Batch>,
  options: AverageSharpnessOptions,
): Promise<number> {
  const { rho, samples, seed } = readOptions(options, { samples: 10, seed: 0 });
  checkInteger(samples, "samples", 1);
  checkInteger(seed, "seed", 0);
  return measure(model, loss, loader, async (objective) => {
    const start = await objective.value();
    const generator = new torch.Generator().manualSeed(seed);
    let sum = 0;
    for (let i = 0; i < samples; i++) {
      const z = normalLike(objective.weights, generator);
      scale(z, rho / norm(z));
      objective.moveTo(z);
      dispose(z);
      sum += (await objective.value()) - start;
    }
    return sum / samples;
  });
}
