import { expected } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { DType } from "../types.js";
import { flag, or, orNull, probability, read, real, size } from "./arguments.js";
import type { Named, Rest } from "./arguments.js";
import { batchNorm } from "./functional/index.js";
import { ones_, zeros_ } from "./init.js";
import { Module } from "./module.js";
import { emptyParameter, factory } from "./parameter.js";
import type { Parameter } from "./parameter.js";

const signature = {
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
export type BatchNormOptions = Named<typeof signature>;
type BatchNormRest = Rest<
  [eps: number, momentum: number | null, affine: boolean, trackRunningStats: boolean, device: string, dtype: DType],
  typeof signature
>;

/** What batch normalizations of any number of dimensions share. */
abstract class BatchNorm extends Module {
  readonly numFeatures: number;
  readonly eps: number;
  momentum: number | null;
  /** [numFeatures] */
  weight: Parameter | null;
  /** [numFeatures] */
  bias: Parameter | null;
  // Named as in the state dict.
  declare running_mean: Tensor | null;
  declare running_var: Tensor | null;
  declare num_batches_tracked: Tensor | null;

  constructor(
    owner: string,
    private readonly dims: readonly number[],
    args: unknown[],
  ) {
    super();
    const { numFeatures, eps, momentum, affine, trackRunningStats, bias, ...where } = read(owner, signature, args);
    this.numFeatures = numFeatures;
    this.eps = eps;
    this.momentum = momentum;
    this.weight = affine ? emptyParameter([numFeatures], where) : null;
    this.bias = affine && bias ? emptyParameter([numFeatures], where) : null;
    const tracked = trackRunningStats ? torch.zeros([numFeatures], where) : null;
    this.registerBuffer("running_mean", tracked);
    this.registerBuffer("running_var", trackRunningStats ? torch.ones([numFeatures], where) : null);
    this.registerBuffer("num_batches_tracked", trackRunningStats ? torch.zeros([], { device: where.device, dtype: "int64" }) : null);
    this.resetParameters();
  }

  /** Mean of the batches seen in training, [numFeatures]. */
  get runningMean(): Tensor | null {
    return this.running_mean;
  }

  /** Unbiased variance of the batches seen in training, [numFeatures]. */
  get runningVar(): Tensor | null {
    return this.running_var;
  }

  /** Number of batches seen in training, [] of int64. */
  get numBatchesTracked(): Tensor | null {
    return this.num_batches_tracked;
  }

  /** Forgets the running statistics. */
  resetRunningStats(): void {
    if (this.running_mean !== null) zeros_(this.running_mean);
    if (this.running_var !== null) ones_(this.running_var);
    if (this.num_batches_tracked !== null) zeros_(this.num_batches_tracked);
  }

  /** Sets weight, bias and running statistics to their initial values. */
  resetParameters(): void {
    this.resetRunningStats();
    if (this.weight !== null) ones_(this.weight);
    if (this.bias !== null) zeros_(this.bias);
  }

  forward(input: Tensor): Tensor {
    if (!this.dims.includes(input.dim())) {
      throw expected(`a tensor of ${this.dims.join(" or ")} dimensions`, `the input of nn.${this.constructor.name}`, [...input.shape]);
    }
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

  // Files from before PyTorch 0.4.1 have no such count.
  protected override mayBeMissing(name: string): boolean {
    return name === "num_batches_tracked";
  }

  override get isNormalization(): boolean {
    return true;
  }

  protected override extraRepr(): string {
    const { numFeatures, eps, momentum, weight, bias, running_mean } = this;
    return `${numFeatures}, eps=${eps}, momentum=${momentum}, affine=${weight !== null}, bias=${bias !== null}, trackRunningStats=${running_mean !== null}`;
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
