import type { Tensor } from "../tensor.js";
import { flag, or } from "./arguments.js";
import type { Named, Size } from "./arguments.js";
import { checkFractional, fractionalArguments } from "./functional/fractional-pooling.js";
import type { Ratio } from "./functional/fractional-pooling.js";
import {
  fractionalMaxPool2d, fractionalMaxPool2dWithIndices, fractionalMaxPool3d, fractionalMaxPool3dWithIndices,
} from "./functional/index.js";
import { Stateless } from "./stateless.js";

const signature = (dims: 2 | 3) => ({
  ...fractionalArguments(dims),
  /** Whether the places of the maxima are returned, too. */
  returnIndices: or(flag, false),
});
type Options = Omit<Named<ReturnType<typeof signature>>, "returnIndices">;
type FractionalArgs<Indices extends boolean> =
  | [kernelSize: Size, options: Omit<Options, "kernelSize"> & { returnIndices?: Indices }]
  | [kernelSize: Size, outputSize: Size | null | undefined, outputRatio?: Ratio | null | undefined, returnIndices?: Indices]
  | [options: Options & { returnIndices?: Indices }];
type Result<Indices extends boolean> = Indices extends true ? [output: Tensor, indices: Tensor] : Tensor;

/** What fractional poolings share. */
abstract class FractionalMaxPool<Indices extends boolean> extends Stateless {
  declare readonly kernelSize: readonly number[];
  declare readonly outputSize: readonly number[] | null;
  declare readonly outputRatio: readonly number[] | null;
  declare readonly returnIndices: Indices;

  constructor(dims: 2 | 3, args: readonly unknown[]) {
    super(`nn.FractionalMaxPool${dims}d`, signature(dims), args);
    checkFractional(`nn.FractionalMaxPool${dims}d`, this.outputSize, this.outputRatio);
  }
}

/**
 * Maxima over windows of an image at random places, in evaluation, too. arXiv 1412.6071.
 *
 * @example new nn.FractionalMaxPool2d(3, { outputRatio: 0.7 })
 */
export class FractionalMaxPool2d<Indices extends boolean = false> extends FractionalMaxPool<Indices> {
  constructor(...args: FractionalArgs<Indices>) {
    super(2, args);
  }

  /** @param input [N, C, H, W] or [C, H, W] */
  forward(input: Tensor): Result<Indices> {
    const { kernelSize, outputSize, outputRatio } = this;
    return (this.returnIndices ? fractionalMaxPool2dWithIndices : fractionalMaxPool2d)(input, kernelSize, outputSize, outputRatio) as Result<Indices>;
  }
}

/**
 * Maxima over windows of a volume at random places, in evaluation, too. arXiv 1412.6071.
 *
 * @example new nn.FractionalMaxPool3d(2, [8, 12, 12])
 */
export class FractionalMaxPool3d<Indices extends boolean = false> extends FractionalMaxPool<Indices> {
  constructor(...args: FractionalArgs<Indices>) {
    super(3, args);
  }

  /** @param input [N, C, D, H, W] or [C, D, H, W] */
  forward(input: Tensor): Result<Indices> {
    const { kernelSize, outputSize, outputRatio } = this;
    return (this.returnIndices ? fractionalMaxPool3dWithIndices : fractionalMaxPool3d)(input, kernelSize, outputSize, outputRatio) as Result<Indices>;
  }
}
