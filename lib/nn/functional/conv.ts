import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { count, or, orNull, padding, perDim, read, tensor } from "../arguments.js";
import type { Padding, Rest, Size } from "../arguments.js";

function convArguments(dims: number) {
  return {
    bias: orNull(tensor),
    stride: or(perDim(dims, 1), 1),
    padding: or(padding(dims), 0),
    dilation: or(perDim(dims, 1), 1),
    groups: or(count, 1),
  };
}
const [conv1dArguments, conv2dArguments, conv3dArguments] = [convArguments(1), convArguments(2), convArguments(3)];
type ConvRest = Rest<[bias: Tensor | null, stride: Size, padding: Padding, dilation: Size, groups: number], typeof conv2dArguments>;

/**
 * A convolution over a sequence.
 *
 * @param input [N, C, L] or [C, L]
 * @param weight [out, C / groups, K]
 * @param rest bias [out], stride, ...
 */
export function conv1d(input: Tensor, weight: Tensor, ...rest: ConvRest): Tensor {
  const { bias, stride, padding, dilation, groups } = read("nn.functional.conv1d", conv1dArguments, rest);
  // The two branches are two overloads of the operator.
  return typeof padding === "string"
    ? torch.conv1d(input, weight, bias, stride, padding, dilation, groups)
    : torch.conv1d(input, weight, bias, stride, padding, dilation, groups);
}

/**
 * A convolution over an image.
 *
 * @param input [N, C, H, W] or [C, H, W]
 * @param weight [out, C / groups, KH, KW]
 * @param rest bias [out], stride, ...
 */
export function conv2d(input: Tensor, weight: Tensor, ...rest: ConvRest): Tensor {
  const { bias, stride, padding, dilation, groups } = read("nn.functional.conv2d", conv2dArguments, rest);
  return typeof padding === "string"
    ? torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
    : torch.conv2d(input, weight, bias, stride, padding, dilation, groups);
}

/**
 * A convolution over a volume.
 *
 * @param input [N, C, D, H, W] or [C, D, H, W]
 * @param weight [out, C / groups, KD, KH, KW]
 * @param rest bias [out], stride, ...
 */
export function conv3d(input: Tensor, weight: Tensor, ...rest: ConvRest): Tensor {
  const { bias, stride, padding, dilation, groups } = read("nn.functional.conv3d", conv3dArguments, rest);
  return typeof padding === "string"
    ? torch.conv3d(input, weight, bias, stride, padding, dilation, groups)
    : torch.conv3d(input, weight, bias, stride, padding, dilation, groups);
}

function transposeArguments(dims: number) {
  return {
    bias: orNull(tensor),
    stride: or(perDim(dims, 1), 1),
    padding: or(perDim(dims, 0), 0),
    outputPadding: or(perDim(dims, 0), 0),
    groups: or(count, 1),
    dilation: or(perDim(dims, 1), 1),
  };
}
const [transpose1dArguments, transpose2dArguments, transpose3dArguments] = [transposeArguments(1), transposeArguments(2), transposeArguments(3)];
type TransposeRest = Rest<
  [bias: Tensor | null, stride: Size, padding: Size, outputPadding: Size, groups: number, dilation: Size],
  typeof transpose2dArguments
>;

/**
 * The transpose of a convolution over a sequence.
 *
 * @param input [N, C, L] or [C, L]
 * @param weight [C, out / groups, K]
 * @param rest bias [out], stride, ...
 */
export function convTranspose1d(input: Tensor, weight: Tensor, ...rest: TransposeRest): Tensor {
  const { bias, stride, padding, outputPadding, groups, dilation } = read("nn.functional.convTranspose1d", transpose1dArguments, rest);
  return torch.convTranspose1d(input, weight, bias, stride, padding, outputPadding, groups, dilation);
}

/**
 * The transpose of a convolution over an image.
 *
 * @param input [N, C, H, W] or [C, H, W]
 * @param weight [C, out / groups, KH, KW]
 * @param rest bias [out], stride, ...
 */
export function convTranspose2d(input: Tensor, weight: Tensor, ...rest: TransposeRest): Tensor {
  const { bias, stride, padding, outputPadding, groups, dilation } = read("nn.functional.convTranspose2d", transpose2dArguments, rest);
  return torch.convTranspose2d(input, weight, bias, stride, padding, outputPadding, groups, dilation);
}

/**
 * The transpose of a convolution over a volume.
 *
 * @param input [N, C, D, H, W] or [C, D, H, W]
 * @param weight [C, out / groups, KD, KH, KW]
 * @param rest bias [out], stride, ...
 */
export function convTranspose3d(input: Tensor, weight: Tensor, ...rest: TransposeRest): Tensor {
  const { bias, stride, padding, outputPadding, groups, dilation } = read("nn.functional.convTranspose3d", transpose3dArguments, rest);
  return torch.convTranspose3d(input, weight, bias, stride, padding, outputPadding, groups, dilation);
}

export const unfoldArguments = {
  kernelSize: perDim(2, 1),
  dilation: or(perDim(2, 1), 1),
  padding: or(perDim(2, 0), 0),
  stride: or(perDim(2, 1), 1),
};
export type UnfoldRest = Rest<[dilation: Size, padding: Size, stride: Size], typeof unfoldArguments>;

/**
 * All windows of an image, as columns.
 *
 * @param input [N, C, H, W] or [C, H, W]
 * @param rest `dilation`, `padding`, `stride`
 * @returns [N, C · KH · KW, windows]
 */
export function unfold(input: Tensor, kernelSize: Size, ...rest: UnfoldRest): Tensor {
  const options = read("nn.functional.unfold", unfoldArguments, [kernelSize, ...rest]);
  return torch.im2col(input, options.kernelSize, options.dilation, options.padding, options.stride);
}

export const foldArguments = { outputSize: perDim(2, 1), ...unfoldArguments };

/**
 * The sum of windows, given as columns, in an image: the transpose of `unfold`.
 *
 * @param input [N, C · KH · KW, windows] or without N
 * @param outputSize the image's height and width
 * @returns [N, C, H, W]
 */
export function fold(input: Tensor, outputSize: Size, kernelSize: Size, ...rest: UnfoldRest): Tensor {
  const options = read("nn.functional.fold", foldArguments, [outputSize, kernelSize, ...rest]);
  return torch.col2im(input, options.outputSize, options.kernelSize, options.dilation, options.padding, options.stride);
}
