import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/**
 * K-SAM: one forward over the batch, then both gradients over its k largest losses. The compiled function returns one loss per
 * sample, [N]. (arXiv 2210.12864)
 */
export interface KSamOptions extends CommonOptions {
  method: "k-sam";
  /** Default ⌈|B|/2⌉; above |B| it is |B|. */
  k?: number;
}

export const kSam: MethodDefinition = {
  rho: 0.05,
  fields: { k: { optional: true, min: 1, integer: true } },
  parts: ({ k = 0 }) => ({ split: part("largestLosses", { k }) }),
  lossForm: "perSample",
  cutsBatch: () => true,
};
