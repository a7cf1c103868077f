import { expected, expectedTensor } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { DType } from "../types.js";

/**
 * An attention mask as numbers to be added to scores: a boolean one forbids where it is true.
 *
 * @throws SteppeError `ARGUMENT` for a mask of integers, and for another shape
 */
export function additive(mask: Tensor | null, dtype: DType, name: string, ...shapes: (readonly number[])[]): Tensor | null {
  if (mask === null) return null;
  if (!shapes.some((shape) => String(shape) === String(mask.shape))) {
    throw expectedTensor(`shape ${shapes.map((shape) => `[${shape.join(", ")}]`).join(" or ")}`, name, mask);
  }
  if (mask.dtype === "bool") return torch.zerosLike(mask, { dtype }).maskedFill(mask, -Infinity);
  if (!/float/.test(mask.dtype)) throw expected("a boolean or floating-point tensor", name, mask.dtype);
  return mask.to(dtype);
}
