import { checkPlainSgd } from "./bayesian.js";
import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/**
 * SAMPa: the two gradients of a step do not wait for each other. With y the point of the last step's plain gradient,
 * `x̃ = x + ρ n(∇f(y))`, `y⁺ = x − lr ∇f(y)`, `d = (1−λ)∇f(x̃) + λ∇f(y⁺)`; ∇f(x̃) is over the last step's batch. The base is plain
 * SGD. (arXiv 2410.10683)
 */
export interface ParallelOptions extends Omit<CommonOptions, "every" | "probability"> {
  method: "parallel";
  /** In [0, 1]. Default 0.2. */
  lambda?: number;
}

export const parallel: MethodDefinition = {
  rho: 0.05,
  fields: { lambda: { default: 0.2, min: 0, max: 1 } },
  parts: (o) => ({ rule: part("parallel", o) }),
  acrossSteps: () => true,
  cutsBatch: () => true,
  checkBase: (base, values) => checkPlainSgd("parallel", base, values),
};
