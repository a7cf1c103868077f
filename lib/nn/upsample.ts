import { expected } from "../errors.js";
import type { Tensor } from "../tensor.js";
import type { Rest, Size } from "./arguments.js";
import { interpolate } from "./functional/index.js";
import type { InterpolationMode } from "./functional/index.js";
import { upsampleArguments } from "./functional/interpolate.js";
import type { UpsampleRest } from "./functional/interpolate.js";
import { Stateless } from "./stateless.js";

/**
 * Makes sequences, images or volumes larger or smaller.
 *
 * @example new nn.Upsample({ scaleFactor: 2, mode: "bilinear" })
 */
export class Upsample extends Stateless {
  declare readonly size: number | readonly number[] | null;
  declare readonly scaleFactor: number | readonly number[] | null;
  declare readonly mode: InterpolationMode;
  declare readonly alignCorners: boolean | null;
  declare readonly recomputeScaleFactor: boolean | null;

  constructor(...args: UpsampleRest) {
    super("nn.Upsample", upsampleArguments, args);
    if ((this.size === null) === (this.scaleFactor === null)) {
      throw expected("one of size and scaleFactor", "nn.Upsample", [this.size, this.scaleFactor]);
    }
  }

  /** @param input [N, C, L], [N, C, H, W] or [N, C, D, H, W] */
  forward(input: Tensor): Tensor {
    const { size, scaleFactor, mode, alignCorners, recomputeScaleFactor } = this;
    return interpolate(input, size, scaleFactor, mode, alignCorners, recomputeScaleFactor);
  }
}

const { size, scaleFactor } = upsampleArguments;
const imageArguments = { size, scaleFactor };
type ImageRest = Rest<[size: Size | null, scaleFactor: Size | null], typeof imageArguments>;

/** Makes images larger: each pixel becomes the nearest one. @example new nn.UpsamplingNearest2d({ scaleFactor: 2 }) */
export class UpsamplingNearest2d extends Stateless {
  declare readonly size: number | readonly number[] | null;
  declare readonly scaleFactor: number | readonly number[] | null;

  constructor(...args: ImageRest) {
    super("nn.UpsamplingNearest2d", imageArguments, args);
  }

  /** @param input [N, C, H, W] */
  forward(input: Tensor): Tensor {
    return interpolate(input, this.size, this.scaleFactor, "nearest");
  }
}

/**
 * Makes images larger, linearly between the pixels' centres, corners on corners.
 *
 * @example new nn.UpsamplingBilinear2d({ scaleFactor: 2 })
 */
export class UpsamplingBilinear2d extends Stateless {
  declare readonly size: number | readonly number[] | null;
  declare readonly scaleFactor: number | readonly number[] | null;

  constructor(...args: ImageRest) {
    super("nn.UpsamplingBilinear2d", imageArguments, args);
  }

  /** @param input [N, C, H, W] */
  forward(input: Tensor): Tensor {
    return interpolate(input, this.size, this.scaleFactor, "bilinear", true);
  }
}
