import { dtypes, type TypedArray } from "./dtype.js";
import { SteppeError } from "./errors.js";
import { native } from "./native.js";
import type { Tensor } from "./tensor.js";

/** One element of a tensor. */
export type Element = number | bigint | boolean | { re: number; im: number };
/** Values in nested arrays: one level per dimension. */
export type NestedArray = Element | NestedArray[];

/** Copies the values out, in a dtype that has a typed array: the small floats as float32. */
function read(tensor: Tensor, caller: string): { array: TypedArray; dtype: string } {
  let dtype: string = tensor.dtype;
  let conversion: string | null = null;
  if ((dtypes[dtype]?.array ?? null) === null) {
    if (dtype.startsWith("q")) throw new SteppeError("ARGUMENT", `${caller} does not read quantized tensors: call dequantize() first.`);
    dtype = conversion = dtype === "complex32" ? "complex64" : "float32";
  }
  return { array: new dtypes[dtype]!.array!(native.toBytes(tensor.handle, conversion, caller)), dtype };
}

const limit = BigInt(Number.MAX_SAFE_INTEGER);

/** How element i of the flat values reads. */
function elementReader(array: TypedArray, dtype: string): (i: number) => Element {
  if (dtype === "bool") return (i) => array[i] !== 0;
  if (dtype.startsWith("complex")) return (i) => ({ re: array[2 * i] as number, im: array[2 * i + 1] as number });
  if (array instanceof BigInt64Array || array instanceof BigUint64Array) {
    return (i) => {
      const value = array[i]!;
      return value > limit || value < -limit ? value : Number(value);
    };
  }
  return (i) => array[i] as number;
}

export function readTypedArray(tensor: Tensor): TypedArray {
  return read(tensor, "toTypedArray()").array;
}

export function readItem(tensor: Tensor): Element {
  const count = tensor.numel();
  if (count !== 1) throw new SteppeError("ARGUMENT", `Expected a tensor of one element for item() but received one of shape [${tensor.shape.join(", ")}].`);
  const { array, dtype } = read(tensor, "item()");
  return elementReader(array, dtype)(0);
}

export function readArray(tensor: Tensor, caller = "toArray()"): NestedArray {
  const shape = tensor.shape;
  const { array, dtype } = read(tensor, caller);
  const element = elementReader(array, dtype);
  let next = 0;
  const level = (depth: number): NestedArray =>
    depth === shape.length ? element(next++) : Array.from({ length: shape[depth]! }, () => level(depth + 1));
  return level(0);
}
