import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";

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
  return torch.pad(input, widths, mode, value);
}
