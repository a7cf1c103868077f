import type { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { flag, or, read, size } from "./arguments.js";
import type { Named, Rest } from "./arguments.js";
import { resetAffine } from "./default-init.js";
import { linear } from "./functional/index.js";
import { Module } from "./module.js";
import { emptyParameter, factory } from "./parameter.js";
import type { Parameter } from "./parameter.js";

const signature = {
  /** Size of each input sample. */
  inFeatures: size,
  /** Size of each output sample. */
  outFeatures: size,
  /** Whether a bias is added. */
  bias: or(flag, true),
  ...factory,
};

/**
 * An affine map: `y = x Wᵀ + b`.
 *
 * Weights and bias start uniform in ±1/√inFeatures.
 *
 * @example new nn.Linear(784, 10); new nn.Linear(784, 10, { bias: false }); new nn.Linear({ inFeatures: 784, outFeatures: 10 });
 */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** [outFeatures, inFeatures] */
  weight: Parameter;
  /** [outFeatures] */
  bias: Parameter | null;

  constructor(inFeatures: number, outFeatures: number, ...rest: Rest<[bias: boolean, device: Device, dtype: DType], typeof signature>);
  constructor(options: Named<typeof signature>);
  constructor(...args: unknown[]) {
    super();
    const { inFeatures, outFeatures, bias, ...where } = read("nn.Linear", signature, args);
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = emptyParameter([outFeatures, inFeatures], where);
    this.bias = bias ? emptyParameter([outFeatures], where) : null;
    this.resetParameters();
  }

  /** Draws the initial values anew. */
  resetParameters(): void {
    resetAffine(this.weight, this.bias);
  }

  /** @param input [..., inFeatures] @returns [..., outFeatures] */
  forward(input: Tensor): Tensor {
    return linear(input, this.weight, this.bias);
  }

  protected override extraRepr(): string {
    return `inFeatures=${this.inFeatures}, outFeatures=${this.outFeatures}, bias=${this.bias !== null}`;
  }
}
