import type { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { read } from "./arguments.js";
import type { Named, Padding, Rest, Size } from "./arguments.js";
import { convSignature, Conv1d, Conv2d, Conv3d } from "./conv.js";
import type { PaddingMode } from "./conv.js";
import { LazyChannels } from "./lazy-channels.js";
import { wait } from "./uninitialized.js";

function signature(dims: number) {
  const { inChannels: _, ...rest } = convSignature(dims);
  return rest;
}

type LazySignature = ReturnType<typeof signature>;
/** All arguments of a lazy convolution by name. */
export type LazyConvOptions = Named<LazySignature>;
type LazyRest = Rest<
  [stride: Size, padding: Padding, dilation: Size, groups: number, bias: boolean, paddingMode: PaddingMode, device: Device, dtype: DType],
  LazySignature
>;

function withoutChannels(owner: string, dims: number, args: unknown[]) {
  return { inChannels: 0, ...read(owner, signature(dims), args) };
}

const lazyConv1d = new LazyChannels(Conv1d, false);
const lazyConv2d = new LazyChannels(Conv2d, false);
const lazyConv3d = new LazyChannels(Conv3d, false);

/** A `Conv1d` that takes `inChannels` from its first input: see {@link LazyConv2d}. */
export class LazyConv1d extends Conv1d {
  constructor(outChannels: number, kernelSize: Size, ...rest: LazyRest);
  constructor(options: LazyConvOptions);
  constructor(...args: unknown[]) {
    super(withoutChannels("nn.LazyConv1d", 1, args));
    wait(this.weight, this.bias);
  }

  override resetParameters(): void {
    if (this.inChannels !== 0) super.resetParameters();
  }

  override forward(input: Tensor): Tensor {
    lazyConv1d.fromInput(this, input);
    return super.forward(input);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    lazyConv1d.fromState(this, state[`${path}weight`]);
  }
}

/**
 * A `Conv2d` that takes `inChannels` from its first input, or from a state dict, and is an ordinary `Conv2d` from then on. Its
 * initial values are drawn then. Run the model once before its optimizer is made.
 *
 * @example new nn.LazyConv2d(16, 3, { padding: 1 })
 */
export class LazyConv2d extends Conv2d {
  constructor(outChannels: number, kernelSize: Size, ...rest: LazyRest);
  constructor(options: LazyConvOptions);
  constructor(...args: unknown[]) {
    super(withoutChannels("nn.LazyConv2d", 2, args));
    wait(this.weight, this.bias);
  }

  override resetParameters(): void {
    if (this.inChannels !== 0) super.resetParameters();
  }

  override forward(input: Tensor): Tensor {
    lazyConv2d.fromInput(this, input);
    return super.forward(input);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    lazyConv2d.fromState(this, state[`${path}weight`]);
  }
}

/** A `Conv3d` that takes `inChannels` from its first input: see {@link LazyConv2d}. */
export class LazyConv3d extends Conv3d {
  constructor(outChannels: number, kernelSize: Size, ...rest: LazyRest);
  constructor(options: LazyConvOptions);
  constructor(...args: unknown[]) {
    super(withoutChannels("nn.LazyConv3d", 3, args));
    wait(this.weight, this.bias);
  }

  override resetParameters(): void {
    if (this.inChannels !== 0) super.resetParameters();
  }

  override forward(input: Tensor): Tensor {
    lazyConv3d.fromInput(this, input);
    return super.forward(input);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    lazyConv3d.fromState(this, state[`${path}weight`]);
  }
}
