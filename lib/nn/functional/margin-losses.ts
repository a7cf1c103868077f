import { expectedTensor } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, kind, or, orNull, read, real, requireTensors } from "../arguments.js";
import type { Rest } from "../arguments.js";
import { reduce, reduction, reductionCode } from "./reduction.js";
import type { Reduction } from "./reduction.js";

// Losses of pairs and triples of vectors.

export const cosineEmbeddingArguments = { margin: or(real, 0), reduction };
export type MarginRest = Rest<[margin: number, reduction: Reduction], typeof cosineEmbeddingArguments>;

/**
 * 1 - cos(x1, x2) for pairs that belong together, max(0, cos(x1, x2) - margin) for others.
 *
 * @param input1 [N, D] or [D]
 * @param input2 the same shape
 * @param target 1 for a pair that belongs together, -1 for another: [N] or []
 * @param rest `margin` (0), `reduction`
 */
export function cosineEmbeddingLoss(input1: Tensor, input2: Tensor, target: Tensor, ...rest: MarginRest): Tensor {
  const { margin, reduction } = read("nn.functional.cosineEmbeddingLoss", cosineEmbeddingArguments, rest);
  return torch.cosineEmbeddingLoss(input1, input2, target, margin, reductionCode[reduction]);
}

export const hingeEmbeddingArguments = { margin: or(real, 1), reduction };

/** x where the target is 1, max(0, margin - x) where it is -1. @param input distances, any shape @param target the same shape */
export function hingeEmbeddingLoss(input: Tensor, target: Tensor, ...rest: MarginRest): Tensor {
  const { margin, reduction } = read("nn.functional.hingeEmbeddingLoss", hingeEmbeddingArguments, rest);
  return torch.hingeEmbeddingLoss(input, target, margin, reductionCode[reduction]);
}

export const marginRankingArguments = cosineEmbeddingArguments;

/**
 * max(0, -y (x1 - x2) + margin).
 *
 * @param input1 scores, any shape
 * @param input2 scores, the same shape
 * @param target y: 1 where the first is to be ranked higher, -1 where the second is; the same shape
 * @throws SteppeError `ARGUMENT` for different numbers of dimensions
 */
export function marginRankingLoss(input1: Tensor, input2: Tensor, target: Tensor, ...rest: MarginRest): Tensor {
  const { margin, reduction } = read("nn.functional.marginRankingLoss", marginRankingArguments, rest);
  for (const [name, other] of [["input2", input2], ["target", target]] as const) requireDims("marginRankingLoss", name, other, input1);
  return torch.marginRankingLoss(input1, input2, target, margin, reductionCode[reduction]);
}

const positive = kind<number>("a positive number", (value) => typeof value === "number" && value > 0);

export const tripletMarginArguments = { margin: or(positive, 1), p: or(real, 2), eps: or(real, 1e-6), swap: or(flag, false), reduction };
export type TripletMarginRest = Rest<[margin: number, p: number, eps: number, swap: boolean, reduction: Reduction], typeof tripletMarginArguments>;

/**
 * max(0, d(anchor, positive) - d(anchor, negative) + margin), d the distance by the p-norm.
 *
 * @param anchor [N, D] or [D], as `positive` and `negative`
 * @param rest `margin` (1), `p` (2), `eps` (1e-6), `swap`: the nearer of anchor and positive to the negative counts, `reduction`
 */
export function tripletMarginLoss(anchor: Tensor, positive: Tensor, negative: Tensor, ...rest: TripletMarginRest): Tensor {
  const { margin, p, eps, swap, reduction } = read("nn.functional.tripletMarginLoss", tripletMarginArguments, rest);
  return torch.tripletMarginLoss(anchor, positive, negative, margin, p, eps, swap, reductionCode[reduction]);
}

/** A distance of each row of one tensor from that of another. */
export type Distance = (a: Tensor, b: Tensor) => Tensor;

export const tripletDistanceArguments = {
  distanceFunction: orNull(kind<Distance>("a function", (value) => typeof value === "function")),
  margin: or(positive, 1),
  swap: or(flag, false),
  reduction,
};
export type TripletDistanceRest = Rest<
  [distanceFunction: Distance | null, margin: number, swap: boolean, reduction: Reduction],
  typeof tripletDistanceArguments
>;

/**
 * As `tripletMarginLoss`, with a distance of one's own.
 *
 * @param rest `distanceFunction` (the Euclidean distance by default), `margin` (1), `swap`, `reduction`
 */
export function tripletMarginWithDistanceLoss(anchor: Tensor, positive: Tensor, negative: Tensor, ...rest: TripletDistanceRest): Tensor {
  const owner = "tripletMarginWithDistanceLoss";
  const { distanceFunction, margin, swap, reduction } = read(`nn.functional.${owner}`, tripletDistanceArguments, rest);
  requireTensors(`nn.functional.${owner}`, { anchor, positive, negative });
  for (const [name, other] of [["positive", positive], ["negative", negative]] as const) requireDims(owner, name, other, anchor);
  const distance = distanceFunction ?? torch.pairwiseDistance;
  const near = distance(anchor, positive);
  const far = swap ? distance(anchor, negative).minimum(distance(positive, negative)) : distance(anchor, negative);
  return reduce(near.add(margin).sub(far).clampMin(0), reduction);
}

function requireDims(owner: string, name: string, tensor: Tensor, first: Tensor): void {
  requireTensors(`nn.functional.${owner}`, { "the first tensor": first, [name]: tensor });
  if (tensor.dim() === first.dim()) return;
  throw expectedTensor(`a tensor of ${first.dim()} dimensions, as the first,`, `${name} of nn.functional.${owner}`, tensor);
}
