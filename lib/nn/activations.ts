import type { Tensor } from "../tensor.js";
import { integer } from "./arguments.js";
import { elu, gelu, leakyRelu, logSoftmax, relu, sigmoid, silu, softmax, tanh } from "./functional/index.js";
import { eluArguments, geluArguments, inplaceArguments, leakyReluArguments } from "./functional/activations.js";
import type { EluRest, GeluRest, InplaceRest, LeakyReluRest } from "./functional/activations.js";
import { Stateless } from "./stateless.js";

// Elementwise unless said otherwise: any shape in, the same shape out. The formulae stand with the functions.

/** max(0, x). `inplace` overwrites the input. */
export class ReLU extends Stateless {
  declare readonly inplace: boolean;

  constructor(...args: InplaceRest) {
    super("nn.ReLU", inplaceArguments, args);
  }

  forward(input: Tensor): Tensor {
    return relu(input, this.inplace);
  }
}

/** x · sigmoid(x). `inplace` overwrites the input. */
export class SiLU extends Stateless {
  declare readonly inplace: boolean;

  constructor(...args: InplaceRest) {
    super("nn.SiLU", inplaceArguments, args);
  }

  forward(input: Tensor): Tensor {
    return silu(input, this.inplace);
  }
}

/** x where it is positive, negativeSlope · x elsewhere (0.01 by default). `inplace` overwrites the input. */
export class LeakyReLU extends Stateless {
  declare readonly negativeSlope: number;
  declare readonly inplace: boolean;

  constructor(...args: LeakyReluRest) {
    super("nn.LeakyReLU", leakyReluArguments, args);
  }

  forward(input: Tensor): Tensor {
    return leakyRelu(input, this.negativeSlope, this.inplace);
  }
}

/** x where it is positive, alpha · (exp(x) - 1) elsewhere. `inplace` overwrites the input. */
export class ELU extends Stateless {
  declare readonly alpha: number;
  declare readonly inplace: boolean;

  constructor(...args: EluRest) {
    super("nn.ELU", eluArguments, args);
  }

  forward(input: Tensor): Tensor {
    return elu(input, this.alpha, this.inplace);
  }
}

/** x · Φ(x), exactly or approximated by tanh. */
export class GELU extends Stateless {
  declare readonly approximate: "none" | "tanh";

  constructor(...args: GeluRest) {
    super("nn.GELU", geluArguments, args);
  }

  forward(input: Tensor): Tensor {
    return gelu(input, this.approximate);
  }
}

/** Hyperbolic tangent. */
export class Tanh extends Stateless {
  constructor(...args: []) {
    super("nn.Tanh", {}, args);
  }

  forward(input: Tensor): Tensor {
    return tanh(input);
  }
}

/** 1 / (1 + exp(-x)). */
export class Sigmoid extends Stateless {
  constructor(...args: []) {
    super("nn.Sigmoid", {}, args);
  }

  forward(input: Tensor): Tensor {
    return sigmoid(input);
  }
}

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
