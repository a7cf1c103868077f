import type { Tensor } from "../tensor.js";
import type { Named, Signature, Size } from "./arguments.js";
import { avgPool1dArguments, avgPoolArguments } from "./functional/avg-pooling.js";
import type { AvgPool1dRest, AvgPoolRest, AvgPoolSignature } from "./functional/avg-pooling.js";
import { avgPool1d, avgPool2d, avgPool3d } from "./functional/index.js";
import { Stateless } from "./stateless.js";

/** What average poolings of any number of dimensions share. */
abstract class AvgPool extends Stateless {
  declare readonly kernelSize: readonly number[];
  declare readonly stride: readonly number[];
  declare readonly padding: readonly number[];
  declare readonly ceilMode: boolean;
  declare readonly countIncludePad: boolean;

  constructor(owner: string, signature: Signature, args: readonly unknown[]) {
    super(owner, signature, args);
    Object.assign(this, { stride: this.stride ?? this.kernelSize });
  }
}

/** The average of each window of a sequence. @example new nn.AvgPool1d(2); new nn.AvgPool1d(3, 1, { padding: 1 }); */
export class AvgPool1d extends AvgPool {
  constructor(kernelSize: Size, ...rest: AvgPool1dRest);
  constructor(options: Named<typeof avgPool1dArguments>);
  constructor(...args: unknown[]) {
    super("nn.AvgPool1d", avgPool1dArguments, args);
  }

  /** @param input [N, C, L] or [C, L] */
  forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad } = this;
    return avgPool1d(input, kernelSize, stride, padding, ceilMode, countIncludePad);
  }
}

/** The average of each window of an image. @example new nn.AvgPool2d(2); new nn.AvgPool2d([3, 2], { stride: 1 }); */
export class AvgPool2d extends AvgPool {
  declare readonly divisorOverride: number | null;

  constructor(kernelSize: Size, ...rest: AvgPoolRest);
  constructor(options: Named<AvgPoolSignature>);
  constructor(...args: unknown[]) {
    super("nn.AvgPool2d", avgPoolArguments(2), args);
  }

  /** @param input [N, C, H, W] or [C, H, W] */
  forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride } = this;
    return avgPool2d(input, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride);
  }
}

/** The average of each window of a volume. @example new nn.AvgPool3d(2) */
export class AvgPool3d extends AvgPool {
  declare readonly divisorOverride: number | null;

  constructor(kernelSize: Size, ...rest: AvgPoolRest);
  constructor(options: Named<AvgPoolSignature>);
  constructor(...args: unknown[]) {
    super("nn.AvgPool3d", avgPoolArguments(3), args);
  }

  /** @param input [N, C, D, H, W] or [C, D, H, W] */
  forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride } = this;
    return avgPool3d(input, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride);
  }
}
