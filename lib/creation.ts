import { dtypeOfArray, dtypes, toDType, type TypedArray } from "./dtype.js";
import { SteppeError, checkKeys, describe, expected } from "./errors.js";
import { native } from "./native.js";
import type { Element } from "./reading.js";
import { followContext } from "./scope.js";
import { Tensor } from "./tensor.js";
import type { Device, DType } from "./types.js";

/** Of a tensor in LibTorch. */
const MOST_DIMENSIONS = 64;

/** What {@link tensorFrom} takes: a number, nested arrays of numbers (booleans, bigints, {re, im}), or a typed array. */
export type TensorData = Element | TypedArray | readonly TensorData[];

/** Keyword arguments of {@link tensorFrom}. */
export interface TensorOptions {
  /** Default: bool for booleans, int64 for integers, complex64 for {re, im}, float32 for other numbers; a typed array's own. */
  dtype?: DType;
  /** Default "cpu". */
  device?: Device;
  /** Default false. */
  requiresGrad?: boolean;
  /** Sizes, for a typed array that is flat; default one dimension. */
  shape?: readonly number[];
}

/**
 * A new tensor with the given values, as `torch.tensor`. The data is copied.
 *
 * As in PyTorch, integers alone make an int64 tensor: say `dtype: "float32"` (or write one 0.5) for floats.
 *
 * @throws SteppeError `ARGUMENT` for ragged arrays, values that are no numbers, values that the dtype cannot hold
 * @example
 * torch.tensor([[1, 2], [3, 4]], { dtype: "float32", requiresGrad: true });
 * torch.tensor(new Float32Array(784), { shape: [28, 28] });
 */
export function tensorFrom(data: TensorData, options: TensorOptions = {}): Tensor {
  checkKeys(options, ["dtype", "device", "requiresGrad", "shape"]);
  const { array, shape, dtype } = isTypedArray(data) ? flatArray(data) : nestedArray(data, options.dtype);
  const wanted = options.dtype === undefined ? dtype : toDType(options.dtype);
  const made = fromBuffer(array, dtype, checkShape(options.shape, array.length, shape));
  let result = made;
  if (wanted !== dtype || (options.device !== undefined && options.device !== "cpu")) {
    result = made.to({ dtype: wanted, device: options.device ?? "cpu" });
    if (result !== made && result.handle !== made.handle) made.dispose();
  }
  if (options.requiresGrad !== undefined) result.requiresGrad = options.requiresGrad;
  return result;
}

function checkShape(given: readonly number[] | undefined, length: number, natural: readonly number[]): readonly number[] {
  if (given === undefined) return natural;
  if (!Array.isArray(given) || !given.every((size) => Number.isInteger(size) && size >= 0)) throw expected("an array of sizes", "shape", given);
  const product = (given as number[]).reduce((a, b) => a * b, 1);
  if (product !== length) throw new SteppeError("ARGUMENT", `Expected a shape of ${length} elements for shape but received [${given.join(", ")}] of ${product}.`);
  return given;
}

function isTypedArray(value: unknown): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

interface Flat {
  array: TypedArray;
  shape: readonly number[];
  dtype: DType;
}

function flatArray(array: TypedArray): Flat {
  return { array, shape: [array.length], dtype: dtypeOfArray(array) };
}

/** Walks nested arrays once: shape, kind of elements, values. */
function nestedArray(data: TensorData, asked: DType | undefined): Flat {
  const shape: number[] = [];
  for (let level: unknown = data; Array.isArray(level); level = (level as unknown[])[0]) {
    shape.push(level.length);
    if (shape.length > MOST_DIMENSIONS) throw new SteppeError("ARGUMENT", `Expected arrays at most ${MOST_DIMENSIONS} deep for data but received deeper ones, or one that holds itself.`);
  }
  const elements: Element[] = [];
  collect(data, shape, 0, "data", elements);
  const dtype = carrier(elements, asked === undefined ? undefined : toDType(asked));
  const info = dtypes[dtype]!;
  const array = new (info.array as unknown as new (length: number) => TypedArray)(elements.length * (info.complex ? 2 : 1));
  elements.forEach((element, i) => {
    if (info.complex) {
      const value = typeof element === "object" ? element : { re: Number(element), im: 0 };
      array[2 * i] = value.re;
      array[2 * i + 1] = value.im;
    } else if (array instanceof BigInt64Array || array instanceof BigUint64Array) {
      array[i] = BigInt(element as number | bigint | boolean);
    } else {
      array[i] = Number(element);
    }
  });
  return { array, shape, dtype };
}

function collect(value: unknown, shape: readonly number[], depth: number, path: string, into: Element[]): void {
  if (depth === shape.length) {
    const isElement =
      typeof value === "number" || typeof value === "bigint" || typeof value === "boolean" ||
      (typeof value === "object" && value !== null && typeof (value as { re?: unknown }).re === "number" && typeof (value as { im?: unknown }).im === "number");
    if (!isElement) throw expected("a number, bigint, boolean or {re, im}", path, value);
    into.push(value as Element);
    return;
  }
  if (!Array.isArray(value) || value.length !== shape[depth]) {
    throw new SteppeError("ARGUMENT", `Expected an array of ${shape[depth]} for ${path}, as its siblings are, but received ${describe(value)}.`);
  }
  // Not forEach, which leaves out what a sparse array lacks.
  for (let i = 0; i < value.length; i++) collect(value[i], shape, depth + 1, `${path}[${i}]`, into);
}

/** A dtype in which JavaScript can write the elements as they are; the addon converts from there to the one asked for. */
function carrier(elements: readonly Element[], asked: DType | undefined): DType {
  const complex = elements.find((element) => typeof element === "object");
  if (asked === undefined) {
    if (complex !== undefined) return "complex64";
    if (elements.length > 0 && elements.every((element) => typeof element === "boolean")) return "bool";
    // A number beyond 2⁵³ need not be the integer that was meant: it counts as a float, and a bigint as an integer.
    const whole = elements.every((element) => typeof element !== "number" || Number.isSafeInteger(element));
    if (elements.length === 0 || !whole) return "float32";
    checkRange(elements, "int64");
    return "int64";
  }
  const info = dtypes[asked]!;
  if (info.complex) return asked === "complex128" ? "complex128" : "complex64";
  if (complex !== undefined) throw expected(`real numbers (the dtype is ${asked})`, "data", complex);
  if (asked.startsWith("q")) throw new SteppeError("ARGUMENT", `Expected a dtype that is not quantized for dtype but received "${asked}". Use torch.quantizePerTensor for a quantized tensor.`);
  if (info.range === null) return "float64";
  checkRange(elements, asked);
  return asked === "uint64" ? "uint64" : "int64";
}

function checkRange(elements: readonly Element[], dtype: DType): void {
  const [least, greatest] = dtypes[dtype]!.range!;
  for (const element of elements) {
    if (typeof element === "boolean") continue;
    if (typeof element === "number" ? !Number.isInteger(element) || element < least || element > greatest : (element as bigint) < least || (element as bigint) > greatest) {
      throw expected(`integers from ${least} to ${greatest} (the dtype is ${dtype})`, "data", element);
    }
  }
}

/**
 * A tensor over a copy of raw bytes.
 *
 * @param bytes little-endian elements in row-major order
 * @param shape sizes whose product times the dtype's width is the number of bytes
 * @throws SteppeError `ARGUMENT` if bytes, dtype and shape do not agree
 */
export function fromBuffer(bytes: ArrayBufferView | ArrayBuffer, dtype: DType, shape: readonly number[]): Tensor {
  followContext();
  const view =
    bytes instanceof DataView ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : ArrayBuffer.isView(bytes) || bytes instanceof ArrayBuffer ? bytes : null;
  if (view === null) throw expected("a typed array or an ArrayBuffer", "bytes", bytes);
  if (!Array.isArray(shape) || !shape.every((size) => Number.isInteger(size) && size >= 0)) throw expected("an array of sizes", "shape", shape);
  return new Tensor(native.fromBytes(view, toDType(dtype), shape));
}
