import { expected } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { count, flag, or, orNull, perDim, read } from "../arguments.js";
import type { Argument, Named, Rest, Size } from "../arguments.js";

/** The size of the window, and how far it moves: by its own size if left out. */
const window = { kernelSize: perDim(2, 1), stride: orNull(perDim(2, 1)), padding: or(perDim(2, 0), 0) };

// Holds PyTorch's place in the order: one return type for `maxPool2d`, another function for both results.
const returnIndices: Argument<false, false, false> = {
  optional: false,
  read(value, name) {
    if (value !== false) throw expected("false", name, value, "nn.functional.maxPool2dWithIndices returns the indices.");
    return value;
  },
};

export const maxPool2dArguments = {
  ...window,
  /** Distance between the window's elements. */
  dilation: or(perDim(2, 1), 1),
  returnIndices: or(returnIndices, false),
  /** Whether windows may reach over the border of the image. */
  ceilMode: or(flag, false),
};
export type MaxPool2dRest = Rest<
  [stride: Size | null, padding: Size, dilation: Size, returnIndices: false, ceilMode: boolean],
  typeof maxPool2dArguments
>;

/**
 * The maximum of each window of an image.
 *
 * @param input [N, C, H, W] or [C, H, W]
 * @param rest `stride` (the kernel's size by default), `padding`, `dilation`, `ceilMode`
 */
export function maxPool2d(input: Tensor, kernelSize: Size, ...rest: MaxPool2dRest): Tensor;
export function maxPool2d(input: Tensor, options: Named<typeof maxPool2dArguments>): Tensor;
export function maxPool2d(input: Tensor, ...rest: unknown[]): Tensor {
  const { kernelSize, stride, padding, dilation, ceilMode } = read("nn.functional.maxPool2d", maxPool2dArguments, rest);
  return torch.maxPool2d(input, kernelSize, stride ?? kernelSize, padding, dilation, ceilMode);
}

/** As `maxPool2d`, with the place of each maximum in its plane (h · W + w, int64) as a second result. */
export function maxPool2dWithIndices(input: Tensor, kernelSize: Size, ...rest: MaxPool2dRest): [Tensor, Tensor];
export function maxPool2dWithIndices(input: Tensor, options: Named<typeof maxPool2dArguments>): [Tensor, Tensor];
export function maxPool2dWithIndices(input: Tensor, ...rest: unknown[]): [Tensor, Tensor] {
  const options = read("nn.functional.maxPool2dWithIndices", maxPool2dArguments, rest);
  const { kernelSize, stride, padding, dilation, ceilMode } = options;
  return torch.maxPool2dWithIndices(input, kernelSize, stride ?? kernelSize, padding, dilation, ceilMode);
}

export const avgPool2dArguments = {
  ...window,
  ceilMode: or(flag, false),
  /** Whether zeros of the padding count. */
  countIncludePad: or(flag, true),
  /** What sums are divided by, in place of the window's size. */
  divisorOverride: orNull(count),
};
export type AvgPool2dRest = Rest<
  [stride: Size | null, padding: Size, ceilMode: boolean, countIncludePad: boolean, divisorOverride: number | null],
  typeof avgPool2dArguments
>;

/**
 * The average of each window of an image.
 *
 * @param input [N, C, H, W] or [C, H, W]
 * @param rest `stride` (the kernel's size by default), `padding`, `ceilMode`, `countIncludePad`, `divisorOverride`
 */
export function avgPool2d(input: Tensor, kernelSize: Size, ...rest: AvgPool2dRest): Tensor;
export function avgPool2d(input: Tensor, options: Named<typeof avgPool2dArguments>): Tensor;
export function avgPool2d(input: Tensor, ...rest: unknown[]): Tensor {
  const options = read("nn.functional.avgPool2d", avgPool2dArguments, rest);
  const { kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride } = options;
  return torch.avgPool2d(input, kernelSize, stride ?? kernelSize, padding, ceilMode, countIncludePad, divisorOverride);
}

/** The size of an output; `null` for that of the input. */
export type OutputSize = number | null | readonly (number | null)[];

const outputSize: Argument<readonly (number | null)[], OutputSize, false> = {
  optional: false,
  read(value, name) {
    const pair: unknown[] = Array.isArray(value) ? value : [value, value];
    const fits = pair.length === 2 && pair.every((side) => side === null || (Number.isSafeInteger(side) && (side as number) >= 0));
    if (!fits) throw expected("a non-negative integer, null or an array of two of them", name, value);
    return pair as (number | null)[];
  },
};
export const adaptiveAvgPool2dArguments = { outputSize };

/**
 * Averages over as many windows as the output has places.
 *
 * @param input [N, C, H, W] or [C, H, W]
 * @param output its height and width, or one number for both; `null` keeps the input's
 */
export function adaptiveAvgPool2d(input: Tensor, output: OutputSize): Tensor {
  const [height, width] = outputSize.read(output, "outputSize of nn.functional.adaptiveAvgPool2d");
  return torch.adaptiveAvgPool2d(input, [height ?? input.shape.at(-2)!, width ?? input.shape.at(-1)!]);
}
