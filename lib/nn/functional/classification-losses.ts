import { expectedTensor } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, integer, kind, oneOf, or, orNull, probability, read, real, requireTensors, tensor } from "../arguments.js";
import type { Rest } from "../arguments.js";
import { plainLossArguments, reduce, reduction, reductionCode, requireClasses, requireSameShape, sameShape } from "./reduction.js";
import type { PlainLossRest, Reduction } from "./reduction.js";

// Losses of scores or probabilities of classes.

export const nllLossArguments = { weight: orNull(tensor), ignoreIndex: or(integer, -100), reduction };
export type NLLLossRest = Rest<[weight: Tensor | null, ignoreIndex: number, reduction: Reduction], typeof nllLossArguments>;

/**
 * The negative log-likelihood of the target classes.
 *
 * @param input log-probabilities [N, C, ...] or [C]
 * @param target class numbers [N, ...] or [], int64
 * @param rest `weight` [C] of each class, `ignoreIndex`: a class number that does not count, `reduction`
 */
export function nllLoss(input: Tensor, target: Tensor, ...rest: NLLLossRest): Tensor {
  const { weight, ignoreIndex, reduction } = read("nn.functional.nllLoss", nllLossArguments, rest);
  requireClasses("nllLoss", target, true);
  return torch.nllLossNd(input, target, weight, reductionCode[reduction], ignoreIndex);
}

export const crossEntropyArguments = { ...nllLossArguments, labelSmoothing: or(probability, 0) };
export type CrossEntropyRest = Rest<
  [weight: Tensor | null, ignoreIndex: number, reduction: Reduction, labelSmoothing: number],
  typeof crossEntropyArguments
>;

/**
 * The cross entropy of the target classes under a softmax of the input.
 *
 * @param input logits [N, C, ...] or [C]
 * @param target class numbers [N, ...] or [], int64; or probabilities of the input's shape and dtype
 * @param rest `weight` [C] of each class, `ignoreIndex`: a class number that does not count, `reduction`, `labelSmoothing`
 * @example nn.functional.crossEntropy(logits, labels, { labelSmoothing: 0.1 })
 * @throws SteppeError `ARGUMENT` for a target of another integer dtype than int64
 */
export function crossEntropy(input: Tensor, target: Tensor, ...rest: CrossEntropyRest): Tensor {
  const { weight, ignoreIndex, reduction, labelSmoothing } = read("nn.functional.crossEntropy", crossEntropyArguments, rest);
  requireTensors("nn.functional.crossEntropy", { input, target });
  if (!/float/.test(target.dtype)) requireClasses("crossEntropy", target, true);
  if (weight !== null && labelSmoothing > 0 && reduction === "mean" && !sameShape(input, target)) {
    return smoothedWeightedMean(input, target, weight, ignoreIndex, labelSmoothing);
  }
  return torch.crossEntropyLoss(input, target, weight, reductionCode[reduction], ignoreIndex, labelSmoothing);
}

/** LibTorch's own selects the targets that count, whose number a compiled step cannot know: here they are masked. */
function smoothedWeightedMean(input: Tensor, target: Tensor, weight: Tensor, ignoreIndex: number, labelSmoothing: number): Tensor {
  const sum = torch.crossEntropyLoss(input, target, weight, reductionCode.sum, ignoreIndex, labelSmoothing);
  const ignored = target.eq(ignoreIndex);
  const weights = weight.indexSelect(0, target.maskedFill(ignored, 0).flatten()).maskedFill(ignored.flatten(), 0);
  return sum.div(weights.sum());
}

export const bceArguments = { weight: orNull(tensor), reduction };
export type BCERest = Rest<[weight: Tensor | null, reduction: Reduction], typeof bceArguments>;

/**
 * The binary cross entropy of the target under the input: -y log x - (1 - y) log(1 - x), logarithms no lower than -100.
 *
 * @param input probabilities, any shape
 * @param target probabilities, the same shape
 * @param rest `weight` of each element, broadcast to the input; `reduction`
 * @throws SteppeError `ARGUMENT` for another shape
 */
export function binaryCrossEntropy(input: Tensor, target: Tensor, ...rest: BCERest): Tensor {
  const { weight, reduction } = read("nn.functional.binaryCrossEntropy", bceArguments, rest);
  requireSameShape("binaryCrossEntropy", input, target);
  return torch.binaryCrossEntropy(input, target, weight === null ? null : weight.expand([...target.shape]), reductionCode[reduction]);
}

export const bceWithLogitsArguments = { weight: orNull(tensor), reduction, posWeight: orNull(tensor) };
export type BCEWithLogitsRest = Rest<[weight: Tensor | null, reduction: Reduction, posWeight: Tensor | null], typeof bceWithLogitsArguments>;

/**
 * The binary cross entropy of the target under a sigmoid of the input.
 *
 * @param input logits, any shape
 * @param target probabilities, the same shape
 * @param rest `weight` of each element and `posWeight` of positive targets, both broadcast to the input; `reduction`
 * @throws SteppeError `ARGUMENT` for another shape
 */
export function binaryCrossEntropyWithLogits(input: Tensor, target: Tensor, ...rest: BCEWithLogitsRest): Tensor {
  const { weight, reduction, posWeight } = read("nn.functional.binaryCrossEntropyWithLogits", bceWithLogitsArguments, rest);
  requireSameShape("binaryCrossEntropyWithLogits", input, target);
  return torch.binaryCrossEntropyWithLogits(input, target, weight, posWeight, reductionCode[reduction]);
}

export const klDivArguments = { reduction: or(oneOf("none", "batchmean", "mean", "sum"), "mean"), logTarget: or(flag, false) };
export type KLDivRest = Rest<[reduction: Reduction | "batchmean", logTarget: boolean], typeof klDivArguments>;

/**
 * The Kullback-Leibler divergence of the target from the input: y (log y - x).
 *
 * @param input log-probabilities, any shape
 * @param target probabilities, or log-probabilities with `logTarget`, the same shape
 * @param rest `reduction`: "batchmean", the sum divided by the size of dimension 0, is the divergence by definition; "mean" (the
 *   default) divides by the number of elements
 */
export function klDiv(input: Tensor, target: Tensor, ...rest: KLDivRest): Tensor {
  const { reduction, logTarget } = read("nn.functional.klDiv", klDivArguments, rest);
  if (reduction !== "batchmean") return torch.klDiv(input, target, reductionCode[reduction], { logTarget });
  return torch.klDiv(input, target, reductionCode.sum, { logTarget }).div(input.shape[0] ?? 1);
}

/** log(1 + exp(-y x)). @param input scores, any shape @param target 1 or -1, the same shape */
export function softMarginLoss(input: Tensor, target: Tensor, ...rest: PlainLossRest): Tensor {
  const { reduction } = read("nn.functional.softMarginLoss", plainLossArguments, rest);
  return torch.softMarginLoss(input, target, reductionCode[reduction]);
}

const power = kind<1 | 2>("1 or 2", (value) => value === 1 || value === 2);
export const multiMarginArguments = { p: or(power, 1), margin: or(real, 1), weight: orNull(tensor), reduction };
export type MultiMarginRest = Rest<[p: 1 | 2, margin: number, weight: Tensor | null, reduction: Reduction], typeof multiMarginArguments>;

/**
 * The hinge loss of several classes: the mean over the other classes i of max(0, margin - x_y + x_i)^p.
 *
 * @param input scores [N, C] or [C]
 * @param target class numbers [N] or [], int64
 * @param rest `p` (1), `margin` (1), `weight` [C] of each class, `reduction`
 */
export function multiMarginLoss(input: Tensor, target: Tensor, ...rest: MultiMarginRest): Tensor {
  const { p, margin, weight, reduction } = read("nn.functional.multiMarginLoss", multiMarginArguments, rest);
  requireClasses("multiMarginLoss", target);
  if (weight !== null && weight.dim() !== 1) {
    throw expectedTensor("1 dimension", "weight of nn.functional.multiMarginLoss", weight);
  }
  return torch.multiMarginLoss(input, target, p, margin, weight, reductionCode[reduction]);
}

/**
 * The hinge loss of several classes at a time: the sum over target classes j and others i of max(0, 1 - x_j + x_i), divided by C.
 *
 * @param input scores [N, C] or [C]
 * @param target class numbers, int64, the same shape: those before the first -1 count
 */
export function multilabelMarginLoss(input: Tensor, target: Tensor, ...rest: PlainLossRest): Tensor {
  const { reduction } = read("nn.functional.multilabelMarginLoss", plainLossArguments, rest);
  requireClasses("multilabelMarginLoss", target);
  return torch.multilabelMarginLoss(input, target, reductionCode[reduction]);
}

export const multilabelSoftMarginArguments = bceArguments;

/**
 * The mean over classes of the binary cross entropy of the target under a sigmoid of the input.
 *
 * @param input logits [N, C] or [C]
 * @param target 0 or 1, the same shape
 * @param rest `weight` [C] of each class, `reduction`
 */
export function multilabelSoftMarginLoss(input: Tensor, target: Tensor, ...rest: BCERest): Tensor {
  const { weight, reduction } = read("nn.functional.multilabelSoftMarginLoss", multilabelSoftMarginArguments, rest);
  requireTensors("nn.functional.multilabelSoftMarginLoss", { input, target });
  requireSameShape("multilabelSoftMarginLoss", input, target);
  const each = torch.binaryCrossEntropyWithLogits(input, target.to(input.dtype), weight, null, reductionCode.none);
  return reduce(each.mean(-1), reduction);
}
