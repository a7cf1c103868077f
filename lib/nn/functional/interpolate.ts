import { expected, expectedTensor } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, kind, oneOf, or, orNull, read, requireTensors, shape } from "../arguments.js";
import type { Argument, Rest, Size } from "../arguments.js";
import { adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d } from "./adaptive-pooling.js";

/** How values between the given ones are found. */
export type InterpolationMode = "nearest" | "linear" | "bilinear" | "bicubic" | "trilinear" | "area" | "nearest-exact";

const positive = kind<number>("a positive number", (value) => typeof value === "number" && value > 0 && Number.isFinite(value));
const factor: Argument<number | readonly number[], Size, false> = {
  optional: false,
  read: (value, name) => (Array.isArray(value) ? value.map((each) => positive.read(each, name)) : positive.read(value, name)),
};
const length: Argument<number | readonly number[], Size, false> = {
  optional: false,
  read: (value, name) => (Array.isArray(value) ? shape.read(value, name) : shape.read(value, name)[0]!),
};

export const upsampleArguments = {
  /** The output's size without batch and channels; either this or `scaleFactor`. */
  size: orNull(length),
  /** The output's size as a multiple of the input's. */
  scaleFactor: orNull(factor),
  mode: or(oneOf("nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact"), "nearest"),
  /** Whether corners are the centres of the corner pixels; for the linear and cubic modes. */
  alignCorners: orNull(flag),
  /** Whether distances are measured by the sizes, which are whole numbers, rather than by the factor. */
  recomputeScaleFactor: orNull(flag),
};
export type UpsampleRest = Rest<
  [size: Size | null, scaleFactor: Size | null, mode: InterpolationMode, alignCorners: boolean | null, recomputeScaleFactor: boolean | null],
  typeof upsampleArguments
>;
const interpolateArguments = { ...upsampleArguments, antialias: or(flag, false) };

/** Dimensions without batch and channels that a mode is for; others are for all. */
const dimsOf: Partial<Record<InterpolationMode, number>> = { linear: 1, bilinear: 2, bicubic: 2, trilinear: 3 };

/**
 * Makes sequences, images or volumes larger or smaller.
 *
 * @param input [N, C, L], [N, C, H, W] or [N, C, D, H, W]
 * @param rest `size` or `scaleFactor`; `mode` ("nearest"); `alignCorners` (false) for the linear and cubic modes;
 *   `recomputeScaleFactor`; `antialias` (false) for bilinear and bicubic
 * @throws SteppeError `ARGUMENT` for a mode that is not for such inputs, and for options that do not go together
 * @example nn.functional.interpolate(images, { scaleFactor: 2, mode: "bilinear" })
 */
export function interpolate(
  input: Tensor,
  ...rest: Rest<
    [
      size: Size | null, scaleFactor: Size | null, mode: InterpolationMode, alignCorners: boolean | null,
      recomputeScaleFactor: boolean | null, antialias: boolean,
    ],
    typeof interpolateArguments
  >
): Tensor {
  const owner = "nn.functional.interpolate";
  const { size, scaleFactor, mode, alignCorners, recomputeScaleFactor, antialias } = read(owner, interpolateArguments, rest);
  requireTensors(owner, { input });
  const dims = input.dim() - 2;
  if (dims < 1 || dims > 3) throw expectedTensor("a tensor of 3 to 5 dimensions", `the input of ${owner}`, input);
  if (dimsOf[mode] !== undefined && dimsOf[mode] !== dims) {
    throw expectedTensor(`a tensor of ${dimsOf[mode] + 2} dimensions for mode "${mode}"`, `the input of ${owner}`, input);
  }
  if (alignCorners !== null && dimsOf[mode] === undefined) {
    throw expected(`nothing for mode "${mode}"`, `alignCorners of ${owner}`, alignCorners);
  }
  if (antialias && dims !== 2) {
    throw expected('false for all modes but "bilinear" and "bicubic"', `antialias of ${owner}`, antialias);
  }
  if (antialias && dimsOf[mode] === undefined) throw expected('"bilinear" or "bicubic" with antialias', `mode of ${owner}`, mode);
  if ((size === null) === (scaleFactor === null)) throw expected("one of size and scaleFactor", owner, [size, scaleFactor]);
  if (recomputeScaleFactor === true && size !== null) {
    throw expected("nothing beside size", `recomputeScaleFactor of ${owner}`, true);
  }

  const perDim = (value: number | readonly number[], name: string): number[] => {
    const list = typeof value === "number" ? Array<number>(dims).fill(value) : [...value];
    if (list.length !== dims) throw expected(`a number or an array of ${dims}`, `${name} of ${owner}`, value);
    return list;
  };
  let sizes = size === null ? null : perDim(size, "size");
  let factors = scaleFactor === null ? null : perDim(scaleFactor, "scaleFactor");
  if (factors !== null && (recomputeScaleFactor === true || mode === "area")) {
    sizes = factors.map((each, i) => Math.floor(input.shape[i + 2]! * each));
    factors = null;
  }
  const corners = alignCorners ?? false;
  switch (mode) {
    case "area":
      return [adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d][dims - 1]!(input, sizes);
    case "nearest":
      return [torch.upsampleNearest1d, torch.upsampleNearest2d, torch.upsampleNearest3d][dims - 1]!(input, sizes, factors);
    case "nearest-exact":
      return torch.ops.call(`aten::_upsample_nearest_exact${dims}d.vec`, input, sizes, factors) as Tensor;
    case "linear":
      return torch.upsampleLinear1d(input, sizes, corners, factors);
    case "trilinear":
      return torch.upsampleTrilinear3d(input, sizes, corners, factors);
    default:
      if (antialias) return torch.ops.call(`aten::_upsample_${mode}2d_aa.vec`, input, sizes, corners, factors) as Tensor;
      return (mode === "bilinear" ? torch.upsampleBilinear2d : torch.upsampleBicubic2d)(input, sizes, corners, factors);
  }
}

const gridArguments = {
  mode: or(oneOf("bilinear", "nearest", "bicubic"), "bilinear"),
  paddingMode: or(oneOf("zeros", "border", "reflection"), "zeros"),
  alignCorners: orNull(flag),
};
const modeCode = { bilinear: 0, nearest: 1, bicubic: 2 };
const paddingCode = { zeros: 0, border: 1, reflection: 2 };

/**
 * Looks up an image at the places of a grid.
 *
 * @param input [N, C, H, W] or [N, C, D, H, W]
 * @param grid places from -1 to 1 as (x, y) or (x, y, z): [N, H', W', 2] or [N, D', H', W', 3]
 * @param rest `mode` ("bilinear"), `paddingMode` ("zeros") for places outside, `alignCorners` (false)
 * @returns [N, C, H', W'] or [N, C, D', H', W']
 */
export function gridSample(
  input: Tensor,
  grid: Tensor,
  ...rest: Rest<
    [mode: "bilinear" | "nearest" | "bicubic", paddingMode: "zeros" | "border" | "reflection", alignCorners: boolean | null],
    typeof gridArguments
  >
): Tensor {
  const { mode, paddingMode, alignCorners } = read("nn.functional.gridSample", gridArguments, rest);
  return torch.gridSampler(input, grid, modeCode[mode], paddingCode[paddingMode], alignCorners ?? false);
}

/**
 * A grid for `gridSample` that turns, stretches and moves.
 *
 * @param theta [N, 2, 3] or [N, 3, 4]
 * @param size the output's: [N, C, H, W] or [N, C, D, H, W]
 */
export function affineGrid(theta: Tensor, size: readonly number[], alignCorners = false): Tensor {
  requireTensors("nn.functional.affineGrid", { theta });
  return torch.affineGridGenerator(theta, shape.read(size, "size of nn.functional.affineGrid"), alignCorners);
}
