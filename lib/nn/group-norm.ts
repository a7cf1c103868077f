import { expected } from "../errors.js";
import type { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { count, flag, or, read, real } from "./arguments.js";
import type { Named, Rest } from "./arguments.js";
import { groupNorm } from "./functional/index.js";
import { ones_, zeros_ } from "./init.js";
import { Module } from "./module.js";
import { emptyParameter, factory } from "./parameter.js";
import type { Parameter } from "./parameter.js";

const signature = {
  numGroups: count,
  /** A multiple of `numGroups`. */
  numChannels: count,
  /** Added to the variance. */
  eps: or(real, 1e-5),
  /** Whether there are a weight and a bias. */
  affine: or(flag, true),
  ...factory,
  /** Whether there is a bias beside the weight. */
  bias: or(flag, true),
};

/**
 * Group normalization: each group of channels of each sample to mean 0 and variance 1, then a weight and a bias for each
 * channel. arXiv 1803.08494.
 *
 * @example new nn.GroupNorm(4, 16)
 */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;
  /** [numChannels] */
  weight: Parameter | null;
  /** [numChannels] */
  bias: Parameter | null;

  constructor(
    numGroups: number,
    numChannels: number,
    ...rest: Rest<[eps: number, affine: boolean, device: Device, dtype: DType], typeof signature>
  );
  constructor(options: Named<typeof signature>);
  constructor(...args: unknown[]) {
    super();
    const { numGroups, numChannels, eps, affine, bias, ...where } = read("nn.GroupNorm", signature, args);
    if (numChannels % numGroups !== 0) {
      throw expected(`a multiple of numGroups (${numGroups})`, "numChannels of nn.GroupNorm", numChannels);
    }
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
    this.weight = affine ? emptyParameter([numChannels], where) : null;
    this.bias = affine && bias ? emptyParameter([numChannels], where) : null;
    this.resetParameters();
  }

  /** Sets the weight to 1 and the bias to 0. */
  resetParameters(): void {
    if (this.weight !== null) ones_(this.weight);
    if (this.bias !== null) zeros_(this.bias);
  }

  /** @param input [N, numChannels, ...] @returns the same shape */
  forward(input: Tensor): Tensor {
    return groupNorm(input, this.numGroups, this.weight, this.bias, this.eps);
  }

  override get isNormalization(): boolean {
    return true;
  }

  protected override extraRepr(): string {
    const { numGroups, numChannels, eps, weight, bias } = this;
    return `${numGroups}, ${numChannels}, eps=${eps}, affine=${weight !== null}, bias=${bias !== null}`;
  }
}
