import { describe } from "../errors.js";
import { Dict, Refusal, unpickle } from "./pickle.js";
import type { Global } from "./pickle.js";

// Arrays of bytes as NumPy pickles them: `_reconstruct(ndarray, (0,), b"b")`, to which BUILD then gives the state (version, shape,
// dtype, whether columns come first, elements): numpy/_core/src/multiarray/methods.c, array_setstate. From protocol 5 on
// `_frombuffer(elements, dtype, shape, order)`: numpy/_core/numeric.py.

/** An array of uint8. */
export class ByteArray {
  shape: readonly number[] = [0];
  bytes: Uint8Array = new Uint8Array(0);
}

/** A dtype by its name, "u1". */
class NumpyType {
  constructor(readonly name: string) {}
}

const functions: Readonly<Record<string, (args: readonly unknown[]) => unknown>> = {
  _reconstruct: () => new ByteArray(),
  _frombuffer: ([elements, dtype, shape, order]) => fill(new ByteArray(), { shape, dtype, columnsFirst: order === "F", elements }),
  "numpy.dtype": ([name]) => {
    if (typeof name !== "string") throw new Refusal("the name of a dtype", describe(name));
    return new NumpyType(name);
  },
  // Python 3 writes bytes so for Python 2.
  "_codecs.encode": ([text, encoding]) => {
    if (typeof text !== "string" || encoding !== "latin1") throw new Refusal("text in latin1", describe(encoding));
    return Uint8Array.from(Buffer.from(text, "latin1"));
  },
};

function find(name: string): Global | undefined {
  const key = name.replace(/^numpy\._?core\.(multiarray|numeric)\./, "");
  if (Object.hasOwn(functions, key)) return { name, call: functions[key]! };
  return name === "numpy.ndarray" ? { name } : undefined;
}

function build(object: unknown, state: unknown): unknown {
  if (object instanceof NumpyType) return object; // byte order and alignment, which bytes do not have
  if (!(object instanceof ByteArray)) return undefined;
  const [, shape, dtype, columnsFirst, elements] = Array.isArray(state) ? (state as unknown[]) : [];
  return fill(object, { shape, dtype, columnsFirst: columnsFirst === true, elements });
}

function fill(array: ByteArray, { shape, dtype, columnsFirst, elements }: { shape: unknown; dtype: unknown; columnsFirst: boolean; elements: unknown }): ByteArray {
  if (!(dtype instanceof NumpyType) || dtype.name !== "u1") throw new Refusal("an array of uint8", dtype instanceof NumpyType ? `one of ${dtype.name}` : describe(dtype));
  if (!Array.isArray(shape) || shape.length > 8 || !shape.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)) throw new Refusal("the shape of an array", describe(shape));
  const bytes = typeof elements === "string" ? Uint8Array.from(Buffer.from(elements, "latin1")) : elements;
  const sizes = shape as number[];
  const count = sizes.reduce((product, size) => product * size, 1);
  if (!(bytes instanceof Uint8Array) || bytes.length !== count) throw new Refusal(`${count} bytes for the shape [${sizes.join(", ")}]`, bytes instanceof Uint8Array ? `${bytes.length}` : describe(bytes));
  if (columnsFirst && sizes.length > 2) throw new Refusal("rows first, or two dimensions", `columns first, and ${sizes.length}`);
  array.shape = sizes;
  array.bytes = columnsFirst && sizes.length === 2 ? rowsFirst(bytes, sizes as [number, number]) : bytes;
  return array;
}

function rowsFirst(bytes: Uint8Array, [rows, columns]: [number, number]): Uint8Array {
  const result = new Uint8Array(bytes.length);
  for (let column = 0; column < columns; column++) for (let row = 0; row < rows; row++) result[row * columns + column] = bytes[column * rows + row]!;
  return result;
}

/**
 * The dict in a pickle of plain values and {@link ByteArray}s, written by Python 2 or 3. Executes nothing.
 *
 * @throws SteppeError `FORMAT` for anything else, with its place
 */
export function unpickleArrays(bytes: Buffer, path: string): Map<unknown, unknown> {
  const persistent = () => {
    throw new Refusal("no persistent id", "one");
  };
  const value = unpickle(bytes, { path, offset: 0, find, persistent, build, latin1: true });
  if (!(value instanceof Dict)) return new Map();
  return value.entries;
}
