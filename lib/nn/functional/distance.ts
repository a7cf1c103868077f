import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, integer, or, read, real, requireTensors } from "../arguments.js";
import type { Rest } from "../arguments.js";

export const cosineSimilarityArguments = { dim: or(integer, 1), eps: or(real, 1e-8) };
export type CosineSimilarityRest = Rest<[dim: number, eps: number], typeof cosineSimilarityArguments>;

/** x1 · x2 / (max(‖x1‖, eps) max(‖x2‖, eps)) over dimension `dim` (1), which goes. */
export function cosineSimilarity(x1: Tensor, x2: Tensor, ...rest: CosineSimilarityRest): Tensor {
  const { dim, eps } = read("nn.functional.cosineSimilarity", cosineSimilarityArguments, rest);
  return torch.cosineSimilarity(x1, x2, dim, eps);
}

export const pairwiseDistanceArguments = { p: or(real, 2), eps: or(real, 1e-6), keepdim: or(flag, false) };
export type PairwiseDistanceRest = Rest<[p: number, eps: number, keepdim: boolean], typeof pairwiseDistanceArguments>;

/** ‖x1 - x2 + eps‖ by the p-norm over the last dimension, which goes, or stays as 1 with `keepdim`. @param x1 [N, D] or [D] */
export function pairwiseDistance(x1: Tensor, x2: Tensor, ...rest: PairwiseDistanceRest): Tensor {
  const { p, eps, keepdim } = read("nn.functional.pairwiseDistance", pairwiseDistanceArguments, rest);
  return torch.pairwiseDistance(x1, x2, p, eps, keepdim);
}

const pdistArguments = { p: or(real, 2) };

/** The distances of all pairs of rows by the p-norm (2). @param input [N, D] @returns [N (N - 1) / 2] */
export function pdist(input: Tensor, ...rest: Rest<[p: number], typeof pdistArguments>): Tensor {
  return torch.pdist(input, read("nn.functional.pdist", pdistArguments, rest).p);
}

const normalizeArguments = { p: or(real, 2), dim: or(integer, 1), eps: or(real, 1e-12) };

/** x / max(‖x‖, eps), by the p-norm (2) over dimension `dim` (1). */
export function normalize(input: Tensor, ...rest: Rest<[p: number, dim: number, eps: number], typeof normalizeArguments>): Tensor {
  const { p, dim, eps } = read("nn.functional.normalize", normalizeArguments, rest);
  requireTensors("nn.functional.normalize", { input });
  return input.div(torch.norm(input, p, [dim], true).clampMin(eps));
}
