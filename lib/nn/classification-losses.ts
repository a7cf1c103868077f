import type { Tensor } from "../tensor.js";
import {
  bceArguments, bceWithLogitsArguments, crossEntropyArguments, klDivArguments, multiMarginArguments, multilabelSoftMarginArguments,
  nllLossArguments,
} from "./functional/classification-losses.js";
import type {
  BCERest, BCEWithLogitsRest, CrossEntropyRest, KLDivRest, MultiMarginRest, NLLLossRest,
} from "./functional/classification-losses.js";
import {
  binaryCrossEntropy, binaryCrossEntropyWithLogits, crossEntropy, klDiv, multiMarginLoss, multilabelMarginLoss,
  multilabelSoftMarginLoss, nllLoss, softMarginLoss,
} from "./functional/index.js";
import type { Reduction } from "./functional/index.js";
import { plainLossArguments } from "./functional/reduction.js";
import type { PlainLossRest } from "./functional/reduction.js";
import { Loss, WeightedLoss } from "./loss.js";

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

/** The binary cross entropy of probabilities. */
export class BCELoss extends WeightedLoss {
  constructor(...args: BCERest) {
    super("nn.BCELoss", bceArguments, args);
  }

  /** @param input probabilities @param target probabilities, the same shape */
  forward(input: Tensor, target: Tensor): Tensor {
    return binaryCrossEntropy(input, target, this.weight, this.reduction);
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

/** The Kullback-Leibler divergence. @example new nn.KLDivLoss("batchmean") */
export class KLDivLoss extends Loss<Reduction | "batchmean"> {
  declare readonly logTarget: boolean;

  constructor(...args: KLDivRest) {
    super("nn.KLDivLoss", klDivArguments, args);
  }

  /** @param input log-probabilities @param target probabilities, or log-probabilities with `logTarget`, the same shape */
  forward(input: Tensor, target: Tensor): Tensor {
    return klDiv(input, target, this.reduction, this.logTarget);
  }
}

/** log(1 + exp(-y x)), for targets y of 1 and -1. */
export class SoftMarginLoss extends Loss {
  constructor(...args: PlainLossRest) {
    super("nn.SoftMarginLoss", plainLossArguments, args);
  }

  /** @param input scores @param target 1 or -1, the same shape */
  forward(input: Tensor, target: Tensor): Tensor {
    return softMarginLoss(input, target, this.reduction);
  }
}

/** The hinge loss of several classes. */
export class MultiMarginLoss extends WeightedLoss {
  declare readonly p: 1 | 2;
  declare readonly margin: number;

  constructor(...args: MultiMarginRest) {
    super("nn.MultiMarginLoss", multiMarginArguments, args);
  }

  /** @param input scores [N, C] or [C] @param target class numbers [N] or [], int64 */
  forward(input: Tensor, target: Tensor): Tensor {
    return multiMarginLoss(input, target, this.p, this.margin, this.weight, this.reduction);
  }
}

/** The hinge loss of several classes at a time. */
export class MultiLabelMarginLoss extends Loss {
  constructor(...args: PlainLossRest) {
    super("nn.MultiLabelMarginLoss", plainLossArguments, args);
  }

  /** @param input scores [N, C] or [C] @param target class numbers, int64, the same shape: those before the first -1 count */
  forward(input: Tensor, target: Tensor): Tensor {
    return multilabelMarginLoss(input, target, this.reduction);
  }
}

/** The mean over classes of the binary cross entropy under a sigmoid. */
export class MultiLabelSoftMarginLoss extends WeightedLoss {
  constructor(...args: BCERest) {
    super("nn.MultiLabelSoftMarginLoss", multilabelSoftMarginArguments, args);
  }

  /** @param input logits [N, C] or [C] @param target 0 or 1, the same shape */
  forward(input: Tensor, target: Tensor): Tensor {
    return multilabelSoftMarginLoss(input, target, this.weight, this.reduction);
  }
}
