import type { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { count, or, read, real } from "./arguments.js";
import type { Rest } from "./arguments.js";
import { prelu } from "./functional/index.js";
import { constant_ } from "./init.js";
import { Module } from "./module.js";
import { emptyParameter, factory } from "./parameter.js";
import type { Parameter } from "./parameter.js";

const signature = {
  /** 1 for one slope for all, or the number of channels. */
  numParameters: or(count, 1),
  /** Where the slopes start. */
  init: or(real, 0.25),
  ...factory,
};

/**
 * x where it is positive, a · x elsewhere, with a learned slope a. Weight decay would make it a ReLU. arXiv 1502.01852.
 *
 * @example new nn.PReLU(); new nn.PReLU(64);
 */
export class PReLU extends Module {
  readonly init: number;
  /** [numParameters] */
  weight: Parameter;

  constructor(...args: Rest<[numParameters: number, init: number, device: Device, dtype: DType], typeof signature>) {
    super();
    const { numParameters, init, ...where } = read("nn.PReLU", signature, args);
    this.init = init;
    this.weight = emptyParameter([numParameters], where);
    this.resetParameters();
  }

  /** Sets the slopes to `init`. */
  resetParameters(): void {
    constant_(this.weight, this.init);
  }

  /** @param input [N, C, ...] with numParameters channels, or any shape with one slope @returns the same shape */
  forward(input: Tensor): Tensor {
    return prelu(input, this.weight);
  }

  protected override extraRepr(): string {
    return `${this.weight.shape[0]}`;
  }
}
