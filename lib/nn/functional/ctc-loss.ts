import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, or, read, size } from "../arguments.js";
import type { Rest } from "../arguments.js";
import { reduce, reduction, reductionCode } from "./reduction.js";
import type { Reduction } from "./reduction.js";

export const ctcArguments = { blank: or(size, 0), reduction, zeroInfinity: or(flag, false) };
export type CTCRest = Rest<[blank: number, reduction: Reduction, zeroInfinity: boolean], typeof ctcArguments>;

/**
 * Connectionist temporal classification: the negative log-likelihood of label sequences over all their alignments with the
 * input. Graves et al. 2006.
 *
 * A compiled step takes lengths as arrays of numbers only: it must know them when it is recorded.
 *
 * @param logProbs log-probabilities [T, N, C] or [T, C]
 * @param targets class numbers, int64: [N, S] padded, or all one after the other
 * @param inputLengths of each sample's input, at most T: numbers or an int64 tensor [N]
 * @param targetLengths of each sample's target
 * @param rest `blank` (0): the class that stands for none; `reduction`: "mean" divides by the target's lengths first;
 *   `zeroInfinity`: losses of targets longer than the input, and their gradients, are 0 rather than infinite
 */
export function ctcLoss(
  logProbs: Tensor,
  targets: Tensor,
  inputLengths: Tensor | readonly number[],
  targetLengths: Tensor | readonly number[],
  ...rest: CTCRest
): Tensor {
  const { blank, reduction, zeroInfinity } = read("nn.functional.ctcLoss", ctcArguments, rest);
  const asTensor = (lengths: Tensor | readonly number[]) => (isArray(lengths) ? torch.tensor([...lengths], { dtype: "int64" }) : lengths);
  const none = reductionCode.none;
  const losses =
    isArray(inputLengths) && isArray(targetLengths)
      ? torch.ctcLoss(logProbs, targets, [...inputLengths], [...targetLengths], blank, none, zeroInfinity)
      : torch.ctcLoss(logProbs, targets, asTensor(inputLengths), asTensor(targetLengths), blank, none, zeroInfinity);
  if (reduction !== "mean") return reduce(losses, reduction);
  const lengths = asTensor(targetLengths).to({ dtype: losses.dtype, device: losses.device }).clampMin(1);
  return losses.div(lengths.reshape([...losses.shape])).mean();
}

function isArray(lengths: Tensor | readonly number[]): lengths is readonly number[] {
  return Array.isArray(lengths);
}
