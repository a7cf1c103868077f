import { expected } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { read } from "./arguments.js";
import type { Named, Rest, Size } from "./arguments.js";
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, transposeSignature } from "./conv-transpose.js";
import { become, wait } from "./uninitialized.js";

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
type AnyTransposed = ConvTranspose1d | ConvTranspose2d | ConvTranspose3d;

function withoutChannels(owner: string, dims: number, args: unknown[]) {
  return { inChannels: 0, ...read(owner, signature(dims), args) };
}

function initialize<M extends AnyTransposed>(layer: M, kind: { readonly prototype: M }, inChannels: number): void {
  const { outChannels, groups, kernelSize } = layer;
  const name = `nn.Lazy${kind.prototype.constructor.name}`;
  if (inChannels === 0 || inChannels % groups !== 0) throw expected(`a multiple of groups (${groups}) of channels`, `the input of ${name}`, inChannels);
  become(layer, { kind, sizes: { inChannels }, shapes: { weight: [inChannels, outChannels / groups, ...kernelSize], bias: [outChannels] } });
}

function fromInput<M extends AnyTransposed>(layer: M, kind: { readonly prototype: M }, input: Tensor): void {
  if (layer.inChannels !== 0) return;
  const dims = layer.kernelSize.length;
  if (input.dim() !== dims + 1 && input.dim() !== dims + 2) {
    throw expected(`${dims + 1} or ${dims + 2} dimensions`, `the input of nn.Lazy${kind.prototype.constructor.name}`, [...input.shape]);
  }
  initialize(layer, kind, input.shape.at(-dims - 1)!);
  layer.resetParameters();
}

function fromState<M extends AnyTransposed>(layer: M, kind: { readonly prototype: M }, weight: unknown): void {
  if (layer.inChannels !== 0 || !(weight instanceof Tensor) || weight.dim() !== layer.kernelSize.length + 2) return;
  initialize(layer, kind, weight.shape[0]!);
}

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
    fromInput(this, ConvTranspose1d, input);
    return super.forward(input, outputSize);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    fromState(this, ConvTranspose1d, state[`${path}weight`]);
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
    fromInput(this, ConvTranspose2d, input);
    return super.forward(input, outputSize);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    fromState(this, ConvTranspose2d, state[`${path}weight`]);
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
    fromInput(this, ConvTranspose3d, input);
    return super.forward(input, outputSize);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    fromState(this, ConvTranspose3d, state[`${path}weight`]);
  }
}
