import { SteppeError } from "../../errors.js";
import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/**
 * Momentum-SAM: the gradient at `w − ρ v/‖v‖`, with v the base optimizer's momentum (the first moment for Adam): one pass, no
 * dearer than the base. (arXiv 2401.12033)
 */
export interface MomentumOptions extends CommonOptions {
  method: "momentum";
  /** Default 3, the paper's for SGD. */
  rho?: number;
}

/** Bases with a first moment, and the option without which they have none. */
const firstMoments = {
  sgd: "momentum", rmsprop: "momentum", "adafactor-t5": "beta1",
  adam: null, adamw: null, adamax: null, nadam: null, radam: null, lion: null, lamb: null,
} as const;

export const momentum: MethodDefinition = {
  rho: 3,
  fields: {},
  parts: () => ({ climb: part("momentum"), direction: part("opposite") }),
  checkBase(base, values) {
    if (!Object.hasOwn(firstMoments, base)) {
      throw new SteppeError("ARGUMENT", `Expected a base with a first moment for method momentum, which follows it (${Object.keys(firstMoments).join(", ")}), but received ${base}.`);
    }
    const decay = firstMoments[base as keyof typeof firstMoments];
    if (decay !== null && !(values[decay]! > 0)) {
      const came = Number.isNaN(values[decay]) ? "null" : values[decay];
      throw new SteppeError("ARGUMENT", `Expected options.base.${decay} above 0 for method momentum, which follows the first moment, but received ${came}.`);
    }
  },
};
