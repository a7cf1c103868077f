import type { Tensor } from "../tensor.js";
import type { Named } from "./arguments.js";
import {
  celu, elu, gelu, glu, hardshrink, hardsigmoid, hardswish, hardtanh, leakyRelu, logsigmoid, mish, relu, relu6, rrelu, selu, sigmoid,
  silu, softplus, softshrink, softsign, tanh, tanhshrink, threshold,
} from "./functional/index.js";
import {
  eluArguments, geluArguments, gluArguments, hardtanhArguments, inplaceArguments, leakyReluArguments, rreluArguments, shrinkArguments,
  softplusArguments, thresholdArguments,
} from "./functional/activations.js";
import type {
  EluRest, GeluRest, GluRest, HardtanhRest, InplaceRest, LeakyReluRest, RReluRest, ShrinkRest, SoftplusRest, ThresholdRest,
} from "./functional/activations.js";
import { Stateless } from "./stateless.js";

// Elementwise unless said otherwise: any shape in, the same shape out. Sources stand with the functions.

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

/** min(max(0, x), 6). `inplace` overwrites the input. */
export class ReLU6 extends Stateless {
  declare readonly inplace: boolean;

  constructor(...args: InplaceRest) {
    super("nn.ReLU6", inplaceArguments, args);
  }

  forward(input: Tensor): Tensor {
    return relu6(input, this.inplace);
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

/** x · tanh(softplus(x)). `inplace` overwrites the input. */
export class Mish extends Stateless {
  declare readonly inplace: boolean;

  constructor(...args: InplaceRest) {
    super("nn.Mish", inplaceArguments, args);
  }

  forward(input: Tensor): Tensor {
    return mish(input, this.inplace);
  }
}

/** 1.0507 · elu(x, 1.6733): keeps mean 0 and variance 1. `inplace` overwrites the input. */
export class SELU extends Stateless {
  declare readonly inplace: boolean;

  constructor(...args: InplaceRest) {
    super("nn.SELU", inplaceArguments, args);
  }

  forward(input: Tensor): Tensor {
    return selu(input, this.inplace);
  }
}

/** min(max(0, x + 3), 6) / 6. `inplace` overwrites the input. */
export class Hardsigmoid extends Stateless {
  declare readonly inplace: boolean;

  constructor(...args: InplaceRest) {
    super("nn.Hardsigmoid", inplaceArguments, args);
  }

  forward(input: Tensor): Tensor {
    return hardsigmoid(input, this.inplace);
  }
}

/** x · min(max(0, x + 3), 6) / 6. `inplace` overwrites the input. */
export class Hardswish extends Stateless {
  declare readonly inplace: boolean;

  constructor(...args: InplaceRest) {
    super("nn.Hardswish", inplaceArguments, args);
  }

  forward(input: Tensor): Tensor {
    return hardswish(input, this.inplace);
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

/** x where it is positive, a · x elsewhere, a drawn from [lower, upper) in training (1/8 and 1/3 by default), else their mean. */
export class RReLU extends Stateless {
  declare readonly lower: number;
  declare readonly upper: number;
  declare readonly inplace: boolean;

  constructor(...args: RReluRest) {
    super("nn.RReLU", rreluArguments, args);
  }

  forward(input: Tensor): Tensor {
    return rrelu(input, this.lower, this.upper, this.training, this.inplace);
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

/** max(0, x) + min(0, alpha · (exp(x / alpha) - 1)). `inplace` overwrites the input. */
export class CELU extends Stateless {
  declare readonly alpha: number;
  declare readonly inplace: boolean;

  constructor(...args: EluRest) {
    super("nn.CELU", eluArguments, args);
  }

  forward(input: Tensor): Tensor {
    return celu(input, this.alpha, this.inplace);
  }
}

/** min(max(minVal, x), maxVal), from -1 to 1 by default. `inplace` overwrites the input. */
export class Hardtanh extends Stateless {
  declare readonly minVal: number;
  declare readonly maxVal: number;
  declare readonly inplace: boolean;

  constructor(...args: HardtanhRest) {
    super("nn.Hardtanh", hardtanhArguments, args);
  }

  forward(input: Tensor): Tensor {
    return hardtanh(input, this.minVal, this.maxVal, this.inplace);
  }
}

/** x where |x| is above `lambd` (0.5 by default), 0 elsewhere. */
export class Hardshrink extends Stateless {
  declare readonly lambd: number;

  constructor(...args: ShrinkRest) {
    super("nn.Hardshrink", shrinkArguments, args);
  }

  forward(input: Tensor): Tensor {
    return hardshrink(input, this.lambd);
  }
}

/** x moved towards 0 by `lambd` (0.5 by default), but not past it. */
export class Softshrink extends Stateless {
  declare readonly lambd: number;

  constructor(...args: ShrinkRest) {
    super("nn.Softshrink", shrinkArguments, args);
  }

  forward(input: Tensor): Tensor {
    return softshrink(input, this.lambd);
  }
}

/** x - tanh(x). */
export class Tanhshrink extends Stateless {
  constructor(...args: []) {
    super("nn.Tanhshrink", {}, args);
  }

  forward(input: Tensor): Tensor {
    return tanhshrink(input);
  }
}

/** log(1 + exp(beta · x)) / beta; x itself where beta · x is above the threshold (1 and 20 by default). */
export class Softplus extends Stateless {
  declare readonly beta: number;
  declare readonly threshold: number;

  constructor(...args: SoftplusRest) {
    super("nn.Softplus", softplusArguments, args);
  }

  forward(input: Tensor): Tensor {
    return softplus(input, this.beta, this.threshold);
  }
}

/** x / (1 + |x|). */
export class Softsign extends Stateless {
  constructor(...args: []) {
    super("nn.Softsign", {}, args);
  }

  forward(input: Tensor): Tensor {
    return softsign(input);
  }
}

/** log(1 / (1 + exp(-x))). */
export class LogSigmoid extends Stateless {
  constructor(...args: []) {
    super("nn.LogSigmoid", {}, args);
  }

  forward(input: Tensor): Tensor {
    return logsigmoid(input);
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

/** a · sigmoid(b) of the halves a and b of dimension `dim` (the last by default), which becomes half as long. */
export class GLU extends Stateless {
  declare readonly dim: number;

  constructor(...args: GluRest) {
    super("nn.GLU", gluArguments, args);
  }

  forward(input: Tensor): Tensor {
    return glu(input, this.dim);
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

/** x where it is above the threshold, `value` elsewhere. `inplace` overwrites the input. @example new nn.Threshold(0.1, 20) */
export class Threshold extends Stateless {
  declare readonly threshold: number;
  declare readonly value: number;
  declare readonly inplace: boolean;

  constructor(threshold: number, value: number, ...rest: ThresholdRest);
  constructor(options: Named<typeof thresholdArguments>);
  constructor(...args: unknown[]) {
    super("nn.Threshold", thresholdArguments, args);
  }

  forward(input: Tensor): Tensor {
    return threshold(input, this.threshold, this.value, this.inplace);
  }
}
