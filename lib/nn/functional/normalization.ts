import { expected, expectedTensor } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { count, flag, or, orNull, read, real, requireTensors, tensor } from "../arguments.js";
import type { Named, Rest } from "../arguments.js";

const affine = { weight: orNull(tensor), bias: orNull(tensor) };
const eps = or(real, 1e-5);

const batchNormArguments = { ...affine, training: or(flag, false), momentum: or(real, 0.1), eps };

/**
 * Batch normalization of each channel.
 *
 * @param input [N, C, ...]
 * @param runningMean [C], changed in training; `null` keeps none
 * @param runningVar [C], changed in training; `null` keeps none
 * @param rest `weight` [C], `bias` [C], `training` (false by default): use the batch's statistics, `momentum`, `eps`
 * @throws SteppeError `ARGUMENT` for a single value per channel in training: it has no variance
 */
export function batchNorm(
  input: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  ...rest: Rest<
    [weight: Tensor | null, bias: Tensor | null, training: boolean, momentum: number, eps: number],
    typeof batchNormArguments
  >
): Tensor {
  const { weight, bias, training, momentum, eps } = read("nn.functional.batchNorm", batchNormArguments, rest);
  requireTensors("nn.functional.batchNorm", { input });
  if (training) refuseSingle(input, input.numel() / (input.shape[1] ?? 1), "channel");
  const cudnn = true; // allowed where there is one
  return torch.batchNorm(input, weight, bias, runningMean, runningVar, training, momentum, eps, cudnn);
}

const affineArguments = { ...affine, eps };
type AffineRest = Rest<[weight: Tensor | null, bias: Tensor | null, eps: number], typeof affineArguments>;

/**
 * Group normalization of each group of channels of each sample.
 *
 * @param input [N, C, ...]
 * @param rest `weight` [C], `bias` [C], `eps`
 * @throws SteppeError `ARGUMENT` for a single value per group
 */
export function groupNorm(input: Tensor, numGroups: number, ...rest: AffineRest): Tensor {
  const { weight, bias, eps } = read("nn.functional.groupNorm", affineArguments, rest);
  requireTensors("nn.functional.groupNorm", { input });
  refuseSingle(input, input.numel() / numGroups, "group");
  // LibTorch's backward reads beyond its memory where the channels lie last and the input wants no gradient.
  const rows = input.requiresGrad || input.isContiguous() ? input : input.contiguous();
  return torch.groupNorm(rows, numGroups, weight, bias, eps);
}

/**
 * Layer normalization over the last dimensions.
 *
 * @param input [..., ...normalizedShape]
 * @param rest `weight` and `bias` of normalizedShape, `eps`
 */
export function layerNorm(input: Tensor, normalizedShape: readonly number[], ...rest: AffineRest): Tensor {
  const { weight, bias, eps } = read("nn.functional.layerNorm", affineArguments, rest);
  return torch.layerNorm(input, sizesOf(normalizedShape, "layerNorm"), weight, bias, eps);
}

function sizesOf(shape: unknown, owner: string): number[] {
  if (!Array.isArray(shape)) throw expected("an array of sizes", `normalizedShape of nn.functional.${owner}`, shape);
  return [...(shape as number[])];
}

const rmsArguments = { weight: orNull(tensor), eps: orNull(real) };

/**
 * Root-mean-square normalization over the last dimensions: x / √(mean(x²) + eps). arXiv 1910.07467.
 *
 * @param input [..., ...normalizedShape]
 * @param rest `weight` of normalizedShape; `eps`: the dtype's smallest step from 1 by default
 */
export function rmsNorm(
  input: Tensor,
  normalizedShape: readonly number[],
  ...rest: Rest<[weight: Tensor | null, eps: number | null], typeof rmsArguments>
): Tensor {
  const { weight, eps } = read("nn.functional.rmsNorm", rmsArguments, rest);
  return torch.rmsNorm(input, sizesOf(normalizedShape, "rmsNorm"), weight, eps);
}

const instanceNormArguments = {
  runningMean: orNull(tensor),
  runningVar: orNull(tensor),
  ...affine,
  useInputStats: or(flag, true),
  momentum: or(real, 0.1),
  eps,
};

/**
 * Normalization of each channel of each sample. arXiv 1607.08022.
 *
 * @param input [N, C, ...]
 * @param rest `runningMean` [C] and `runningVar` [C], changed with `useInputStats` (true), used without; `weight` [C]; `bias` [C]
 * @throws SteppeError `ARGUMENT` for a single value per channel with `useInputStats`
 */
export function instanceNorm(
  input: Tensor,
  ...rest: Rest<
    [
      runningMean: Tensor | null, runningVar: Tensor | null, weight: Tensor | null, bias: Tensor | null, useInputStats: boolean,
      momentum: number, eps: number,
    ],
    typeof instanceNormArguments
  >
): Tensor {
  const options = read("nn.functional.instanceNorm", instanceNormArguments, rest);
  const { runningMean, runningVar, weight, bias, useInputStats, momentum, eps } = options;
  requireTensors("nn.functional.instanceNorm", { input });
  if (useInputStats) refuseSingle(input, input.shape.slice(2).reduce((product, length) => product * length, 1), "channel");
  const cudnn = true; // allowed where there is one
  return torch.instanceNorm(input, weight, bias, runningMean, runningVar, useInputStats, momentum, eps, cudnn);
}

export const responseArguments = { size: count, alpha: or(real, 1e-4), beta: or(real, 0.75), k: or(real, 1) };
export type ResponseRest = Rest<[alpha: number, beta: number, k: number], typeof responseArguments>;

/**
 * Each value divided by (k + alpha · the mean of its neighbours' squares)^beta, neighbours being the same place in `size`
 * channels around it. Krizhevsky et al. 2012.
 *
 * @param input [N, C, ...], at least one more dimension
 * @param rest `alpha` (1e-4), `beta` (0.75), `k` (1)
 */
export function localResponseNorm(input: Tensor, size: number, ...rest: ResponseRest): Tensor;
export function localResponseNorm(input: Tensor, options: Named<typeof responseArguments>): Tensor;
export function localResponseNorm(input: Tensor, ...rest: unknown[]): Tensor {
  const { size, alpha, beta, k } = read("nn.functional.localResponseNorm", responseArguments, rest);
  requireTensors("nn.functional.localResponseNorm", { input });
  if (input.dim() < 3) throw expectedTensor("at least 3 dimensions", "the input of nn.functional.localResponseNorm", input);
  const squares = input.square().flatten(2).unsqueeze(1); // [N, 1, C, places]
  const padded = torch.pad(squares, [0, 0, Math.floor(size / 2), Math.floor((size - 1) / 2)]);
  const means = torch.avgPool2d(padded, [size, 1], 1).reshape([...input.shape]);
  return input.div(means.mul(alpha).add(k).pow(beta));
}

// LibTorch would return zeros.
function refuseSingle(input: Tensor, values: number, unit: string): void {
  if (values === 1) throw expectedTensor(`more than one value per ${unit}`, "normalization", input);
}
