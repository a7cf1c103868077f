import { expectedTensor } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { integer } from "./arguments.js";
import { logSoftmax, softmax, softmin } from "./functional/index.js";
import { Stateless } from "./stateless.js";

const dimension = { dim: integer };
type Dimension = [dim: number] | [options: { dim: number }];

/** exp(x) divided by its sum over dimension `dim`. */
export class Softmax extends Stateless {
  declare readonly dim: number;

  constructor(...args: Dimension) {
    super("nn.Softmax", dimension, args);
  }

  forward(input: Tensor): Tensor {
    return softmax(input, this.dim);
  }
}

/** exp(-x) divided by its sum over dimension `dim`. */
export class Softmin extends Stateless {
  declare readonly dim: number;

  constructor(...args: Dimension) {
    super("nn.Softmin", dimension, args);
  }

  forward(input: Tensor): Tensor {
    return softmin(input, this.dim);
  }
}

/** The logarithm of the softmax over dimension `dim`. */
export class LogSoftmax extends Stateless {
  declare readonly dim: number;

  constructor(...args: Dimension) {
    super("nn.LogSoftmax", dimension, args);
  }

  forward(input: Tensor): Tensor {
    return logSoftmax(input, this.dim);
  }
}

/** The softmax over the channels of each pixel. */
export class Softmax2d extends Stateless {
  constructor(...args: []) {
    super("nn.Softmax2d", {}, args);
  }

  /** @param input [N, C, H, W] or [C, H, W] @returns the same shape */
  forward(input: Tensor): Tensor {
    if (input.dim() !== 3 && input.dim() !== 4) {
      throw expectedTensor("a tensor of 3 or 4 dimensions", "the input of nn.Softmax2d", input);
    }
    return softmax(input, -3);
  }
}
