import { expected } from "../errors.js";
import type { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { count, flag, oneOf, or, padding, perDim, read, size } from "./arguments.js";
import type { Named, Padding, Rest, Size } from "./arguments.js";
import { resetAffine } from "./default-init.js";
import { conv1d, conv2d, conv3d, pad } from "./functional/index.js";
import { Module } from "./module.js";
import { emptyParameter, factory } from "./parameter.js";
import type { Parameter } from "./parameter.js";

/** What padding consists of. */
export type PaddingMode = "zeros" | "reflect" | "replicate" | "circular";

/** @internal The arguments, shared with the lazy layers. */
export function convSignature(dims: number) {
  return {
    inChannels: size,
    outChannels: count,
    kernelSize: perDim(dims, 1),
    stride: or(perDim(dims, 1), 1),
    /** Zeros (or what `paddingMode` says) on both sides. */
    padding: or(padding(dims), 0),
    /** Distance between kernel elements. */
    dilation: or(perDim(dims, 1), 1),
    /** Groups of channels that do not see each other. Divides both numbers of channels. */
    groups: or(count, 1),
    bias: or(flag, true),
    paddingMode: or(oneOf("zeros", "reflect", "replicate", "circular"), "zeros"),
    ...factory,
  };
}

type ConvSignature = ReturnType<typeof convSignature>;
/** All arguments of a convolution by name. */
export type ConvOptions = Named<ConvSignature>;
type ConvRest = Rest<
  [stride: Size, padding: Padding, dilation: Size, groups: number, bias: boolean, paddingMode: PaddingMode, device: Device, dtype: DType],
  ConvSignature
>;

/** What convolutions of any number of dimensions share. */
abstract class Conv extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[] | "same" | "valid";
  readonly dilation: readonly number[];
  readonly groups: number;
  readonly paddingMode: PaddingMode;
  /** [outChannels, inChannels / groups, ...kernelSize] */
  weight: Parameter;
  /** [outChannels] */
  bias: Parameter | null;

  constructor(owner: string, dims: number, args: unknown[]) {
    super();
    const options = read(owner, convSignature(dims), args);
    const { inChannels, outChannels, groups } = options;
    for (const name of ["inChannels", "outChannels"] as const) {
      if (options[name] % groups !== 0) throw expected(`a multiple of groups (${groups})`, `${name} of ${owner}`, options[name]);
    }
    if (options.padding === "same" && options.stride.some((step) => step !== 1)) {
      throw expected("a stride of 1", `stride of ${owner}`, options.stride, 'Padding "same" is defined for it only.');
    }
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = options.kernelSize;
    this.stride = options.stride;
    this.padding = options.padding;
    this.dilation = options.dilation;
    this.groups = groups;
    this.paddingMode = options.paddingMode;
    this.weight = emptyParameter([outChannels, inChannels / groups, ...options.kernelSize], options);
    this.bias = options.bias ? emptyParameter([outChannels], options) : null;
    this.resetParameters();
  }

  /** Draws the initial values anew. */
  resetParameters(): void {
    resetAffine(this.weight, this.bias);
  }

  forward(input: Tensor): Tensor {
    if (this.paddingMode === "zeros") return this.convolve(input, this.padding);
    return this.convolve(pad(input, this.#borders(), this.paddingMode), this.padding === "valid" ? "valid" : 0);
  }

  protected abstract convolve(input: Tensor, padding: Padding): Tensor;

  // Left and right of each dimension, the last dimension first, as `pad` wants them.
  #borders(): number[] {
    const sides = this.kernelSize.map((length, i): [number, number] => {
      if (typeof this.padding !== "string") return [this.padding[i]!, this.padding[i]!];
      const total = this.padding === "same" ? this.dilation[i]! * (length - 1) : 0;
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    });
    return sides.reverse().flat();
  }

  protected override extraRepr(): string {
    const parts = [`${this.inChannels}, ${this.outChannels}, kernelSize=[${this.kernelSize}], stride=[${this.stride}]`];
    if (typeof this.padding === "string" || this.padding.some((width) => width !== 0)) parts.push(`padding=${JSON.stringify(this.padding)}`);
    if (this.dilation.some((step) => step !== 1)) parts.push(`dilation=[${this.dilation}]`);
    if (this.groups !== 1) parts.push(`groups=${this.groups}`);
    if (this.bias === null) parts.push("bias=false");
    if (this.paddingMode !== "zeros") parts.push(`paddingMode="${this.paddingMode}"`);
    return parts.join(", ");
  }
}

/**
 * A convolution over a sequence.
 *
 * @example new nn.Conv1d(16, 33, 3, { stride: 2 })
 */
export class Conv1d extends Conv {
  constructor(inChannels: number, outChannels: number, kernelSize: Size, ...rest: ConvRest);
  constructor(options: ConvOptions);
  constructor(...args: unknown[]) {
    super("nn.Conv1d", 1, args);
  }

  /** @param input [N, inChannels, L] or [inChannels, L] @returns [N, outChannels, L'] or [outChannels, L'] */
  override forward(input: Tensor): Tensor {
    return super.forward(input);
  }

  protected override convolve(input: Tensor, padding: Padding): Tensor {
    return conv1d(input, this.weight, this.bias, this.stride, padding, this.dilation, this.groups);
  }
}

/**
 * A convolution over an image.
 *
 * @example new nn.Conv2d(1, 16, 3, { padding: 1 }); new nn.Conv2d(16, 32, [3, 5], 2);
 */
export class Conv2d extends Conv {
  constructor(inChannels: number, outChannels: number, kernelSize: Size, ...rest: ConvRest);
  constructor(options: ConvOptions);
  constructor(...args: unknown[]) {
    super("nn.Conv2d", 2, args);
  }

  /** @param input [N, inChannels, H, W] or [inChannels, H, W] @returns [N, outChannels, H', W'] or [outChannels, H', W'] */
  override forward(input: Tensor): Tensor {
    return super.forward(input);
  }

  protected override convolve(input: Tensor, padding: Padding): Tensor {
    return conv2d(input, this.weight, this.bias, this.stride, padding, this.dilation, this.groups);
  }
}

/**
 * A convolution over a volume.
 *
 * @example new nn.Conv3d(1, 16, 3, { padding: 1 })
 */
export class Conv3d extends Conv {
  constructor(inChannels: number, outChannels: number, kernelSize: Size, ...rest: ConvRest);
  constructor(options: ConvOptions);
  constructor(...args: unknown[]) {
    super("nn.Conv3d", 3, args);
  }

  /**
   * @param input [N, inChannels, D, H, W] or [inChannels, D, H, W]
   * @returns [N, outChannels, D', H', W'] or [outChannels, D', H', W']
   */
  override forward(input: Tensor): Tensor {
    return super.forward(input);
  }

  protected override convolve(input: Tensor, padding: Padding): Tensor {
    return conv3d(input, this.weight, this.bias, this.stride, padding, this.dilation, this.groups);
  }
}
