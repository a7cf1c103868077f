import type { Tensor } from "../tensor.js";
import type { Signature } from "./arguments.js";
import { binaryCrossEntropyWithLogits, crossEntropy, l1Loss, mseLoss, nllLoss } from "./functional/index.js";
import { bceWithLogitsArguments, crossEntropyArguments, nllLossArguments, plainLossArguments } from "./functional/losses.js";
import type { BCEWithLogitsRest, CrossEntropyRest, NLLLossRest, PlainLossRest, Reduction } from "./functional/losses.js";
import { Stateless } from "./stateless.js";

// Shapes and options stand with the functions. Weights are buffers: they move with the module and are in its state dict.

abstract class Loss extends Stateless {
  declare readonly reduction: Reduction;
}

abstract class WeightedLoss extends Loss {
  declare weight: Tensor | null;

  constructor(owner: string, signature: Signature, args: readonly unknown[]) {
    super(owner, signature, args);
    this.registerBuffer("weight", this.weight);
  }
}

/** Softmax and negative log-likelihood in one. @example new nn.CrossEntropyLoss({ labelSmoothing: 0.1 }) */
export class CrossEntropyLoss extends WeightedLoss {
  declare readonly ignoreIndex: number;
  declare readonly labelSmoothing: number;

  constructor(...args: CrossEntropyRest) {
    super("nn.CrossEntropyLoss", crossEntropyArguments, args);
  }

  /** @param input logits [N, C, ...] @param target class numbers [N, ...] of int64, or probabilities [N, C, ...] */
  forward(input: Tensor, target: Tensor): Tensor {
    return crossEntropy(input, target, this.weight, this.ignoreIndex, this.reduction, this.labelSmoothing);
  }
}

/** The negative log-likelihood of the target classes. */
export class NLLLoss extends WeightedLoss {
  declare readonly ignoreIndex: number;

  constructor(...args: NLLLossRest) {
    super("nn.NLLLoss", nllLossArguments, args);
  }

  /** @param input log-probabilities [N, C, ...] @param target class numbers [N, ...], int64 */
  forward(input: Tensor, target: Tensor): Tensor {
    return nllLoss(input, target, this.weight, this.ignoreIndex, this.reduction);
  }
}

/** Sigmoid and binary cross entropy in one. */
export class BCEWithLogitsLoss extends WeightedLoss {
  declare readonly posWeight: Tensor | null;
  declare pos_weight: Tensor | null; // its name in the state dict

  constructor(...args: BCEWithLogitsRest) {
    super("nn.BCEWithLogitsLoss", bceWithLogitsArguments, args);
    this.registerBuffer("pos_weight", this.posWeight);
  }

  /** @param input logits @param target probabilities, the same shape */
  forward(input: Tensor, target: Tensor): Tensor {
    return binaryCrossEntropyWithLogits(input, target, this.weight, this.reduction, this.pos_weight);
  }
}

/** The mean of squared differences. */
export class MSELoss extends Loss {
  constructor(...args: PlainLossRest) {
    super("nn.MSELoss", plainLossArguments, args);
  }

  /** @param target the shape of `input` */
  forward(input: Tensor, target: Tensor): Tensor {
    return mseLoss(input, target, this.reduction);
  }
}

/** The mean of absolute differences. */
export class L1Loss extends Loss {
  constructor(...args: PlainLossRest) {
    super("nn.L1Loss", plainLossArguments, args);
  }

  /** @param target the shape of `input` */
  forward(input: Tensor, target: Tensor): Tensor {
    return l1Loss(input, target, this.reduction);
  }
}
