import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/**
 * GA-SAM: radii that follow the running strength of each tensor's gradient. A reading of arXiv 2210.06895, whose abstract gives
 * the idea and not the formula; native/sam/gradient_strength.cc has ours. The defaults are the best of an experiment with a
 * character LSTM (docs/gasam.md): 0.012 nats below SAM over five seeds, p 0.006. Radii of 1 to 3 were best there: tune `rho`.
 */
export interface GasamOptions extends CommonOptions {
  method: "gasam";
  /** How a tensor's share of the radius follows its gradient's strength: 1 as in SAM, 0 not at all. Default 0. */
  alpha?: number;
  /** Decay of the running strength, in [0, 1). Default 0.9. */
  beta?: number;
  /** How the radius follows the overall strength over training; 0 not at all. Default 0. */
  gamma?: number;
  /** Ascent steps K, at least 1; a step takes K + 1 passes. Default 1. */
  steps?: number;
}

export const gasam: MethodDefinition = {
  rho: 0.05,
  fields: {
    alpha: { default: 0, min: 0 },
    beta: { default: 0.9, min: 0, below: 1 },
    gamma: { default: 0, min: 0 },
    steps: { default: 1, min: 1, max: 100, integer: true },
  },
  parts: (o) => ({ ascent: part("gradientStrength", o) }),
  acrossSteps: ({ beta, gamma }) => beta! > 0 || gamma! > 0,
};
