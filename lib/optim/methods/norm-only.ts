import type { CommonOptions, MethodDefinition } from "./method.js";

/** SAM-ON: perturbs the weights and biases of normalisation layers only; the norm is over those. (arXiv 2306.04226) */
export interface NormOnlyOptions extends CommonOptions {
  method: "norm-only";
  /** Default 0.5. */
  rho?: number;
}

export const normOnly: MethodDefinition = { rho: 0.5, fields: {}, parts: () => ({}), normalizationOnly: true };
