import { SteppeError } from "../../errors.js";
import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/** WSAM: the base optimizer's step with g, then `w ← w − lr·γ/(1−γ)·(g_p − g)`. (arXiv 2305.15817) */
export interface WeightedOptions extends CommonOptions {
  method: "weighted";
  /** Weight of the sharpness, in [0, 1). Default 0.9. */
  gamma?: number;
}

export const weighted: MethodDefinition = {
  rho: 0.05,
  fields: { gamma: { default: 0.9, min: 0, below: 1 } },
  parts: (o) => ({ combine: part("weighted", o) }),
  acrossSteps: () => true,
  checkBase(base, { lr }) {
    if (Number.isNaN(lr)) throw new SteppeError("ARGUMENT", `Expected a base with a learning rate for method weighted, whose second part has it as a factor, but received ${base} with a relative step.`);
  },
};
