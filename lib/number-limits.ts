import { dtypes, toDType } from "./dtype.js";
import { expected } from "./errors.js";
import type { DType } from "./types.js";

/** What {@link finfo} says of a floating-point dtype. */
export interface FloatLimits {
  readonly dtype: DType;
  /** Bits of a number. */
  readonly bits: number;
  /** The distance from 1 to the next number. */
  readonly eps: number;
  readonly max: number;
  readonly min: number;
  /** The smallest positive number of full precision. */
  readonly smallestNormal: number;
  /** The same, by its older name. */
  readonly tiny: number;
  /** 10 to the power of minus the decimal digits that are certain. */
  readonly resolution: number;
}

/** What {@link iinfo} says of an integer dtype. */
export interface IntegerLimits {
  readonly dtype: DType;
  /** Bits of a number. */
  readonly bits: number;
  /** A bigint where a number would not be exact. */
  readonly max: number | bigint;
  /** A bigint where a number would not be exact. */
  readonly min: number | bigint;
}

/** eps, max, smallestNormal, resolution; IEEE 754, and for 8 bits the Open Compute Project's formats as LibTorch describes them. */
const floats: Readonly<Record<string, readonly [number, number, number, number]>> = {
  float64: [2 ** -52, Number.MAX_VALUE, 2 ** -1022, 1e-15],
  float32: [2 ** -23, (2 - 2 ** -23) * 2 ** 127, 2 ** -126, 1e-6],
  float16: [2 ** -10, 65504, 2 ** -14, 1e-3],
  bfloat16: [2 ** -7, (2 - 2 ** -7) * 2 ** 127, 2 ** -126, 1e-2],
  float8_e4m3fn: [2 ** -3, 448, 2 ** -6, 1],
  float8_e5m2: [2 ** -2, 57344, 2 ** -14, 1],
  float8_e4m3fnuz: [2 ** -3, 240, 2 ** -7, 1],
  float8_e5m2fnuz: [2 ** -3, 57344, 2 ** -15, 1],
  float8_e8m0fnu: [1, 2 ** 127, 2 ** -127, 1],
};
/** Complex numbers have the limits of their parts. */
const parts: Readonly<Record<string, DType>> = { complex32: "float16", complex64: "float32", complex128: "float64" };

/**
 * The limits of a floating-point dtype, as `torch.finfo`; of a complex one those of its parts.
 *
 * @param dtype default: float32
 * @throws SteppeError `ARGUMENT` for another dtype
 * @example
 * scores.maskedFill(mask, torch.finfo(scores.dtype).min);
 */
export function finfo(dtype: DType = "float32"): FloatLimits {
  const name = toDType(dtype);
  const part = parts[name] ?? name;
  const found = floats[part];
  if (found === undefined) throw expected("a floating-point dtype", "dtype", dtype);
  const [eps, max, smallestNormal, resolution] = found;
  const min = part === "float8_e8m0fnu" ? smallestNormal : -max; // it has no sign
  return { dtype: part, bits: 8 * dtypes[part]!.size, eps, max, min, smallestNormal, tiny: smallestNormal, resolution };
}

/**
 * The limits of an integer dtype, as `torch.iinfo`.
 *
 * @throws SteppeError `ARGUMENT` for another dtype
 */
export function iinfo(dtype: DType): IntegerLimits {
  const name = toDType(dtype);
  const { size, range } = dtypes[name]!;
  if (range === null) throw expected("an integer dtype", "dtype", dtype);
  const [min, max] = range.map((limit) => (Number.isSafeInteger(Number(limit)) ? Number(limit) : limit)) as [number | bigint, number | bigint];
  return { dtype: name, bits: 8 * size, max, min };
}
