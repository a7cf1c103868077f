import type { Tensor } from "../tensor.js";
import { flag, or, probability } from "./arguments.js";
import type { Rest } from "./arguments.js";
import { alphaDropout, dropout, dropout1d, dropout2d, dropout3d, featureAlphaDropout } from "./functional/index.js";
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

/** Zeroes whole channels of sequences at random in training and scales up the others. arXiv 1411.4280. */
export class Dropout1d extends Stateless {
  declare readonly p: number;
  declare readonly inplace: boolean;

  constructor(...args: DropoutRest) {
    super("nn.Dropout1d", dropoutArguments, args);
  }

  /** @param input [N, C, L] or [C, L] @returns the same shape */
  forward(input: Tensor): Tensor {
    return dropout1d(input, this.p, this.training, this.inplace);
  }
}

/** Zeroes whole channels of images at random in training and scales up the others. arXiv 1411.4280. */
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

/** Zeroes whole channels of volumes at random in training and scales up the others. arXiv 1411.4280. */
export class Dropout3d extends Stateless {
  declare readonly p: number;
  declare readonly inplace: boolean;

  constructor(...args: DropoutRest) {
    super("nn.Dropout3d", dropoutArguments, args);
  }

  /** @param input [N, C, D, H, W] or [C, D, H, W] @returns the same shape */
  forward(input: Tensor): Tensor {
    return dropout3d(input, this.p, this.training, this.inplace);
  }
}

/** For `SELU`: dropped values become its lower limit in training, and mean and variance stay. arXiv 1706.02515. */
export class AlphaDropout extends Stateless {
  declare readonly p: number;
  declare readonly inplace: boolean;

  constructor(...args: DropoutRest) {
    super("nn.AlphaDropout", dropoutArguments, args);
  }

  /** @param input any shape @returns the same shape */
  forward(input: Tensor): Tensor {
    return alphaDropout(input, this.p, this.training, this.inplace);
  }
}

/** As `AlphaDropout`, of whole channels. */
export class FeatureAlphaDropout extends Stateless {
  declare readonly p: number;
  declare readonly inplace: boolean;

  constructor(...args: DropoutRest) {
    super("nn.FeatureAlphaDropout", dropoutArguments, args);
  }

  /** @param input [N, C, ...] @returns the same shape */
  forward(input: Tensor): Tensor {
    return featureAlphaDropout(input, this.p, this.training, this.inplace);
  }
}
