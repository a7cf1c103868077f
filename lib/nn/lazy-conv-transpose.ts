import type { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { read } from "./arguments.js";
import type { Named, Rest, Size } from "./arguments.js";
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, transposeSignature } from "./conv-transpose.js";
import { LazyChannels } from "./lazy-channels.js";
import { wait } from "./uninitialized.js";

function signature(dims: number) {
  const { inChannels: _, ...rest } = transposeSignature(dims);
  return rest;
}

type LazySignature = ReturnType<typeof signature>;
/** All arguments of a lazy transposed convolution by name. */
export type LazyConvTransposeOptions = Named<LazySignature>;
type LazyRest = Rest<
  [
    stride: Size, padding: Size, outputPadding: Size, groups: number, bias: boolean, dilation: Size, paddingMode: "zeros",
    device: Device, dtype: DType,
  ],
  LazySignature
>;

function withoutChannels(owner: string, dims: number, args: unknown[]) {
  return { inChannels: 0, ...read(owner, signature(dims), args) };
}

const lazyConvTranspose1d = new LazyChannels(ConvTranspose1d, true);
const lazyConvTranspose2d = new LazyChannels(ConvTranspose2d, true);
const lazyConvTranspose3d = new LazyChannels(ConvTranspose3d, true);

/** A `ConvTranspose1d` that takes `inChannels` from its first input: see {@link LazyConvTranspose2d}. */
export class LazyConvTranspose1d extends ConvTranspose1d {
  constructor(outChannels: number, kernelSize: Size, ...rest: LazyRest);
  constructor(options: LazyConvTransposeOptions);
  constructor(...args: unknown[]) {
    super(withoutChannels("nn.LazyConvTranspose1d", 1, args));
    wait(this.weight, this.bias);
  }

  override resetParameters(): void {
    if (this.inChannels !== 0) super.resetParameters();
  }

  override forward(input: Tensor, outputSize: readonly number[] | null = null): Tensor {
    lazyConvTranspose1d.fromInput(this, input);
    return super.forward(input, outputSize);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    lazyConvTranspose1d.fromState(this, state[`${path}weight`]);
  }
}

/**
 * A `ConvTranspose2d` that takes `inChannels` from its first input, or from a state dict, and is an ordinary `ConvTranspose2d` from then on. Its
 * initial values are drawn then. Run the model once before its optimizer is made.
 *
 * @example new nn.LazyConvTranspose2d(8, 2, 2)
 */
export class LazyConvTranspose2d extends ConvTranspose2d {
  constructor(outChannels: number, kernelSize: Size, ...rest: LazyRest);
  constructor(options: LazyConvTransposeOptions);
  constructor(...args: unknown[]) {
    super(withoutChannels("nn.LazyConvTranspose2d", 2, args));
    wait(this.weight, this.bias);
  }

  override resetParameters(): void {
    if (this.inChannels !== 0) super.resetParameters();
  }

  override forward(input: Tensor, outputSize: readonly number[] | null = null): Tensor {
    lazyConvTranspose2d.fromInput(this, input);
    return super.forward(input, outputSize);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    lazyConvTranspose2d.fromState(this, state[`${path}weight`]);
  }
}

/** A `ConvTranspose3d` that takes `inChannels` from its first input: see {@link LazyConvTranspose2d}. */
export class LazyConvTranspose3d extends ConvTranspose3d {
  constructor(outChannels: number, kernelSize: Size, ...rest: LazyRest);
  constructor(options: LazyConvTransposeOptions);
  constructor(...args: unknown[]) {
    super(withoutChannels("nn.LazyConvTranspose3d", 3, args));
    wait(this.weight, this.bias);
  }

  override resetParameters(): void {
    if (this.inChannels !== 0) super.resetParameters();
  }

  override forward(input: Tensor, outputSize: readonly number[] | null = null): Tensor {
    lazyConvTranspose3d.fromInput(this, input);
    return super.forward(input, outputSize);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    lazyConvTranspose3d.fromState(this, state[`${path}weight`]);
  }
}
