import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/** Friendly SAM: climbs what is peculiar to the batch, `v = g − σm` with `m` the running mean of the gradients. (CVPR 2024, arXiv 2403.12350) */
export interface FriendlyOptions extends CommonOptions {
  method: "friendly";
  /** Default 1. */
  sigma?: number;
  /** Decay of the running mean, in [0, 1). Default 0.9. */
  lambda?: number;
}

export const friendly: MethodDefinition = {
  rho: 0.05,
  fields: { sigma: { default: 1, min: 0 }, lambda: { default: 0.9, min: 0, below: 1 } },
  parts: (o) => ({ direction: part("batchNoise", o) }),
  acrossSteps: () => true,
};
