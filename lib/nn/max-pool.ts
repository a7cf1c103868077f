import type { Tensor } from "../tensor.js";
import { flag, or, perDim } from "./arguments.js";
import type { Named, Size } from "./arguments.js";
import { windowArguments } from "./functional/max-pooling.js";
import {
  maxPool1d, maxPool1dWithIndices, maxPool2d, maxPool2dWithIndices, maxPool3d, maxPool3dWithIndices,
} from "./functional/index.js";
import { Stateless } from "./stateless.js";

const signature = (dims: number) => ({
  ...windowArguments(dims),
  /** Distance between the window's elements. */
  dilation: or(perDim(dims, 1), 1),
  /** Whether the places of the maxima are returned, too. */
  returnIndices: or(flag, false),
  /** Whether windows may reach over the end of the input. */
  ceilMode: or(flag, false),
});
type Options = Omit<Named<ReturnType<typeof signature>>, "returnIndices">;

/** What comes after the kernel's size. */
type MaxPoolRest<Indices extends boolean> =
  | [options?: Partial<Options> & { returnIndices?: Indices }]
  | [stride: Size | null | undefined, options?: Partial<Options> & { returnIndices?: Indices }]
  | [stride: Size | null | undefined, padding: Size | undefined, options?: Partial<Options> & { returnIndices?: Indices }]
  | [stride: Size | null | undefined, padding: Size | undefined, dilation: Size | undefined, options?: Partial<Options> & { returnIndices?: Indices }]
  | [stride: Size | null | undefined, padding: Size | undefined, dilation: Size | undefined, returnIndices: Indices, options?: Partial<Options>]
  | [stride: Size | null | undefined, padding: Size | undefined, dilation: Size | undefined, returnIndices: Indices, ceilMode: boolean];

/** The maxima, or with `returnIndices` the maxima and their places. */
type Result<Indices extends boolean> = Indices extends true ? [output: Tensor, indices: Tensor] : Tensor;

/** What maximum poolings of any number of dimensions share. */
abstract class MaxPool<Indices extends boolean> extends Stateless {
  declare readonly kernelSize: readonly number[];
  declare readonly stride: readonly number[];
  declare readonly padding: readonly number[];
  declare readonly dilation: readonly number[];
  declare readonly returnIndices: Indices;
  declare readonly ceilMode: boolean;

  constructor(dims: number, args: readonly unknown[]) {
    super(`nn.MaxPool${dims}d`, signature(dims), args);
    Object.assign(this, { stride: this.stride ?? this.kernelSize });
  }

  protected pool(input: Tensor, plain: typeof maxPool1d, both: typeof maxPool1dWithIndices): Result<Indices> {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return (this.returnIndices ? both : plain)(input, kernelSize, stride, padding, dilation, ceilMode) as Result<Indices>;
  }
}

/**
 * The maximum of each window of a sequence.
 *
 * @example new nn.MaxPool1d(2); const [y, indices] = new nn.MaxPool1d(2, { returnIndices: true }).forward(x);
 */
export class MaxPool1d<Indices extends boolean = false> extends MaxPool<Indices> {
  constructor(kernelSize: Size, ...rest: MaxPoolRest<Indices>);
  constructor(options: Options & { returnIndices?: Indices });
  constructor(...args: unknown[]) {
    super(1, args);
  }

  /** @param input [N, C, L] or [C, L] */
  forward(input: Tensor): Result<Indices> {
    return this.pool(input, maxPool1d, maxPool1dWithIndices);
  }
}

/**
 * The maximum of each window of an image.
 *
 * @example new nn.MaxPool2d(2); new nn.MaxPool2d([3, 2], 2, { padding: 1 }); new nn.MaxPool2d(2, { returnIndices: true });
 */
export class MaxPool2d<Indices extends boolean = false> extends MaxPool<Indices> {
  constructor(kernelSize: Size, ...rest: MaxPoolRest<Indices>);
  constructor(options: Options & { returnIndices?: Indices });
  constructor(...args: unknown[]) {
    super(2, args);
  }

  /** @param input [N, C, H, W] or [C, H, W] */
  forward(input: Tensor): Result<Indices> {
    return this.pool(input, maxPool2d, maxPool2dWithIndices);
  }
}

/** The maximum of each window of a volume. @example new nn.MaxPool3d(2) */
export class MaxPool3d<Indices extends boolean = false> extends MaxPool<Indices> {
  constructor(kernelSize: Size, ...rest: MaxPoolRest<Indices>);
  constructor(options: Options & { returnIndices?: Indices });
  constructor(...args: unknown[]) {
    super(3, args);
  }

  /** @param input [N, C, D, H, W] or [C, D, H, W] */
  forward(input: Tensor): Result<Indices> {
    return this.pool(input, maxPool3d, maxPool3dWithIndices);
  }
}
