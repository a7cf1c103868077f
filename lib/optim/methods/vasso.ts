import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/** VaSSO: climbs a running mean of the gradients, `e ← (1−θ)e + θg`, which suppresses their variance. (NeurIPS 2023, arXiv 2310.01487) */
export interface VassoOptions extends CommonOptions {
  method: "vasso";
  /** In (0, 1]; 1 is SAM. Default 0.9. */
  theta?: number;
}

export const vasso: MethodDefinition = {
  rho: 0.05,
  fields: { theta: { default: 0.9, above: 0, max: 1 } },
  parts: (o) => ({ direction: part("smoothed", o) }),
  acrossSteps: () => true,
};
