import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/**
 * Random SAM: `ε = ρ n(λ∇L(w+z) + z)` with `z ~ N(0, σ²‖w_f‖²)` per output filter f. The pass at w + z is the one that reports
 * and moves the normalisation buffers. (NeurIPS 2022)
 */
export interface RandomOptions extends CommonOptions {
  method: "random";
  /** Default 5e-4. */
  sigma?: number;
  /** Default 2. */
  lambda?: number;
}

export const random: MethodDefinition = {
  rho: 0.05,
  fields: { sigma: { default: 5e-4, min: 0 }, lambda: { default: 2, min: 0 } },
  parts: (o) => ({ climb: part("noisyPoint", o) }),
};
