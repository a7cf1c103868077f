import { expected } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { integer, oneOf, or, orNull, probability, read, tensor } from "../arguments.js";
import type { Rest } from "../arguments.js";

/** How the losses of all samples become one: "mean" (weighted, if there are weights), "sum", or "none" for all of them. */
export type Reduction = "none" | "mean" | "sum";

const reduction = or(oneOf("none", "mean", "sum"), "mean");
const code = { none: 0, mean: 1, sum: 2 };

export const plainLossArguments = { reduction };
export type PlainLossRest = Rest<[reduction: Reduction], typeof plainLossArguments>;

/** (input - target)². @param target the shape of `input` */
export function mseLoss(input: Tensor, target: Tensor, ...rest: PlainLossRest): Tensor {
  const { reduction } = read("nn.functional.mseLoss", plainLossArguments, rest);
  warnIfBroadcast("mseLoss", input, target);
  const [a, b] = torch.broadcastTensors([input, target]) as [Tensor, Tensor];
  return torch.mseLoss(a, b, code[reduction]);
}

/** |input - target|. @param target the shape of `input` */
export function l1Loss(input: Tensor, target: Tensor, ...rest: PlainLossRest): Tensor {
  const { reduction } = read("nn.functional.l1Loss", plainLossArguments, rest);
  warnIfBroadcast("l1Loss", input, target);
  const [a, b] = torch.broadcastTensors([input, target]) as [Tensor, Tensor];
  return torch.l1Loss(a, b, code[reduction]);
}

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
  checkClasses("nllLoss", target);
  return torch.nllLossNd(input, target, weight, code[reduction], ignoreIndex);
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
  if (!/float/.test(target.dtype)) checkClasses("crossEntropy", target);
  return torch.crossEntropyLoss(input, target, weight, code[reduction], ignoreIndex, labelSmoothing);
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
  const owner = "nn.functional.binaryCrossEntropyWithLogits";
  const { weight, reduction, posWeight } = read(owner, bceWithLogitsArguments, rest);
  if (!sameShape(input, target)) throw expected(`shape [${input.shape.join(", ")}], as the input,`, `target of ${owner}`, [...target.shape]);
  return torch.binaryCrossEntropyWithLogits(input, target, weight, posWeight, code[reduction]);
}

// LibTorch's "expected scalar type Long but found Int" names no argument.
function checkClasses(owner: string, target: Tensor): void {
  if (target.dtype === "int64" || target.dtype === "uint8") return;
  throw expected("class numbers of dtype int64", `target of nn.functional.${owner}`, target.dtype, 'Convert them: target.to("int64").');
}

function sameShape(a: Tensor, b: Tensor): boolean {
  return String(a.shape) === String(b.shape);
}

// As in PyTorch: allowed, but mostly a mistake ([N] against [N, 1] gives [N, N]).
function warnIfBroadcast(owner: string, input: Tensor, target: Tensor): void {
  if (sameShape(input, target)) return;
  const shapes = `[${input.shape.join(", ")}] and [${target.shape.join(", ")}]`;
  process.emitWarning(`nn.functional.${owner} broadcasts input and target of different shapes: ${shapes}.`, "SteppeWarning");
}
