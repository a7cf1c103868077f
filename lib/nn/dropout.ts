import type { Tensor } from "../tensor.js";
import { flag, or, probability } from "./arguments.js";
import type { Rest } from "./arguments.js";
import { dropout, dropout2d } from "./functional/index.js";
import { Stateless } from "./stateless.js";

const dropoutArguments = {
  /** Probability to be zeroed. */
  p: or(probability, 0.5),
  /** Whether the input is overwritten. */
  inplace: or(flag, false),
};
type DropoutRest = Rest<[p: number, inplace: boolean], typeof dropoutArguments>;

/** Zeroes values at random in training and scales up the others; nothing in evaluation. arXiv 1207.0580. */
export class Dropout extends Stateless {
  declare readonly p: number;
  declare readonly inplace: boolean;

  constructor(...args: DropoutRest) {
    super("nn.Dropout", dropoutArguments, args);
  }

  /** @param input any shape @returns the same shape */
  forward(input: Tensor): Tensor {
    return dropout(input, this.p, this.training, this.inplace);
  }
}

/** Zeroes whole channels at random in training and scales up the others; nothing in evaluation. arXiv 1411.4280. */
export class Dropout2d extends Stateless {
  declare readonly p: number;
  declare readonly inplace: boolean;

  constructor(...args: DropoutRest) {
    super("nn.Dropout2d", dropoutArguments, args);
  }

  /** @param input [N, C, H, W] @returns the same shape */
  forward(input: Tensor): Tensor {
    return dropout2d(input, this.p, this.training, this.inplace);
  }
}
