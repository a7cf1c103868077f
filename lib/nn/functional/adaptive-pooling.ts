import { expected } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { requireTensors } from "../arguments.js";
import type { Argument } from "../arguments.js";

/** The size of an output; `null` for that of the input. */
export type OutputSize = number | null | readonly (number | null)[];

/** A size for each dimension, or one for all of them. */
export function outputSize(dims: number): Argument<readonly (number | null)[], OutputSize, false> {
  const fits = (side: unknown) => side === null || (Number.isSafeInteger(side) && (side as number) >= 0);
  const several = dims === 1 ? "an array of one" : `an array of ${["two", "three"][dims - 2]} of them`;
  return {
    optional: false,
    read(value, name) {
      const sides: unknown[] = Array.isArray(value) ? value : Array<unknown>(dims).fill(value);
      if (sides.length !== dims || !sides.every(fits)) throw expected(`a non-negative integer, null or ${several}`, name, value);
      return sides as (number | null)[];
    },
  };
}

function adaptive<Result>(name: string, dims: number, operator: (input: Tensor, size: number[]) => Result) {
  const size = outputSize(dims);
  return (input: Tensor, output: OutputSize): Result => {
    const sides = size.read(output, `outputSize of nn.functional.${name}`);
    requireTensors(`nn.functional.${name}`, { input });
    return operator(input, sides.map((side, i) => side ?? input.shape.at(i - dims)!));
  };
}

// As many windows as the output has places, of sizes as equal as can be. The output's size is a number for each dimension or one
// for all; `null` keeps the input's.

/** Averages over a sequence. Input [N, C, L] or [C, L]. */
export const adaptiveAvgPool1d = adaptive("adaptiveAvgPool1d", 1, (input, size) => torch.adaptiveAvgPool1d(input, size));
/** Averages over an image. Input [N, C, H, W] or [C, H, W]. */
export const adaptiveAvgPool2d = adaptive("adaptiveAvgPool2d", 2, (input, size) => torch.adaptiveAvgPool2d(input, size));
/** Averages over a volume. Input [N, C, D, H, W] or [C, D, H, W]. */
export const adaptiveAvgPool3d = adaptive("adaptiveAvgPool3d", 3, (input, size) => torch.adaptiveAvgPool3d(input, size));

/** Maxima over a sequence, and their places (int64). */
export const adaptiveMaxPool1dWithIndices = adaptive("adaptiveMaxPool1dWithIndices", 1, (input, size) => torch.adaptiveMaxPool1d(input, size));
/** Maxima over an image, and their places (h · W + w, int64). */
export const adaptiveMaxPool2dWithIndices = adaptive("adaptiveMaxPool2dWithIndices", 2, (input, size) => torch.adaptiveMaxPool2d(input, size));
/** Maxima over a volume, and their places ((d · H + h) · W + w, int64). */
export const adaptiveMaxPool3dWithIndices = adaptive("adaptiveMaxPool3dWithIndices", 3, (input, size) => torch.adaptiveMaxPool3d(input, size));

/** Maxima over a sequence. Input [N, C, L] or [C, L]. */
export const adaptiveMaxPool1d = adaptive("adaptiveMaxPool1d", 1, (input, size) => torch.adaptiveMaxPool1d(input, size)[0]);
/** Maxima over an image. Input [N, C, H, W] or [C, H, W]. */
export const adaptiveMaxPool2d = adaptive("adaptiveMaxPool2d", 2, (input, size) => torch.adaptiveMaxPool2d(input, size)[0]);
/** Maxima over a volume. Input [N, C, D, H, W] or [C, D, H, W]. */
export const adaptiveMaxPool3d = adaptive("adaptiveMaxPool3d", 3, (input, size) => torch.adaptiveMaxPool3d(input, size)[0]);
