import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { oneOf, or, orNull, read, real } from "../arguments.js";
import type { Rest } from "../arguments.js";

const padArguments = { mode: or(oneOf("constant", "reflect", "replicate", "circular"), "constant"), value: orNull(real) };
type PadMode = "constant" | "reflect" | "replicate" | "circular";

/**
 * Puts a border around the last dimensions.
 *
 * @param widths left and right of the last dimension, then of the one before, ...
 * @param rest `mode` ("constant"): what the border consists of; `value` (0): what "constant" consists of
 */
export function pad(
  input: Tensor,
  widths: readonly number[],
  ...rest: Rest<[mode: PadMode, value: number | null], typeof padArguments>
): Tensor {
  const { mode, value } = read("nn.functional.pad", padArguments, rest);
  return torch.pad(input, widths, mode, value);
}
