import type { Tensor } from "../tensor.js";
import { count } from "./arguments.js";
import { channelShuffle, pixelShuffle, pixelUnshuffle } from "./functional/index.js";
import { Stateless } from "./stateless.js";

/** Channels become pixels: enlarges images by `upscaleFactor`. arXiv 1609.05158. @example new nn.PixelShuffle(3) */
export class PixelShuffle extends Stateless {
  declare readonly upscaleFactor: number;

  constructor(...args: [upscaleFactor: number] | [options: { upscaleFactor: number }]) {
    super("nn.PixelShuffle", { upscaleFactor: count }, args);
  }

  /** @param input [..., C · r², H, W] @returns [..., C, H · r, W · r] */
  forward(input: Tensor): Tensor {
    return pixelShuffle(input, this.upscaleFactor);
  }
}

/** Pixels become channels: makes images smaller by `downscaleFactor`. @example new nn.PixelUnshuffle(3) */
export class PixelUnshuffle extends Stateless {
  declare readonly downscaleFactor: number;

  constructor(...args: [downscaleFactor: number] | [options: { downscaleFactor: number }]) {
    super("nn.PixelUnshuffle", { downscaleFactor: count }, args);
  }

  /** @param input [..., C, H · r, W · r] @returns [..., C · r², H, W] */
  forward(input: Tensor): Tensor {
    return pixelUnshuffle(input, this.downscaleFactor);
  }
}

/** The channels of all groups take turns. arXiv 1707.01083. @example new nn.ChannelShuffle(2) */
export class ChannelShuffle extends Stateless {
  declare readonly groups: number;

  constructor(...args: [groups: number] | [options: { groups: number }]) {
    super("nn.ChannelShuffle", { groups: count }, args);
  }

  /** @param input [N, C, ...] @returns the same shape */
  forward(input: Tensor): Tensor {
    return channelShuffle(input, this.groups);
  }
}
