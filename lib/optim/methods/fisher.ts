import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/** Fisher SAM: `ε = ρ F⁻¹g/√(gᵀF⁻¹g)` with `F⁻¹ = 1/(1+ηg²)`. (arXiv 2206.04920) */
export interface FisherOptions extends CommonOptions {
  method: "fisher";
  /** Default 0.1. */
  rho?: number;
  /** 0 is SAM. Default 1. */
  eta?: number;
}

export const fisher: MethodDefinition = {
  rho: 0.1,
  fields: { eta: { default: 1, min: 0 } },
  parts: (o) => ({ direction: part("fisher", o) }),
};
