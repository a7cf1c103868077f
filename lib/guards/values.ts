/** Conditions on the values of tensors. */
import { noGrad } from "../autograd.js";
import { callByName } from "../dispatch.js";
import { SteppeError } from "../errors.js";
import { recording } from "../recording.js";
import { scope } from "../scope.js";
import { Tensor } from "../tensor.js";
import type { Layout } from "../types.js";
import { beside, tensor, type Rule, type Values } from "./rules.js";

/**
 * Whether something is true of tensors' values, where these can be looked at: in the processor's memory (another device's
 * kernels check for themselves), and while no program is recorded, of which the look would become a part. A recording by shapes,
 * where values may be whatever was in memory, ends: it is made again with all values computed.
 */
export function seen(of: Tensor, truth: () => boolean): boolean {
  if (of.device !== "cpu" || of.numel() === 0) return true;
  if (recording.byShapes) throw new SteppeError("RECORD", "An operator that relies on its operands' values cannot be recorded by shapes alone.");
  if (recording.active) return true;
  try {
    return noGrad(() => scope(truth));
  } catch (error) {
    // Of a kind that cannot be looked at, sparse for one: the operator will say so itself.
    if (error instanceof SteppeError && error.code === "OPERATOR") return true;
    throw error;
  }
}

const isInteger = (t: Tensor): boolean => /^u?int/.test(t.dtype);

function extremes(t: Tensor): [least: number, most: number] {
  const [least, most] = t.aminmax();
  return [Number(least.item()), Number(most.item())];
}

const isAscending = (t: Tensor): boolean => t.numel() < 2 || Number(t.diff().min().item()) >= 0;

export const finite = (argument: string): Rule => tensor(argument, "a tensor of finite numbers", (t) => seen(t, () => t.isfinite().all().item() === true));

/** Whether integers are from 0 to a limit, without it, as far as they can be looked at. */
export const areBelow = (t: Tensor, limit: () => number): boolean =>
  !isInteger(t) || seen(t, () => {
    const [least, most] = extremes(t);
    return least >= 0 && most < limit();
  });

/** Integers from 0 to a limit, without it. */
export const integersBelow = (argument: string, limit: string, find: (all: Values) => number): Rule =>
  tensor(argument, `a tensor of integers from 0 to ${limit}`, (t, all) => areBelow(t, () => find(all)));

export const indicesBelow = (argument: string, limit: string): Rule => integersBelow(argument, `${limit} − 1`, (all) => Number(all(limit)));

/** Where in the last few dimensions of another tensor each maximum was found. */
export const placesIn = (argument: string, other: string, sliding: number): Rule =>
  integersBelow(argument, `the number of places in the last ${sliding} dimensions of ${other}, less one`, (all) => {
    return (all(other) as Tensor).shape.slice(-sliding).reduce((a, b) => a * b, 1);
  });

/** Classes, which are a dimension of another tensor, or one integer that stands for none. */
export const classesBelow = (argument: string, of: string, none: string): Rule =>
  beside(argument, of, `a tensor of classes of ${of}, or ${none}`, (t, { shape }, all) => {
    const classes = shape[shape.length > 1 ? 1 : 0] ?? 0;
    return !isInteger(t) || seen(t, () => (t.ge(0).logicalAnd(t.lt(classes)).logicalOr(t.eq(all(none) as number)).all() as Tensor).item() === true);
  });

/** Integers as numbers, if none is negative or beyond 31 bits: faster for short tensors than operators are. */
function smallIntegers(t: Tensor): ArrayLike<number> | null {
  const values = t.toTypedArray() as ArrayLike<number> | BigInt64Array;
  if (!(values instanceof BigInt64Array)) return values as ArrayLike<number>;
  const words = new Int32Array(values.buffer, values.byteOffset, 2 * values.length); // low, high
  const numbers = new Int32Array(values.length);
  for (let i = 0; i < numbers.length; i++) {
    if (words[2 * i + 1] !== 0 || words[2 * i]! < 0) return null;
    numbers[i] = words[2 * i]!;
  }
  return numbers;
}

/** Where each bag begins among the indices. */
export const bagsOf = (argument: string, indices: string): Rule =>
  beside(argument, indices, `a tensor of ascending places in ${indices}`, (t, of) => {
    if (t.numel() === 0 && of.numel() > 0) return of.dim() !== 1; // no bag for indices in one row
    return !isInteger(t) || t.dim() !== 1 || seen(t, () => {
      const [places, most] = [smallIntegers(t), of.numel()];
      let last = 0;
      for (let i = 0; places !== null && i < places.length; last = places[i++]!) if (places[i]! < last || places[i]! > most) return false;
      return places !== null;
    });
  });

/** With `include_last_offset`, the last bag's end: only kernels that sum rows in order can leave out what comes after it. */
export const bagsEnd = (argument: string, indices: string): Rule =>
  beside(argument, indices, `a tensor that ends in the number of ${indices}`, (t, of, all) => {
    const weight = all("weight") as Tensor;
    if (all("include_last_offset") !== true || !isInteger(t) || t.dim() !== 1) return true;
    const inOrder = Number(all("mode") ?? 0) < 2 && /float32|float16/.test(weight.dtype) && weight.stride().at(-1) === 1 && !(Number(all("padding_idx") ?? -1) >= 0);
    return inOrder || seen(t, () => t.numel() > 0 && Number((t.select(0, -1) as Tensor).item()) === of.numel());
  });

/** The lengths of segments of a dimension. */
export const segmentLengths = (argument: string, data: string): Rule =>
  beside(argument, data, `a tensor of lengths that are together no longer than ${data}`, (t, of, all) => {
    const most = of.shape.at(Number(all("axis") ?? 0)) ?? 0;
    return !isInteger(t) || t.dim() === 0 || seen(t, () => extremes(t)[0] >= 0 && Number(t.sum(-1).max().item()) <= most);
  });

/** Where segments of a dimension begin, and the last one's end. */
export const segmentOffsets = (argument: string, data: string): Rule =>
  beside(argument, data, `a tensor of ascending places in ${data}`, (t, of, all) => {
    const size = of.shape.at(Number(all("axis") ?? 0)) ?? 0;
    return !isInteger(t) || t.dim() === 0 || seen(t, () => {
      const [least, most] = extremes(t);
      return least >= 0 && most <= size && isAscending(t);
    });
  });

/** How long each sequence of a padded batch is, of which there is at least one step. */
export const lengthsOf = (argument: string, padded: string): Rule =>
  beside(argument, padded, `a tensor of lengths from 1 to that of ${padded}`, (t, of, all) => {
    const steps = of.shape[all("batch_first") === true ? 1 : 0] ?? 0;
    return !isInteger(t) || seen(t, () => {
      const [least, most] = extremes(t);
      return least >= 1 && most <= steps;
    });
  });

/** How many sequences of a packed batch have each step, the longest sequence first. */
export const batchSizesOf = (argument: string, data: string): Rule =>
  beside(argument, data, `a tensor of numbers from 1 that do not rise, together as many as ${data} has rows`, (t, of) => {
    return !isInteger(t) || t.dim() !== 1 || of.dim() === 0 || seen(t, () => {
      const sizes = smallIntegers(t);
      if (sizes === null) return false;
      let sum = 0;
      for (let i = 0; i < sizes.length; i++) {
        if (sizes[i]! < 1 || (i > 0 && sizes[i]! > sizes[i - 1]!)) return false;
        sum += sizes[i]!;
      }
      return sum === of.shape[0];
    });
  });

/** The labels of CTC's targets, without those that only fill up a sample's row. */
export const labelsBelow = (argument: string, probabilities: string): Rule =>
  beside(argument, probabilities, `a tensor of classes of ${probabilities}`, (targets, { shape }, all) => {
    const lengths = all("target_lengths") as Tensor | readonly number[];
    return !isInteger(targets) || shape.length === 0 || seen(targets, () => {
      const [classes, labels] = [shape.at(-1)!, targets.toTypedArray() as ArrayLike<number | bigint>];
      const right = (label: number | bigint) => label >= 0 && label < classes;
      if (targets.dim() !== 2) return Array.from(labels).every(right);
      const counts = Array.from((lengths instanceof Tensor ? lengths.toTypedArray() : lengths) as ArrayLike<number | bigint>, Number);
      const width = targets.shape[1]!;
      return counts.every((count, row) => Array.from({ length: Math.min(count, width) }, (_, i) => labels[row * width + i] ?? 0).every(right));
    });
  });

/** The indices of a sparse tensor, of which LibTorch checks the shapes only. */
const sparse = (argument: string, what: string, validator: string, args: (all: Values, indices: Tensor) => unknown[]): Rule =>
  tensor(argument, what, (indices, all) => {
    return seen(indices, () => {
      try {
        callByName(validator, ...args(all, indices));
        return true;
      } catch (error) {
        if (error instanceof SteppeError) return false;
        throw error;
      }
    });
  });

/** Of a sparse tensor in coordinates. */
export const coordinates = (argument: string): Rule =>
  sparse(argument, "a tensor of places within size", "aten::_validate_sparse_coo_tensor_args", (all, indices) => [indices, all("values"), all("size")]);

/** Of a compressed one: where each row, or column, begins among the others. */
export const compressed = (argument: string, plain: string, layout: Layout | null): Rule =>
  sparse(argument, `the compressed indices that belong to ${plain} and size`, "aten::_validate_sparse_compressed_tensor_args", (all, indices) => {
    return [indices, all(plain), all("values"), all("size"), layout ?? all("layout")];
  });

/** The same where no size is given, which is then found from the indices themselves. */
export const compressedAlone = (argument: string, plain: string): Rule =>
  beside(argument, plain, `the compressed indices that belong to ${plain}, of which none is negative`, (indices, others) => {
    return !isInteger(indices) || !isInteger(others) || indices.dim() === 0 || others.dim() === 0 || seen(indices, () => {
      const [least, most] = extremes(indices);
      return least >= 0 && most <= others.shape.at(-1)! && isAscending(indices) && (others.numel() === 0 || extremes(others)[0] >= 0);
    });
  });
