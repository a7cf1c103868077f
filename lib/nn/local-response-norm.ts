import type { Tensor } from "../tensor.js";
import type { Named } from "./arguments.js";
import { localResponseNorm } from "./functional/index.js";
import { responseArguments } from "./functional/normalization.js";
import type { ResponseRest } from "./functional/normalization.js";
import { Stateless } from "./stateless.js";

/** Divides each value by a power of the mean square of its neighbours in `size` channels. @example new nn.LocalResponseNorm(5) */
export class LocalResponseNorm extends Stateless {
  declare readonly size: number;
  declare readonly alpha: number;
  declare readonly beta: number;
  declare readonly k: number;

  constructor(size: number, ...rest: ResponseRest);
  constructor(options: Named<typeof responseArguments>);
  constructor(...args: unknown[]) {
    super("nn.LocalResponseNorm", responseArguments, args);
  }

  /** @param input [N, C, ...] @returns the same shape */
  forward(input: Tensor): Tensor {
    return localResponseNorm(input, this.size, this.alpha, this.beta, this.k);
  }
}
