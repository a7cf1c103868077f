import { SteppeError, describe, suggest } from "./errors.js";
import type { DType } from "./types.js";

/** The typed arrays that tensors are read into and made from. */
export type TypedArray =
  | Float32Array | Float64Array | Int8Array | Int16Array | Int32Array | BigInt64Array
  | Uint8Array | Uint8ClampedArray | Uint16Array | Uint32Array | BigUint64Array;

type TypedArrayConstructor = new (buffer: ArrayBufferLike) => TypedArray;

interface DTypeInfo {
  /** Bytes per element. */
  readonly size: number;
  readonly floating: boolean;
  readonly complex: boolean;
  /** The typed array that holds it as it is; none where JavaScript has no such element type. */
  readonly array: TypedArrayConstructor | null;
  /** The least and the greatest integer that it holds; null for the other dtypes. */
  readonly range: readonly [bigint, bigint] | null;
}

const other = (size: number, array: TypedArrayConstructor | null, kind: "floating" | "complex" | "" = ""): DTypeInfo => ({
  size,
  floating: kind === "floating",
  complex: kind === "complex",
  array,
  range: null,
});
const floating = (size: number, array: TypedArrayConstructor | null = null): DTypeInfo => other(size, array, "floating");
const complex = (size: number, array: TypedArrayConstructor | null): DTypeInfo => other(size, array, "complex");
function signed(size: number, array: TypedArrayConstructor): DTypeInfo {
  const half = 2n ** BigInt(8 * size - 1);
  return { ...other(size, array), range: [-half, half - 1n] };
}
function unsigned(size: number, array: TypedArrayConstructor): DTypeInfo {
  return { ...other(size, array), range: [0n, 2n ** BigInt(8 * size) - 1n] };
}

/** Every dtype that a tensor can have, with what JavaScript knows about it. */
export const dtypes: Readonly<Record<string, DTypeInfo>> = {
  float32: floating(4, Float32Array),
  float64: floating(8, Float64Array),
  float16: floating(2),
  bfloat16: floating(2),
  int64: signed(8, BigInt64Array),
  int32: signed(4, Int32Array),
  int16: signed(2, Int16Array),
  int8: signed(1, Int8Array),
  uint8: unsigned(1, Uint8Array),
  uint16: unsigned(2, Uint16Array),
  uint32: unsigned(4, Uint32Array),
  uint64: unsigned(8, BigUint64Array),
  bool: other(1, Uint8Array),
  complex32: complex(4, null),
  complex64: complex(8, Float32Array),
  complex128: complex(16, Float64Array),
  float8_e4m3fn: floating(1),
  float8_e5m2: floating(1),
  float8_e4m3fnuz: floating(1),
  float8_e5m2fnuz: floating(1),
  float8_e8m0fnu: floating(1),
  qint8: other(1, null),
  quint8: other(1, null),
  qint32: other(4, null),
};

/** PyTorch's short names. */
const aliases: Readonly<Record<string, DType>> = {
  float: "float32",
  double: "float64",
  half: "float16",
  long: "int64",
  int: "int32",
  short: "int16",
  cfloat: "complex64",
  cdouble: "complex128",
};

/** Whether a string names a dtype. */
export function isDType(name: string): boolean {
  return Object.hasOwn(dtypes, name) || Object.hasOwn(aliases, name);
}

/**
 * The dtype that a name stands for; short names ("float") are spelled out.
 *
 * @throws SteppeError `ARGUMENT` for any other value
 */
export function toDType(name: unknown, argument = "dtype"): DType {
  if (typeof name === "string") {
    if (Object.hasOwn(dtypes, name)) return name as DType;
    if (Object.hasOwn(aliases, name)) return aliases[name]!;
  }
  const hint = typeof name === "string" ? suggest(name, Object.keys(dtypes)) : "";
  throw new SteppeError("ARGUMENT", `Expected a dtype for ${argument} but received ${describe(name)}.${hint}`);
}

/** The dtype that holds a typed array's elements as they are. */
export function dtypeOfArray(array: TypedArray): DType {
  if (array instanceof Uint8ClampedArray) return "uint8";
  for (const [name, info] of Object.entries(dtypes)) {
    if (info.array !== null && !info.complex && array instanceof info.array) return name as DType;
  }
  throw new SteppeError("ARGUMENT", `Expected a typed array for data but received ${describe(array)}.`);
}
