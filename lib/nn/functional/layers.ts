import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { count, or, orNull, padding, perDim, read, tensor } from "../arguments.js";
import type { Padding, Rest, Size } from "../arguments.js";

/** `input · weightᵀ + bias`. @param input [..., in] @param weight [out, in] @param bias [out] @returns [..., out] */
export function linear(input: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  return torch.linear(input, weight, bias);
}

/** `x1 · weight · x2 + bias`. @param x1 [..., in1] @param x2 [..., in2] @param weight [out, in1, in2] @param bias [out] @returns [..., out] */
export function bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  return torch.bilinear(input1, input2, weight, bias);
}

function convArguments(dims: number) {
  return {
    bias: orNull(tensor),
    stride: or(perDim(dims, 1), 1),
    padding: or(padding(dims), 0),
    dilation: or(perDim(dims, 1), 1),
    groups: or(count, 1),
  };
}
const [conv1dArguments, conv2dArguments] = [convArguments(1), convArguments(2)];
type ConvRest = Rest<[bias: Tensor | null, stride: Size, padding: Padding, dilation: Size, groups: number], typeof conv2dArguments>;

/** A convolution over a sequence. @param input [N, C, L] or [C, L] @param weight [out, C / groups, K] @param rest bias [out], stride, ... */
export function conv1d(input: Tensor, weight: Tensor, ...rest: ConvRest): Tensor {
  const { bias, stride, padding, dilation, groups } = read("nn.functional.conv1d", conv1dArguments, rest);
  // The two branches are two overloads of the operator.
  return typeof padding === "string"
    ? torch.conv1d(input, weight, bias, stride, padding, dilation, groups)
    : torch.conv1d(input, weight, bias, stride, padding, dilation, groups);
}

/** A convolution over an image. @param input [N, C, H, W] or [C, H, W] @param weight [out, C / groups, KH, KW] @param rest bias [out], stride, ... */
export function conv2d(input: Tensor, weight: Tensor, ...rest: ConvRest): Tensor {
  const { bias, stride, padding, dilation, groups } = read("nn.functional.conv2d", conv2dArguments, rest);
  return typeof padding === "string"
    ? torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
    : torch.conv2d(input, weight, bias, stride, padding, dilation, groups);
}

/**
 * Puts a border around the last dimensions.
 *
 * @param widths left and right of the last dimension, then of the one before, ...
 * @param mode what the border consists of
 * @param value what "constant" consists of, 0 by default
 */
export function pad(
  input: Tensor,
  widths: readonly number[],
  mode: "constant" | "reflect" | "replicate" | "circular" = "constant",
  value: number | null = null,
): Tensor {
  return torch.pad(input, [...widths], mode, value);
}
