import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";

/** `input · weightᵀ + bias`. @param input [..., in] @param weight [out, in] @param bias [out] @returns [..., out] */
export function linear(input: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  return torch.linear(input, weight, bias);
}

/**
 * `x1 · weight · x2 + bias`.
 *
 * @param input1 [..., in1]
 * @param input2 [..., in2]
 * @param weight [out, in1, in2]
 * @param bias [out]
 * @returns [..., out]
 */
export function bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  return torch.bilinear(input1, input2, weight, bias);
}
