import type { Tensor } from "../tensor.js";
import type { Named, Rest, Size } from "./arguments.js";
import { maxUnpool1d, maxUnpool2d, maxUnpool3d } from "./functional/index.js";
import { unpoolArguments } from "./functional/unpooling.js";
import { Stateless } from "./stateless.js";

type Signature = ReturnType<typeof unpoolArguments>;
type UnpoolRest = Rest<[stride: Size | null, padding: Size], Signature>;

/** What the transposes of maximum poolings share. */
abstract class MaxUnpool extends Stateless {
  declare readonly kernelSize: readonly number[];
  declare readonly stride: readonly number[];
  declare readonly padding: readonly number[];

  constructor(
    dims: number,
    args: readonly unknown[],
  ) {
    super(`nn.MaxUnpool${dims}d`, unpoolArguments(dims), args);
    Object.assign(this, { stride: this.stride ?? this.kernelSize });
  }

  protected unpool(input: Tensor, indices: Tensor, outputSize: Size | null, by: typeof maxUnpool1d): Tensor {
    return by(input, indices, this.kernelSize, this.stride, this.padding, outputSize);
  }
}

/** Puts values back to where a `MaxPool1d` found them, zeros elsewhere. */
export class MaxUnpool1d extends MaxUnpool {
  constructor(kernelSize: Size, ...rest: UnpoolRest);
  constructor(options: Named<Signature>);
  constructor(...args: unknown[]) {
    super(1, args);
  }

  /** @param input [N, C, L] or [C, L] @param indices the pooling's @param outputSize where not the smallest possible */
  forward(input: Tensor, indices: Tensor, outputSize: Size | null = null): Tensor {
    return this.unpool(input, indices, outputSize, maxUnpool1d);
  }
}

/**
 * Puts values back to where a `MaxPool2d` found them, zeros elsewhere.
 *
 * @example
 * const [pooled, indices] = new nn.MaxPool2d(2, { returnIndices: true }).forward(x);
 * new nn.MaxUnpool2d(2).forward(pooled, indices);
 */
export class MaxUnpool2d extends MaxUnpool {
  constructor(kernelSize: Size, ...rest: UnpoolRest);
  constructor(options: Named<Signature>);
  constructor(...args: unknown[]) {
    super(2, args);
  }

  /** @param input [N, C, H, W] or [C, H, W] @param indices the pooling's @param outputSize where not the smallest possible */
  forward(input: Tensor, indices: Tensor, outputSize: Size | null = null): Tensor {
    return this.unpool(input, indices, outputSize, maxUnpool2d);
  }
}

/** Puts values back to where a `MaxPool3d` found them, zeros elsewhere. */
export class MaxUnpool3d extends MaxUnpool {
  constructor(kernelSize: Size, ...rest: UnpoolRest);
  constructor(options: Named<Signature>);
  constructor(...args: unknown[]) {
    super(3, args);
  }

  /** @param input [N, C, D, H, W] or [C, D, H, W] @param indices the pooling's @param outputSize where not the smallest possible */
  forward(input: Tensor, indices: Tensor, outputSize: Size | null = null): Tensor {
    return this.unpool(input, indices, outputSize, maxUnpool3d);
  }
}
