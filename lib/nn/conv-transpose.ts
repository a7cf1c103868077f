import { expected } from "../errors.js";
import type { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { count, flag, oneOf, or, perDim, read, size } from "./arguments.js";
import type { Named, Rest, Size } from "./arguments.js";
import { resetAffine } from "./default-init.js";
import { convTranspose1d, convTranspose2d, convTranspose3d } from "./functional/index.js";
import { Module } from "./module.js";
import { emptyParameter, factory } from "./parameter.js";
import type { Parameter } from "./parameter.js";

/** @internal The arguments, shared with the lazy layers. */
export function transposeSignature(dims: number) {
  return {
    inChannels: size,
    outChannels: count,
    kernelSize: perDim(dims, 1),
    stride: or(perDim(dims, 1), 1),
    /** What the convolution that this is the transpose of puts on both sides: the output is smaller by it. */
    padding: or(perDim(dims, 0), 0),
    /** What is added to the output's size on one side. */
    outputPadding: or(perDim(dims, 0), 0),
    /** Groups of channels that do not see each other. Divides both numbers of channels. */
    groups: or(count, 1),
    bias: or(flag, true),
    /** Distance between kernel elements. */
    dilation: or(perDim(dims, 1), 1),
    paddingMode: or(oneOf("zeros"), "zeros"),
    ...factory,
  };
}

type TransposeSignature = ReturnType<typeof transposeSignature>;
/** All arguments of a transposed convolution by name. */
export type ConvTransposeOptions = Named<TransposeSignature>;
type TransposeRest = Rest<
  [
    stride: Size, padding: Size, outputPadding: Size, groups: number, bias: boolean, dilation: Size, paddingMode: "zeros",
    device: Device, dtype: DType,
  ],
  TransposeSignature
>;

/** What transposed convolutions of any number of dimensions share. */
abstract class ConvTranspose extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly outputPadding: readonly number[];
  readonly groups: number;
  readonly dilation: readonly number[];
  /** [inChannels, outChannels / groups, ...kernelSize] */
  weight: Parameter;
  /** [outChannels] */
  bias: Parameter | null;

  constructor(
    private readonly owner: string,
    dims: number,
    args: unknown[],
  ) {
    super();
    const options = read(owner, transposeSignature(dims), args);
    const { inChannels, outChannels, groups } = options;
    for (const name of ["inChannels", "outChannels"] as const) {
      if (options[name] % groups !== 0) throw expected(`a multiple of groups (${groups})`, `${name} of ${owner}`, options[name]);
    }
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = options.kernelSize;
    this.stride = options.stride;
    this.padding = options.padding;
    this.outputPadding = options.outputPadding;
    this.groups = groups;
    this.dilation = options.dilation;
    this.weight = emptyParameter([inChannels, outChannels / groups, ...options.kernelSize], options);
    this.bias = options.bias ? emptyParameter([outChannels], options) : null;
    this.resetParameters();
  }

  /** Draws the initial values anew. */
  resetParameters(): void {
    resetAffine(this.weight, this.bias);
  }

  protected transpose(input: Tensor, outputSize: readonly number[] | null, by: typeof convTranspose2d): Tensor {
    const more = outputSize === null ? this.outputPadding : this.#missing(input, outputSize);
    return by(input, this.weight, this.bias, this.stride, this.padding, more, this.groups, this.dilation);
  }

  /** What a wanted size has more than the smallest one that belongs to the input. */
  #missing(input: Tensor, outputSize: readonly number[]): number[] {
    const dims = this.kernelSize.length;
    const wanted = outputSize.slice(-dims);
    const least = this.kernelSize.map((length, i) => {
      const places = (input.shape.at(i - dims)! - 1) * this.stride[i]!;
      return places - 2 * this.padding[i]! + this.dilation[i]! * (length - 1) + 1;
    });
    const missing = least.map((size, i) => (wanted[i] ?? NaN) - size);
    if (missing.some((size, i) => !(size >= 0 && size < this.stride[i]!))) {
      const most = least.map((size, i) => size + this.stride[i]! - 1);
      throw expected(`sizes from [${least.join(", ")}] to [${most.join(", ")}]`, `outputSize of ${this.owner}`, outputSize);
    }
    return missing;
  }

  protected override extraRepr(): string {
    const parts = [`${this.inChannels}, ${this.outChannels}, kernelSize=[${this.kernelSize}], stride=[${this.stride}]`];
    for (const name of ["padding", "outputPadding"] as const) if (this[name].some((width) => width !== 0)) parts.push(`${name}=[${this[name]}]`);
    if (this.dilation.some((step) => step !== 1)) parts.push(`dilation=[${this.dilation}]`);
    if (this.groups !== 1) parts.push(`groups=${this.groups}`);
    if (this.bias === null) parts.push("bias=false");
    return parts.join(", ");
  }
}

/** The transpose of a convolution over a sequence. @example new nn.ConvTranspose1d(16, 33, 3, { stride: 2 }) */
export class ConvTranspose1d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: Size, ...rest: TransposeRest);
  constructor(options: ConvTransposeOptions);
  constructor(...args: unknown[]) {
    super("nn.ConvTranspose1d", 1, args);
  }

  /**
   * @param input [N, inChannels, L] or [inChannels, L]
   * @param outputSize [L'], in place of outputPadding
   * @returns [N, outChannels, L']
   */
  forward(input: Tensor, outputSize: readonly number[] | null = null): Tensor {
    return this.transpose(input, outputSize, convTranspose1d);
  }
}

/** The transpose of a convolution over an image: enlarges it. @example new nn.ConvTranspose2d(16, 8, 2, 2) */
export class ConvTranspose2d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: Size, ...rest: TransposeRest);
  constructor(options: ConvTransposeOptions);
  constructor(...args: unknown[]) {
    super("nn.ConvTranspose2d", 2, args);
  }

  /**
   * @param input [N, inChannels, H, W] or [inChannels, H, W]
   * @param outputSize [H', W'], in place of outputPadding
   * @returns [N, outChannels, H', W']
   */
  forward(input: Tensor, outputSize: readonly number[] | null = null): Tensor {
    return this.transpose(input, outputSize, convTranspose2d);
  }
}

/** The transpose of a convolution over a volume. @example new nn.ConvTranspose3d(16, 8, 2, 2) */
export class ConvTranspose3d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: Size, ...rest: TransposeRest);
  constructor(options: ConvTransposeOptions);
  constructor(...args: unknown[]) {
    super("nn.ConvTranspose3d", 3, args);
  }

  /**
   * @param input [N, inChannels, D, H, W], or without N
   * @param outputSize [D', H', W'], in place of outputPadding
   * @returns [N, outChannels, D', H', W']
   */
  forward(input: Tensor, outputSize: readonly number[] | null = null): Tensor {
    return this.transpose(input, outputSize, convTranspose3d);
  }
}
