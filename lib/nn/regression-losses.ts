import type { Tensor } from "../tensor.js";
import { gaussianNllLoss, huberLoss, l1Loss, mseLoss, poissonNllLoss, smoothL1Loss } from "./functional/index.js";
import { plainLossArguments } from "./functional/reduction.js";
import type { PlainLossRest } from "./functional/reduction.js";
import { gaussianNllArguments, huberArguments, poissonNllArguments, smoothL1Arguments } from "./functional/regression-losses.js";
import type { GaussianNllRest, HuberRest, PoissonNllRest, SmoothL1Rest } from "./functional/regression-losses.js";
import { Loss } from "./loss.js";

/** The mean of squared differences. */
export class MSELoss extends Loss {
  constructor(...args: PlainLossRest) {
    super("nn.MSELoss", plainLossArguments, args);
  }

  /** @param target the shape of `input` */
  forward(input: Tensor, target: Tensor): Tensor {
    return mseLoss(input, target, this.reduction);
  }
}

/** The mean of absolute differences. */
export class L1Loss extends Loss {
  constructor(...args: PlainLossRest) {
    super("nn.L1Loss", plainLossArguments, args);
  }

  /** @param target the shape of `input` */
  forward(input: Tensor, target: Tensor): Tensor {
    return l1Loss(input, target, this.reduction);
  }
}

/** Squared differences divided by 2 beta up to `beta` (1 by default), absolute differences beyond. */
export class SmoothL1Loss extends Loss {
  declare readonly beta: number;

  constructor(...args: SmoothL1Rest) {
    super("nn.SmoothL1Loss", smoothL1Arguments, args);
  }

  /** @param target the shape of `input` */
  forward(input: Tensor, target: Tensor): Tensor {
    return smoothL1Loss(input, target, this.reduction, this.beta);
  }
}

/** Half the squared differences up to `delta` (1 by default), `delta` times the absolute differences beyond. */
export class HuberLoss extends Loss {
  declare readonly delta: number;

  constructor(...args: HuberRest) {
    super("nn.HuberLoss", huberArguments, args);
  }

  /** @param target the shape of `input` */
  forward(input: Tensor, target: Tensor): Tensor {
    return huberLoss(input, target, this.reduction, this.delta);
  }
}

/** The negative log-likelihood of counts under a Poisson distribution. */
export class PoissonNLLLoss extends Loss {
  declare readonly logInput: boolean;
  declare readonly full: boolean;
  declare readonly eps: number;

  constructor(...args: PoissonNllRest) {
    super("nn.PoissonNLLLoss", poissonNllArguments, args);
  }

  /** @param input the rate's logarithm, or the rate @param target counts, the same shape */
  forward(input: Tensor, target: Tensor): Tensor {
    return poissonNllLoss(input, target, this.logInput, this.full, this.eps, this.reduction);
  }
}

/** The negative log-likelihood of numbers under normal distributions. */
export class GaussianNLLLoss extends Loss {
  declare readonly full: boolean;
  declare readonly eps: number;

  constructor(...args: GaussianNllRest) {
    super("nn.GaussianNLLLoss", gaussianNllArguments, args);
  }

  /** @param input means @param target the same shape @param variance the same shape, or with one value for several */
  forward(input: Tensor, target: Tensor, variance: Tensor | number): Tensor {
    return gaussianNllLoss(input, target, variance, this.full, this.eps, this.reduction);
  }
}
