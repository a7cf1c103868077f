import { expected } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, or, orNull, read, real, tensor } from "../arguments.js";
import type { Rest } from "../arguments.js";

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
  refuseSingle(input, input.numel() / numGroups, "group");
  return torch.groupNorm(input, numGroups, weight, bias, eps);
}

/**
 * Layer normalization over the last dimensions.
 *
 * @param input [..., ...normalizedShape]
 * @param rest `weight` and `bias` of normalizedShape, `eps`
 */
export function layerNorm(input: Tensor, normalizedShape: readonly number[], ...rest: AffineRest): Tensor {
  const { weight, bias, eps } = read("nn.functional.layerNorm", affineArguments, rest);
  return torch.layerNorm(input, [...normalizedShape], weight, bias, eps);
}

// LibTorch would return zeros.
function refuseSingle(input: Tensor, values: number, unit: string): void {
  if (values === 1) throw expected(`more than one value per ${unit}`, "normalization", [...input.shape]);
}
