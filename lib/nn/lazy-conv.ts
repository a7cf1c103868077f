import { expected } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { read } from "./arguments.js";
import type { Named, Padding, Rest, Size } from "./arguments.js";
import { convSignature, Conv1d, Conv2d, Conv3d } from "./conv.js";
import type { PaddingMode } from "./conv.js";
import { become, wait } from "./uninitialized.js";

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
type AnyConv = Conv1d | Conv2d | Conv3d;

function withoutChannels(owner: string, dims: number, args: unknown[]) {
  return { inChannels: 0, ...read(owner, signature(dims), args) };
}

function initialize<M extends AnyConv>(layer: M, kind: { readonly prototype: M }, inChannels: number): void {
  const { outChannels, groups, kernelSize } = layer;
  const name = `nn.Lazy${kind.prototype.constructor.name}`;
  if (inChannels === 0 || inChannels % groups !== 0) throw expected(`a multiple of groups (${groups}) of channels`, `the input of ${name}`, inChannels);
  become(layer, { kind, sizes: { inChannels }, shapes: { weight: [outChannels, inChannels / groups, ...kernelSize], bias: [outChannels] } });
}

function fromInput<M extends AnyConv>(layer: M, kind: { readonly prototype: M }, input: Tensor): void {
  if (layer.inChannels !== 0) return;
  const dims = layer.kernelSize.length;
  if (input.dim() !== dims + 1 && input.dim() !== dims + 2) {
    throw expected(`${dims + 1} or ${dims + 2} dimensions`, `the input of nn.Lazy${kind.prototype.constructor.name}`, [...input.shape]);
  }
  initialize(layer, kind, input.shape.at(-dims - 1)!);
  layer.resetParameters();
}

function fromState<M extends AnyConv>(layer: M, kind: { readonly prototype: M }, weight: unknown): void {
  if (layer.inChannels !== 0 || !(weight instanceof Tensor) || weight.dim() !== layer.kernelSize.length + 2) return;
  initialize(layer, kind, weight.shape[1]! * layer.groups);
}

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
    fromInput(this, Conv1d, input);
    return super.forward(input);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    fromState(this, Conv1d, state[`${path}weight`]);
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
    fromInput(this, Conv2d, input);
    return super.forward(input);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    fromState(this, Conv2d, state[`${path}weight`]);
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
    fromInput(this, Conv3d, input);
    return super.forward(input);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    fromState(this, Conv3d, state[`${path}weight`]);
  }
}
