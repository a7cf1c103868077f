import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/** RST: a step is SAM's with probability p, else the base optimizer's. (arXiv 2203.09962) */
export interface RandomizedOptions extends Omit<CommonOptions, "every" | "probability"> {
  method: "randomized";
  /** In [0, 1]. Default 0.5. */
  p?: number;
}

export const randomized: MethodDefinition = {
  rho: 0.05,
  fields: { p: { default: 0.5, min: 0, max: 1 } },
  parts: (o) => ({ when: part("probability", o) }),
};
