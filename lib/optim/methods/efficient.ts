import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/**
 * ESAM: each element of `(ρ/β) g/‖g‖` is kept with probability β; the descent is over the ⌈γ|B|⌉ samples whose loss rose most.
 * The compiled function returns one loss per sample, [N]. (arXiv 2110.03141)
 */
export interface EfficientOptions extends CommonOptions {
  method: "efficient";
  /** In (0, 1]. Default 0.6. */
  beta?: number;
  /** In (0, 1]. Default 0.5. */
  gamma?: number;
}

export const efficient: MethodDefinition = {
  rho: 0.05,
  fields: { beta: { default: 0.6, above: 0, max: 1 }, gamma: { default: 0.5, above: 0, max: 1 } },
  parts: ({ beta, gamma }) => ({ direction: part("randomElements", { beta: beta! }), descend: part("largestRises", { share: gamma! }) }),
  lossForm: "perSample",
  cutsBatch: () => true,
};
