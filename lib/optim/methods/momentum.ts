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

export const momentum: MethodDefinition = {
  rho: 3,
  fields: {},
  parts: () => ({ climb: part("momentum"), direction: part("opposite") }),
  check(_, { name, numbers }) {
    if (name === "sgd" && numbers["momentum"] === 0) {
      throw new SteppeError("ARGUMENT", "Expected options.base.momentum above 0 for method momentum, which follows it, but received 0.");
    }
  },
};
