import { call, family } from "../../dispatch.js";
import type { Tensor } from "../../tensor.js";
import { part } from "./method.js";
import type { CommonOptions, LossWithLogits, MethodDefinition } from "./method.js";

/**
 * BiSAM: climbs a smooth bound of the misclassification, `(1/μ) log Σ_j exp(μ φ(F_j))` with `F_j = logit_j − logit_y` and
 * `φ(x) = tanh(0.1x)`, and descends on the loss. The compiled function returns `{ loss, logits, target }`. (ICML 2024)
 */
export interface BilevelOptions extends CommonOptions {
  method: "bilevel";
  /** Default 10. */
  mu?: number;
}

export const bilevel: MethodDefinition = {
  rho: 0.05,
  fields: { mu: { default: 10, above: 0 } },
  parts: () => ({ climb: part("otherObjective") }),
  lossForm: "withLogits",
  climbed({ logits, target }: LossWithLogits, { mu }): Tensor {
    const at = (name: string, ...args: unknown[]) => call(family(`aten::${name}`), args) as Tensor;
    const flat = at("reshape", logits, [-1, logits.size(-1)]);
    const own = at("gather", flat, 1, at("reshape", target, [-1, 1]));
    const phi = at("tanh", at("mul", at("sub", flat, own), 0.1));
    return at("mean", at("div", at("logsumexp", at("mul", phi, mu), [1]), mu)); // φ(F_y) = 0 is among the terms
  },
};
