import type { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { flag, or, read, real, shape } from "./arguments.js";
import type { Named, Rest, Size } from "./arguments.js";
import { layerNorm } from "./functional/index.js";
import { ones_, zeros_ } from "./init.js";
import { Module } from "./module.js";
import { emptyParameter, factory } from "./parameter.js";
import type { Parameter } from "./parameter.js";

const signature = {
  /** The last dimensions of the input, over which it is normalized. */
  normalizedShape: shape,
  /** Added to the variance. */
  eps: or(real, 1e-5),
  /** Whether there are a weight and a bias. */
  elementwiseAffine: or(flag, true),
  /** Whether there is a bias beside the weight. */
  bias: or(flag, true),
  ...factory,
};

/**
 * Layer normalization: the last dimensions to mean 0 and variance 1, then a weight and a bias for each element.
 * arXiv 1607.06450.
 *
 * @example new nn.LayerNorm(768); new nn.LayerNorm([16, 8, 8], { eps: 1e-6 });
 */
export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  /** normalizedShape */
  weight: Parameter | null;
  /** normalizedShape */
  bias: Parameter | null;

  constructor(
    normalizedShape: Size,
    ...rest: Rest<[eps: number, elementwiseAffine: boolean, bias: boolean, device: Device, dtype: DType], typeof signature>
  );
  constructor(options: Named<typeof signature>);
  constructor(...args: unknown[]) {
    super();
    const { normalizedShape, eps, elementwiseAffine, bias, ...where } = read("nn.LayerNorm", signature, args);
    this.normalizedShape = normalizedShape;
    this.eps = eps;
    this.weight = elementwiseAffine ? emptyParameter(normalizedShape, where) : null;
    this.bias = elementwiseAffine && bias ? emptyParameter(normalizedShape, where) : null;
    this.resetParameters();
  }

  /** Sets the weight to 1 and the bias to 0. */
  resetParameters(): void {
    if (this.weight !== null) ones_(this.weight);
    if (this.bias !== null) zeros_(this.bias);
  }

  /** @param input [..., ...normalizedShape] @returns the same shape */
  forward(input: Tensor): Tensor {
    return layerNorm(input, this.normalizedShape, this.weight, this.bias, this.eps);
  }

  override get isNormalization(): boolean {
    return true;
  }

  protected override extraRepr(): string {
    const { normalizedShape, eps, weight, bias } = this;
    return `[${normalizedShape.join(", ")}], eps=${eps}, elementwiseAffine=${weight !== null}, bias=${bias !== null}`;
  }
}
