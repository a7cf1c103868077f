import type { Tensor } from "../tensor.js";
import type { Named, Size } from "./arguments.js";
import { lpPoolArguments } from "./functional/avg-pooling.js";
import type { LPPoolRest, LPPoolSignature } from "./functional/avg-pooling.js";
import { lpPool1d, lpPool2d, lpPool3d } from "./functional/index.js";
import { Stateless } from "./stateless.js";

/** What poolings by a norm share. */
abstract class LPPool extends Stateless {
  declare readonly normType: number;
  declare readonly kernelSize: readonly number[];
  declare readonly stride: readonly number[] | null;
  declare readonly ceilMode: boolean;

  constructor(dims: 1 | 2 | 3, args: readonly unknown[]) {
    super(`nn.LPPool${dims}d`, lpPoolArguments(dims), args);
  }

  protected pool(input: Tensor, by: typeof lpPool1d): Tensor {
    return by(input, this.normType, this.kernelSize, this.stride, this.ceilMode);
  }
}

/** The p-norm of each window of a sequence. @example new nn.LPPool1d(2, 3) */
export class LPPool1d extends LPPool {
  constructor(normType: number, kernelSize: Size, ...rest: LPPoolRest);
  constructor(options: Named<LPPoolSignature>);
  constructor(...args: unknown[]) {
    super(1, args);
  }

  /** @param input [N, C, L] or [C, L] */
  forward(input: Tensor): Tensor {
    return this.pool(input, lpPool1d);
  }
}

/** The p-norm of each window of an image. @example new nn.LPPool2d(2, [3, 2], { stride: 1 }) */
export class LPPool2d extends LPPool {
  constructor(normType: number, kernelSize: Size, ...rest: LPPoolRest);
  constructor(options: Named<LPPoolSignature>);
  constructor(...args: unknown[]) {
    super(2, args);
  }

  /** @param input [N, C, H, W] or [C, H, W] */
  forward(input: Tensor): Tensor {
    return this.pool(input, lpPool2d);
  }
}

/** The p-norm of each window of a volume. @example new nn.LPPool3d(2, 3) */
export class LPPool3d extends LPPool {
  constructor(normType: number, kernelSize: Size, ...rest: LPPoolRest);
  constructor(options: Named<LPPoolSignature>);
  constructor(...args: unknown[]) {
    super(3, args);
  }

  /** @param input [N, C, D, H, W] or [C, D, H, W] */
  forward(input: Tensor): Tensor {
    return this.pool(input, lpPool3d);
  }
}
