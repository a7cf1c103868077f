import type { Tensor } from "../tensor.js";
import { flag, or } from "./arguments.js";
import { outputSize } from "./functional/adaptive-pooling.js";
import type { OutputSize } from "./functional/adaptive-pooling.js";
import {
  adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d, adaptiveMaxPool1d, adaptiveMaxPool1dWithIndices, adaptiveMaxPool2d,
  adaptiveMaxPool2dWithIndices, adaptiveMaxPool3d, adaptiveMaxPool3dWithIndices,
} from "./functional/index.js";
import { Stateless } from "./stateless.js";

// As many windows as the output has places; `null` keeps the input's size.

/** Averages over a sequence. @example new nn.AdaptiveAvgPool1d(5) */
export class AdaptiveAvgPool1d extends Stateless {
  declare readonly outputSize: readonly (number | null)[];

  constructor(outputSizes: OutputSize | { outputSize: OutputSize }) {
    super("nn.AdaptiveAvgPool1d", { outputSize: outputSize(1) }, [outputSizes]);
  }

  /** @param input [N, C, L] or [C, L] @returns [N, C, ...outputSize] or [C, ...outputSize] */
  forward(input: Tensor): Tensor {
    return adaptiveAvgPool1d(input, this.outputSize);
  }
}

/** Averages over an image. @example new nn.AdaptiveAvgPool2d(1); new nn.AdaptiveAvgPool2d([null, 7]); */
export class AdaptiveAvgPool2d extends Stateless {
  declare readonly outputSize: readonly (number | null)[];

  constructor(outputSizes: OutputSize | { outputSize: OutputSize }) {
    super("nn.AdaptiveAvgPool2d", { outputSize: outputSize(2) }, [outputSizes]);
  }

  /** @param input [N, C, H, W] or [C, H, W] @returns [N, C, ...outputSize] or [C, ...outputSize] */
  forward(input: Tensor): Tensor {
    return adaptiveAvgPool2d(input, this.outputSize);
  }
}

/** Averages over a volume. @example new nn.AdaptiveAvgPool3d(1) */
export class AdaptiveAvgPool3d extends Stateless {
  declare readonly outputSize: readonly (number | null)[];

  constructor(outputSizes: OutputSize | { outputSize: OutputSize }) {
    super("nn.AdaptiveAvgPool3d", { outputSize: outputSize(3) }, [outputSizes]);
  }

  /** @param input [N, C, D, H, W] or [C, D, H, W] @returns [N, C, ...outputSize] or [C, ...outputSize] */
  forward(input: Tensor): Tensor {
    return adaptiveAvgPool3d(input, this.outputSize);
  }
}

const maxArguments = (dims: number) => ({
  outputSize: outputSize(dims),
  /** Whether the places of the maxima are returned, too. */
  returnIndices: or(flag, false),
});
type MaxArgs<Indices extends boolean> =
  | [outputSize: OutputSize, returnIndices?: Indices]
  | [outputSize: OutputSize, options: { returnIndices?: Indices }]
  | [options: { outputSize: OutputSize; returnIndices?: Indices }];
type Result<Indices extends boolean> = Indices extends true ? [output: Tensor, indices: Tensor] : Tensor;

/** Maxima over a sequence, with `returnIndices` also their places. @example new nn.AdaptiveMaxPool1d(5) */
export class AdaptiveMaxPool1d<Indices extends boolean = false> extends Stateless {
  declare readonly outputSize: readonly (number | null)[];
  declare readonly returnIndices: Indices;

  constructor(...args: MaxArgs<Indices>) {
    super("nn.AdaptiveMaxPool1d", maxArguments(1), args);
  }

  /** @param input [N, C, L] or [C, L] @returns [N, C, ...outputSize] or [C, ...outputSize] */
  forward(input: Tensor): Result<Indices> {
    return (this.returnIndices ? adaptiveMaxPool1dWithIndices : adaptiveMaxPool1d)(input, this.outputSize) as Result<Indices>;
  }
}

/** Maxima over an image, with `returnIndices` also their places. @example new nn.AdaptiveMaxPool2d(5) */
export class AdaptiveMaxPool2d<Indices extends boolean = false> extends Stateless {
  declare readonly outputSize: readonly (number | null)[];
  declare readonly returnIndices: Indices;

  constructor(...args: MaxArgs<Indices>) {
    super("nn.AdaptiveMaxPool2d", maxArguments(2), args);
  }

  /** @param input [N, C, H, W] or [C, H, W] @returns [N, C, ...outputSize] or [C, ...outputSize] */
  forward(input: Tensor): Result<Indices> {
    return (this.returnIndices ? adaptiveMaxPool2dWithIndices : adaptiveMaxPool2d)(input, this.outputSize) as Result<Indices>;
  }
}

/** Maxima over a volume, with `returnIndices` also their places. @example new nn.AdaptiveMaxPool3d(5) */
export class AdaptiveMaxPool3d<Indices extends boolean = false> extends Stateless {
  declare readonly outputSize: readonly (number | null)[];
  declare readonly returnIndices: Indices;

  constructor(...args: MaxArgs<Indices>) {
    super("nn.AdaptiveMaxPool3d", maxArguments(3), args);
  }

  /** @param input [N, C, D, H, W] or [C, D, H, W] @returns [N, C, ...outputSize] or [C, ...outputSize] */
  forward(input: Tensor): Result<Indices> {
    return (this.returnIndices ? adaptiveMaxPool3dWithIndices : adaptiveMaxPool3d)(input, this.outputSize) as Result<Indices>;
  }
}
