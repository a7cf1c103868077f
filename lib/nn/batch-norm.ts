import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Device, DType } from "../types.js";
import { flag, kind, or, orNull, probability, read, real, size } from "./arguments.js";
import type { Named, Rest } from "./arguments.js";
import { batchNorm } from "./functional/index.js";
import { factory } from "./parameter.js";
import { RunningNorm } from "./running-norm.js";

/** @internal The arguments, shared with the lazy layers. */
export const batchNormSignature = {
  /** Features or channels: the size of dimension 1. */
  numFeatures: size,
  /** Added to the variance. */
  eps: or(real, 1e-5),
  /** Weight of the newest batch in the running statistics. `null` averages over all batches alike. */
  momentum: or(orNull(probability), 0.1),
  /** Whether there are a weight and a bias. */
  affine: or(flag, true),
  /** Whether running statistics are kept, for use in evaluation. */
  trackRunningStats: or(flag, true),
  ...factory,
  /** Whether there is a bias beside the weight. */
  bias: or(flag, true),
};

/** All arguments of a batch normalization by name. */
export type BatchNormOptions = Named<typeof batchNormSignature>;
type BatchNormRest = Rest<
  [eps: number, momentum: number | null, affine: boolean, trackRunningStats: boolean, device: Device, dtype: DType, bias: boolean],
  typeof batchNormSignature
>;

/** What batch normalizations of any number of dimensions share. */
abstract class BatchNorm extends RunningNorm {
  constructor(
    owner: string,
    private readonly dims: readonly number[],
    args: unknown[],
    signature = batchNormSignature,
  ) {
    super(read(owner, signature, args));
  }

  forward(input: Tensor): Tensor {
    this.checkDims(input, this.dims);
    const { running_mean: mean, running_var: variance, weight, bias, eps } = this;
    if (!this.training || mean === null || variance === null) {
      const useBatch = this.training || mean === null || variance === null;
      return batchNorm(input, mean, variance, weight, bias, useBatch, this.momentum ?? 0, eps);
    }
    this.num_batches_tracked?.add_(1);
    if (this.momentum !== null) return batchNorm(input, mean, variance, weight, bias, true, this.momentum, eps);

    // The average over all batches has the weight 1 / num_batches_tracked, which must not be read: a compiled step would
    // keep its first value. Momentum 1 puts the batch's own statistics into fresh tensors; tensor operators average them.
    const [batchMean, batchVariance] = [torch.zerosLike(mean), torch.zerosLike(variance)];
    const output = batchNorm(input, batchMean, batchVariance, weight, bias, true, 1, eps);
    const share = this.num_batches_tracked!.to(mean.dtype).reciprocal();
    mean.lerp_(batchMean, share);
    variance.lerp_(batchVariance, share);
    return output;
  }
}

/**
 * Batch normalization of features or sequences: each channel to mean 0 and variance 1 over the batch, then weight and bias.
 * In evaluation with the running statistics. arXiv 1502.03167.
 *
 * @example new nn.BatchNorm1d(100); new nn.BatchNorm1d(100, { momentum: 0.01 });
 */
export class BatchNorm1d extends BatchNorm {
  constructor(numFeatures: number, ...rest: BatchNormRest);
  constructor(options: BatchNormOptions);
  constructor(...args: unknown[]) {
    super("nn.BatchNorm1d", [2, 3], args);
  }

  /** @param input [N, C] or [N, C, L] @returns the same shape */
  override forward(input: Tensor): Tensor {
    return super.forward(input);
  }
}

/**
 * Batch normalization of images: each channel to mean 0 and variance 1 over the batch and all pixels, then weight and bias.
 * In evaluation with the running statistics. arXiv 1502.03167.
 *
 * @example new nn.BatchNorm2d(16); new nn.BatchNorm2d(16, 1e-3, 0.01);
 */
export class BatchNorm2d extends BatchNorm {
  constructor(numFeatures: number, ...rest: BatchNormRest);
  constructor(options: BatchNormOptions);
  constructor(...args: unknown[]) {
    super("nn.BatchNorm2d", [4], args);
  }

  /** @param input [N, C, H, W] @returns the same shape */
  override forward(input: Tensor): Tensor {
    return super.forward(input);
  }
}

/**
 * Batch normalization of volumes: each channel to mean 0 and variance 1 over the batch and all voxels, then weight and bias.
 * In evaluation with the running statistics. arXiv 1502.03167.
 *
 * @example new nn.BatchNorm3d(16)
 */
export class BatchNorm3d extends BatchNorm {
  constructor(numFeatures: number, ...rest: BatchNormRest);
  constructor(options: BatchNormOptions);
  constructor(...args: unknown[]) {
    super("nn.BatchNorm3d", [5], args);
  }

  /** @param input [N, C, D, H, W] @returns the same shape */
  override forward(input: Tensor): Tensor {
    return super.forward(input);
  }
}

const { device, dtype, bias, ...statistics } = batchNormSignature;
const syncSignature = {
  ...statistics,
  /** In PyTorch those among whom the batch is shared: here there is one process. */
  processGroup: orNull(kind<null>("null, as training runs in one process,", (value) => value === null)),
  device,
  dtype,
  bias,
};
type SyncBatchNormRest = Rest<
  [eps: number, momentum: number | null, affine: boolean, trackRunningStats: boolean, processGroup: null, device: Device, dtype: DType, bias: boolean],
  typeof syncSignature
>;

/**
 * Batch normalization of inputs of any number of dimensions, over all processes that train together. In one process, and so
 * far in several, it is a batch normalization of the process's own batch.
 *
 * @example new nn.SyncBatchNorm(16)
 */
export class SyncBatchNorm extends BatchNorm {
  constructor(numFeatures: number, ...rest: SyncBatchNormRest);
  constructor(options: Named<typeof syncSignature>);
  constructor(...args: unknown[]) {
    super("nn.SyncBatchNorm", [2, 3, 4, 5], args, syncSignature);
  }

  /** @param input [N, C, ...] @returns the same shape */
  override forward(input: Tensor): Tensor {
    return super.forward(input);
  }
}
