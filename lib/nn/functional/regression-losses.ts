import { expected } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, kind, or, orNull, read, real, requireTensors, tensor } from "../arguments.js";
import type { Rest } from "../arguments.js";
import { reduce, reduction, reductionCode, requireSameShape, warnIfBroadcast } from "./reduction.js";
import type { Reduction } from "./reduction.js";

// Losses of numbers against numbers. Formulae are for each element x of the input and y of the target.

const weightedArguments = { reduction, weight: orNull(tensor) };
type WeightedRest = Rest<[reduction: Reduction, weight: Tensor | null], typeof weightedArguments>;

/** Losses of single elements, weighted; or by the operator that reduces, too. */
function elementwise(
  owner: string,
  [input, target]: [Tensor, Tensor],
  { reduction, weight }: { reduction: Reduction; weight: Tensor | null },
  loss: (a: Tensor, b: Tensor, code: number) => Tensor,
): Tensor {
  warnIfBroadcast(owner, input, target);
  const [a, b] = torch.broadcastTensors([input, target]) as [Tensor, Tensor];
  if (weight === null) return loss(a, b, reductionCode[reduction]);
  requireSameShape(owner, input, weight, "weight");
  const losses = loss(a, b, reductionCode.none).mul(weight);
  // As in PyTorch, where the Huber loss alone divides by the number of elements.
  return reduction === "mean" && owner !== "huberLoss" ? losses.sum().div(weight.sum()) : reduce(losses, reduction);
}

/** (x - y)². @param target the shape of `input` @param rest `reduction`, a weighted mean with `weight`, of the shape of `input` */
export function mseLoss(input: Tensor, target: Tensor, ...rest: WeightedRest): Tensor {
  return elementwise("mseLoss", [input, target], read("nn.functional.mseLoss", weightedArguments, rest), torch.mseLoss);
}

/** |x - y|. @param target the shape of `input` @param rest `reduction`, a weighted mean with `weight`, of the shape of `input` */
export function l1Loss(input: Tensor, target: Tensor, ...rest: WeightedRest): Tensor {
  return elementwise("l1Loss", [input, target], read("nn.functional.l1Loss", weightedArguments, rest), torch.l1Loss);
}

const positive = kind<number>("a positive number", (value) => typeof value === "number" && value > 0);
const nonNegative = kind<number>("a non-negative number", (value) => typeof value === "number" && value >= 0);

export const smoothL1Arguments = { reduction, beta: or(nonNegative, 1) };
export type SmoothL1Rest = Rest<[reduction: Reduction, beta: number], typeof smoothL1Arguments>;

/** 0.5 (x - y)² / beta where |x - y| is below `beta` (1 by default), |x - y| - 0.5 beta elsewhere. arXiv 1504.08083. */
export function smoothL1Loss(input: Tensor, target: Tensor, ...rest: SmoothL1Rest): Tensor {
  const { reduction, beta } = read("nn.functional.smoothL1Loss", smoothL1Arguments, rest);
  return elementwise("smoothL1Loss", [input, target], { reduction, weight: null }, (a, b, code) => torch.smoothL1Loss(a, b, code, beta));
}

export const huberArguments = { reduction, delta: or(positive, 1) };
export type HuberRest = Rest<[reduction: Reduction, delta: number], typeof huberArguments>;
const huberFunctionArguments = { ...huberArguments, weight: orNull(tensor) };

/** 0.5 (x - y)² where |x - y| is below `delta` (1 by default), delta (|x - y| - 0.5 delta) elsewhere. Huber 1964. */
export function huberLoss(
  input: Tensor,
  target: Tensor,
  ...rest: Rest<[reduction: Reduction, delta: number, weight: Tensor | null], typeof huberFunctionArguments>
): Tensor {
  const { delta, ...how } = read("nn.functional.huberLoss", huberFunctionArguments, rest);
  return elementwise("huberLoss", [input, target], how, (a, b, code) => torch.huberLoss(a, b, code, delta));
}

export const poissonNllArguments = { logInput: or(flag, true), full: or(flag, false), eps: or(real, 1e-8), reduction };
export type PoissonNllRest = Rest<[logInput: boolean, full: boolean, eps: number, reduction: Reduction], typeof poissonNllArguments>;

/**
 * The negative log-likelihood of counts under a Poisson distribution: exp(x) - y x, or x - y log(x + eps) without `logInput`.
 *
 * @param input the rate's logarithm, or the rate itself without `logInput`
 * @param target counts, the shape of `input`
 * @param rest `full` adds Stirling's approximation of log y!; `reduction`
 */
export function poissonNllLoss(input: Tensor, target: Tensor, ...rest: PoissonNllRest): Tensor {
  const { logInput, full, eps, reduction } = read("nn.functional.poissonNllLoss", poissonNllArguments, rest);
  return torch.poissonNllLoss(input, target, logInput, full, eps, reductionCode[reduction]);
}

export const gaussianNllArguments = { full: or(flag, false), eps: or(positive, 1e-6), reduction };
export type GaussianNllRest = Rest<[full: boolean, eps: number, reduction: Reduction], typeof gaussianNllArguments>;

/**
 * The negative log-likelihood of numbers under normal distributions: 0.5 (log v + (x - y)² / v).
 *
 * @param input means, any shape
 * @param target the same shape
 * @param variance v: the same shape, one dimension 1 in it, or without its last dimension; values below `eps` count as `eps`
 * @param rest `full` adds 0.5 log 2π; `eps` (1e-6); `reduction`
 * @throws SteppeError `ARGUMENT` for another shape, and for a variance that is a negative number
 */
export function gaussianNllLoss(input: Tensor, target: Tensor, variance: Tensor | number, ...rest: GaussianNllRest): Tensor {
  const { full, eps, reduction } = read("nn.functional.gaussianNllLoss", gaussianNllArguments, rest);
  requireTensors("nn.functional.gaussianNllLoss", { input, target, ...(typeof variance === "number" ? {} : { variance }) });
  const number = (value: number) => nonNegative.read(value, "variance of nn.functional.gaussianNllLoss");
  const given = typeof variance === "number" ? torch.fullLike(input, number(variance)) : variance;
  const spread = asWideAs(input, given).clone();
  torch.noGrad(() => spread.clampMin_(eps)); // the gradient goes to values below eps, too
  const losses = spread.log().add(input.sub(target).square().div(spread)).mul(0.5);
  return reduce(full ? losses.add(0.5 * Math.log(2 * Math.PI)) : losses, reduction);
}

function asWideAs(input: Tensor, variance: Tensor): Tensor {
  const [wide, narrow] = [input.shape, variance.shape];
  if (String(wide) === String(narrow)) return variance;
  if (String(wide.slice(0, -1)) === String(narrow) && wide.length > 0) return variance.unsqueeze(-1);
  const others = narrow.filter((size, i) => size !== wide[i]);
  if (narrow.length === wide.length && others.length === 1 && others[0] === 1) return variance;
  throw expected(`shape [${wide.join(", ")}], one of them 1, or the last left out,`, "variance of nn.functional.gaussianNllLoss", [...narrow]);
}
