import { tensorFrom } from "./creation.js";
import { call, family } from "./dispatch.js";
import { SteppeError, describe, expected } from "./errors.js";
import { Tensor } from "./tensor.js";
import type { Scalar } from "./types.js";

/**
 * One place in an index, as between Python's brackets:
 * - an integer picks one element and drops the dimension; negative ones count from the end;
 * - a string "start:stop:step" takes a slice (any part may be left out, step is positive), ":" all, "..." all dimensions between;
 * - null inserts a dimension of size 1;
 * - a tensor of integers or a mask of bool, or an array of integers, gathers.
 */
export type Index = number | string | null | Tensor | readonly number[];

interface Slice {
  start: number | null;
  stop: number | null;
  step: number;
}

function parseSlice(text: string, at: number): Slice {
  const match = /^\s*(-?\d+)?\s*:\s*(-?\d+)?\s*(?::\s*(\d+)?\s*)?$/.exec(text);
  const step = match?.[3] === undefined ? 1 : Number(match[3]);
  if (match === null || step < 1) {
    throw new SteppeError("ARGUMENT", `Expected a slice such as "1:5", "::2", ":" or "..." for index ${at} but received ${describe(text)}.`);
  }
  const bound = (part: string | undefined) => (part === undefined ? null : Number(part));
  return { start: bound(match[1]), stop: bound(match[2]), step };
}

/** How many of the tensor's dimensions an index takes up. */
function consumes(index: Index): number {
  if (index === null || index === "...") return 0;
  if (index instanceof Tensor && (index.dtype === "bool" || index.dtype === "uint8")) return index.dim();
  return 1;
}

/**
 * A view (or, with tensors and arrays, a copy) of part of a tensor: Python's `t[0, 1:5, ..., mask]` is
 * `torch.at(t, 0, "1:5", "...", mask)`.
 *
 * @throws SteppeError `ARGUMENT` for an index of another type, too many indices or a bad slice
 */
export function at(tensor: Tensor, ...indices: Index[]): Tensor {
  if (!(tensor instanceof Tensor)) throw expected("a Tensor", "tensor", tensor);
  const given = indices.reduce<number>((sum, index) => sum + consumes(index), 0);
  const dims = tensor.dim();
  if (given > dims) throw new SteppeError("ARGUMENT", `Expected at most ${dims} indices for a tensor of shape [${tensor.shape.join(", ")}] but received ${given}.`);
  if (indices.filter((index) => index === "...").length > 1) throw new SteppeError("ARGUMENT", 'Expected "..." at most once among the indices.');
  let result = tensor;
  let dim = 0;
  const gathers: (Tensor | null)[] = [];
  let gathering = false;
  indices.forEach((index, i) => {
    if (index === null) {
      result = call(family("aten::unsqueeze"), [result, dim++]) as Tensor;
      gathers.push(null);
    } else if (index === "...") {
      for (let skip = dims - given; skip > 0; skip--, dim++) gathers.push(null);
    } else if (typeof index === "string") {
      const { start, stop, step } = parseSlice(index, i);
      if (start !== null || stop !== null || step !== 1) result = call(family("aten::slice"), [result, dim, start, stop, step]) as Tensor;
      dim++;
      gathers.push(null);
    } else if (typeof index === "number" && Number.isInteger(index)) {
      result = call(family("aten::select"), [result, dim, index]) as Tensor;
    } else if (index instanceof Tensor || (Array.isArray(index) && index.every(Number.isInteger))) {
      gathering = true;
      const positions = index instanceof Tensor ? index : tensorFrom(index as readonly number[], { dtype: "int64", device: tensor.device });
      gathers.push(positions);
      dim += consumes(positions);
    } else {
      throw new SteppeError("ARGUMENT", `Expected an integer, a slice, null, a Tensor or an array of integers for index ${i} but received ${describe(index)}.`);
    }
  });
  return gathering ? (call(family("aten::index"), [result, gathers]) as Tensor) : result;
}

/**
 * Writes into part of a tensor, in place: Python's `t[0, 1:5] = value`. Tensors of indices are not taken here: use
 * `indexPut_` for them.
 *
 * @returns the tensor
 */
export function setAt(tensor: Tensor, indices: readonly Index[], value: Tensor | Scalar): Tensor {
  if (!Array.isArray(indices)) throw expected("an array", "indices", indices);
  for (const [i, index] of indices.entries()) {
    if (index instanceof Tensor || Array.isArray(index)) {
      throw new SteppeError("ARGUMENT", `Expected an integer, a slice or null for index ${i} but received ${describe(index)}. Use indexPut_ for gathered positions.`);
    }
  }
  const part = at(tensor, ...indices);
  if (value instanceof Tensor) call(family("aten::copy_"), [part, value]);
  else call(family("aten::fill_"), [part, value]);
  return tensor;
}
