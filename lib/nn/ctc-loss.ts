import type { Tensor } from "../tensor.js";
import { ctcArguments } from "./functional/ctc-loss.js";
import type { CTCRest } from "./functional/ctc-loss.js";
import { ctcLoss } from "./functional/index.js";
import { Loss } from "./loss.js";

/** Connectionist temporal classification: sequences of labels for longer sequences of inputs, whatever their alignment. */
export class CTCLoss extends Loss {
  declare readonly blank: number;
  declare readonly zeroInfinity: boolean;

  constructor(...args: CTCRest) {
    super("nn.CTCLoss", ctcArguments, args);
  }

  /** @param logProbs [T, N, C] or [T, C] @param targets [N, S], or one after the other @param inputLengths numbers or [N] */
  forward(logProbs: Tensor, targets: Tensor, inputLengths: Tensor | readonly number[], targetLengths: Tensor | readonly number[]): Tensor {
    return ctcLoss(logProbs, targets, inputLengths, targetLengths, this.blank, this.reduction, this.zeroInfinity);
  }
}
