import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/**
 * LookSAM: every k-th step is SAM's and keeps what of its gradient is orthogonal to ∇L(w); the steps between take one pass and
 * reuse it, `d = g + α‖g‖v`. (arXiv 2203.02714)
 */
export interface LookOptions extends Omit<CommonOptions, "every" | "probability"> {
  method: "look";
  /** Default 5. */
  k?: number;
  /** Default 0.2. */
  alpha?: number;
}

export const look: MethodDefinition = {
  rho: 0.05,
  fields: { k: { default: 5, min: 1, integer: true }, alpha: { default: 0.2, min: 0 } },
  parts: ({ k, alpha }) => ({ when: part("every", { k: k! }), combine: part("reuse", { alpha: alpha! }) }),
  acrossSteps: () => true,
};
