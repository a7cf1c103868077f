import type { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { count, flag, or, read } from "./arguments.js";
import type { Named, Rest } from "./arguments.js";
import { bilinear } from "./functional/index.js";
import { uniform_ } from "./init.js";
import { Module } from "./module.js";
import { emptyParameter, factory } from "./parameter.js";
import type { Parameter } from "./parameter.js";

const signature = { in1Features: count, in2Features: count, outFeatures: count, bias: or(flag, true), ...factory };

/**
 * A bilinear map: `y = x1ᵀ A x2 + b`. Weights and bias start uniform in ±1/√in1Features.
 *
 * @example new nn.Bilinear(20, 30, 40)
 */
export class Bilinear extends Module {
  readonly in1Features: number;
  readonly in2Features: number;
  readonly outFeatures: number;
  /** [outFeatures, in1Features, in2Features] */
  weight: Parameter;
  /** [outFeatures] */
  bias: Parameter | null;

  constructor(
    in1Features: number,
    in2Features: number,
    outFeatures: number,
    ...rest: Rest<[bias: boolean, device: Device, dtype: DType], typeof signature>
  );
  constructor(options: Named<typeof signature>);
  constructor(...args: unknown[]) {
    super();
    const { in1Features, in2Features, outFeatures, bias, ...where } = read("nn.Bilinear", signature, args);
    this.in1Features = in1Features;
    this.in2Features = in2Features;
    this.outFeatures = outFeatures;
    this.weight = emptyParameter([outFeatures, in1Features, in2Features], where);
    this.bias = bias ? emptyParameter([outFeatures], where) : null;
    this.resetParameters();
  }

  /** Draws the initial values anew. */
  resetParameters(): void {
    const bound = 1 / Math.sqrt(this.in1Features);
    uniform_(this.weight, -bound, bound);
    if (this.bias !== null) uniform_(this.bias, -bound, bound);
  }

  /** @param input1 [..., in1Features] @param input2 [..., in2Features] @returns [..., outFeatures] */
  forward(input1: Tensor, input2: Tensor): Tensor {
    return bilinear(input1, input2, this.weight, this.bias);
  }

  protected override extraRepr(): string {
    const { in1Features, in2Features, outFeatures, bias } = this;
    return `in1Features=${in1Features}, in2Features=${in2Features}, outFeatures=${outFeatures}, bias=${bias !== null}`;
  }
}
