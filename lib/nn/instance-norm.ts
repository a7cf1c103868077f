import type { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { flag, or, probability, read, real, size } from "./arguments.js";
import type { Named, Rest } from "./arguments.js";
import { instanceNorm } from "./functional/index.js";
import { factory } from "./parameter.js";
import { RunningNorm } from "./running-norm.js";

/** @internal The arguments, shared with the lazy layers. */
export const instanceNormSignature = {
  /** Channels: the size of dimension 1. */
  numFeatures: size,
  /** Added to the variance. */
  eps: or(real, 1e-5),
  /** Weight of the newest batch in the running statistics. */
  momentum: or(probability, 0.1),
  /** Whether there are a weight and a bias. */
  affine: or(flag, false),
  /** Whether running statistics are kept, for use in evaluation. */
  trackRunningStats: or(flag, false),
  ...factory,
  /** Whether there is a bias beside the weight. */
  bias: or(flag, true),
};

/** All arguments of an instance normalization by name. */
export type InstanceNormOptions = Named<typeof instanceNormSignature>;
type InstanceNormRest = Rest<
  [eps: number, momentum: number, affine: boolean, trackRunningStats: boolean, device: Device, dtype: DType, bias: boolean],
  typeof instanceNormSignature
>;

/** What instance normalizations of any number of dimensions share. */
abstract class InstanceNorm extends RunningNorm {
  constructor(
    owner: string,
    private readonly dims: number,
    args: unknown[],
  ) {
    super(read(owner, instanceNormSignature, args));
  }

  forward(input: Tensor): Tensor {
    this.checkDims(input, [this.dims + 1, this.dims + 2]);
    if (input.dim() === this.dims + 1) return this.forward(input.unsqueeze(0)).squeeze(0);
    const { running_mean: mean, running_var: variance, weight, bias, momentum, eps } = this;
    return instanceNorm(input, mean, variance, weight, bias, this.training || mean === null, momentum ?? 0, eps);
  }
}

/**
 * Instance normalization of sequences: each channel of each sample to mean 0 and variance 1. arXiv 1607.08022.
 *
 * @example new nn.InstanceNorm1d(16, { affine: true })
 */
export class InstanceNorm1d extends InstanceNorm {
  constructor(numFeatures: number, ...rest: InstanceNormRest);
  constructor(options: InstanceNormOptions);
  constructor(...args: unknown[]) {
    super("nn.InstanceNorm1d", 1, args);
  }

  /** @param input [N, C, L] or [C, L] @returns the same shape */
  override forward(input: Tensor): Tensor {
    return super.forward(input);
  }
}

/** Instance normalization of images: each channel of each sample to mean 0 and variance 1. arXiv 1607.08022. */
export class InstanceNorm2d extends InstanceNorm {
  constructor(numFeatures: number, ...rest: InstanceNormRest);
  constructor(options: InstanceNormOptions);
  constructor(...args: unknown[]) {
    super("nn.InstanceNorm2d", 2, args);
  }

  /** @param input [N, C, H, W] or [C, H, W] @returns the same shape */
  override forward(input: Tensor): Tensor {
    return super.forward(input);
  }
}

/** Instance normalization of volumes: each channel of each sample to mean 0 and variance 1. arXiv 1607.08022. */
export class InstanceNorm3d extends InstanceNorm {
  constructor(numFeatures: number, ...rest: InstanceNormRest);
  constructor(options: InstanceNormOptions);
  constructor(...args: unknown[]) {
    super("nn.InstanceNorm3d", 3, args);
  }

  /** @param input [N, C, D, H, W] or [C, D, H, W] @returns the same shape */
  override forward(input: Tensor): Tensor {
    return super.forward(input);
  }
}
