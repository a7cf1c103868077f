import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/**
 * mSAM: each shard of the batch has a perturbation of its own and the gradients are averaged, weighted by the shards' sizes.
 * Shards are contiguous, their sizes differ by at most one. (arXiv 2302.09693)
 */
export interface MsamOptions extends CommonOptions {
  method: "msam";
  /** Number of shards m. */
  shards: number;
}

export const msam: MethodDefinition = {
  rho: 0.05,
  fields: { shards: { min: 1, integer: true } },
  parts: ({ shards }) => ({ split: part("shards", { m: shards! }) }),
  cutsBatch: ({ shards }) => shards! > 1,
};
