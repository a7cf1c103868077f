import type { Tensor } from "../tensor.js";
import type { Named, Size } from "./arguments.js";
import { adaptiveAvgPool2d, avgPool2d, maxPool2d, maxPool2dWithIndices } from "./functional/index.js";
import { adaptiveAvgPool2dArguments, avgPool2dArguments, maxPool2dArguments } from "./functional/pooling.js";
import type { AvgPool2dRest, MaxPool2dRest, OutputSize } from "./functional/pooling.js";
import { Stateless } from "./stateless.js";

/**
 * The maximum of each window of an image.
 *
 * @example new nn.MaxPool2d(2); new nn.MaxPool2d(3, { stride: 2, padding: 1 });
 */
export class MaxPool2d extends Stateless {
  declare readonly kernelSize: readonly number[];
  declare readonly stride: readonly number[];
  declare readonly padding: readonly number[];
  declare readonly dilation: readonly number[];
  declare readonly ceilMode: boolean;

  constructor(kernelSize: Size, ...rest: MaxPool2dRest);
  constructor(options: Named<typeof maxPool2dArguments>);
  constructor(...args: unknown[]) {
    super("nn.MaxPool2d", maxPool2dArguments, args);
    Object.assign(this, { stride: this.stride ?? this.kernelSize });
  }

  /** @param input [N, C, H, W] or [C, H, W] */
  forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return maxPool2d(input, { kernelSize, stride, padding, dilation, ceilMode });
  }
}

/**
 * The average of each window of an image.
 *
 * @example new nn.AvgPool2d(2); new nn.AvgPool2d(3, { stride: 2, padding: 1, countIncludePad: false });
 */
export class AvgPool2d extends Stateless {
  declare readonly kernelSize: readonly number[];
  declare readonly stride: readonly number[];
  declare readonly padding: readonly number[];
  declare readonly ceilMode: boolean;
  declare readonly countIncludePad: boolean;
  declare readonly divisorOverride: number | null;

  constructor(kernelSize: Size, ...rest: AvgPool2dRest);
  constructor(options: Named<typeof avgPool2dArguments>);
  constructor(...args: unknown[]) {
    super("nn.AvgPool2d", avgPool2dArguments, args);
    Object.assign(this, { stride: this.stride ?? this.kernelSize });
  }

  /** @param input [N, C, H, W] or [C, H, W] */
  forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride } = this;
    return avgPool2d(input, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride);
  }
}

/**
 * Averages over as many windows as the output has places.
 *
 * @example new nn.AdaptiveAvgPool2d(1); new nn.AdaptiveAvgPool2d([null, 7]); // null keeps the input's size
 */
export class AdaptiveAvgPool2d extends Stateless {
  declare readonly outputSize: readonly (number | null)[];

  constructor(outputSize: OutputSize | { outputSize: OutputSize }) {
    super("nn.AdaptiveAvgPool2d", adaptiveAvgPool2dArguments, [outputSize]);
  }

  /** @param input [N, C, H, W] or [C, H, W] @returns [N, C, ...outputSize] or [C, ...outputSize] */
  forward(input: Tensor): Tensor {
    return adaptiveAvgPool2d(input, this.outputSize);
  }
}
