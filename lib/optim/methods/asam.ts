import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/**
 * ASAM: `ε = ρ T²g/‖Tg‖` with `T = |w| + η` on parameters whose own name contains "weight" and 1 on the others, so that rescaled
 * weights are perturbed alike. Tensors that no module gave have no name. (arXiv 2102.11600)
 */
export interface AsamOptions extends CommonOptions {
  method: "asam";
  /** Default 0.5. */
  rho?: number;
  /** Default 0.01. */
  eta?: number;
}

export const asam: MethodDefinition = {
  rho: 0.5,
  fields: { eta: { default: 0.01, min: 0 } },
  parts: ({ eta }) => ({ direction: part("adaptive", { eta: eta! }) }),
};
