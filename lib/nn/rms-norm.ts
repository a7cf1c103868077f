import type { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { flag, or, orNull, read, real, shape } from "./arguments.js";
import type { Named, Rest, Size } from "./arguments.js";
import { rmsNorm } from "./functional/index.js";
import { ones_ } from "./init.js";
import { Module } from "./module.js";
import { emptyParameter, factory } from "./parameter.js";
import type { Parameter } from "./parameter.js";

const signature = {
  /** The last dimensions of the input, over which it is normalized. */
  normalizedShape: shape,
  /** Added to the mean square: the dtype's smallest step from 1 if left out. */
  eps: orNull(real),
  /** Whether there is a weight. */
  elementwiseAffine: or(flag, true),
  ...factory,
};

/**
 * Root-mean-square normalization: the last dimensions to mean square 1, then a weight for each element. arXiv 1910.07467.
 *
 * @example new nn.RMSNorm(768, 1e-6)
 */
export class RMSNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number | null;
  /** normalizedShape */
  weight: Parameter | null;

  constructor(
    normalizedShape: Size,
    ...rest: Rest<[eps: number | null, elementwiseAffine: boolean, device: Device, dtype: DType], typeof signature>
  );
  constructor(options: Named<typeof signature>);
  constructor(...args: unknown[]) {
    super();
    const { normalizedShape, eps, elementwiseAffine, ...where } = read("nn.RMSNorm", signature, args);
    this.normalizedShape = normalizedShape;
    this.eps = eps;
    this.weight = elementwiseAffine ? emptyParameter(normalizedShape, where) : null;
    this.resetParameters();
  }

  /** Sets the weight to 1. */
  resetParameters(): void {
    if (this.weight !== null) ones_(this.weight);
  }

  /** @param input [..., ...normalizedShape] @returns the same shape */
  forward(input: Tensor): Tensor {
    return rmsNorm(input, this.normalizedShape, this.weight, this.eps);
  }

  override get isNormalization(): boolean {
    return true;
  }

  protected override extraRepr(): string {
    return `[${this.normalizedShape.join(", ")}], eps=${this.eps}, elementwiseAffine=${this.weight !== null}`;
  }
}
