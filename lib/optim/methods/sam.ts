import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/** SAM: `ε = ρ ∇L_A(w)/‖∇L_A(w)‖`, the gradient at `w + ε`. (arXiv 2010.01412) */
export interface SamOptions extends CommonOptions {
  method: "sam";
  /** A is that share of the batch, its first samples, in (0, 1]: ¼ costs about 1.25 steps. Default 1. (arXiv 2110.08529) */
  ascentFraction?: number;
}

export const sam: MethodDefinition = {
  rho: 0.05,
  fields: { ascentFraction: { default: 1, above: 0, max: 1 } },
  parts: ({ ascentFraction = 1 }) => (ascentFraction === 1 ? {} : { split: part("leadingPart", { share: ascentFraction }) }),
  cutsBatch: ({ ascentFraction = 1 }) => ascentFraction < 1,
};
