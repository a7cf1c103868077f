/** Conditions on the arguments of operators: on their kinds, shapes and dtypes. Those on the values of tensors: values.ts. */
import { Tensor } from "../tensor.js";
import type { DType } from "../types.js";

/** The values of a call by the schema's argument names; undefined where the default is meant. */
export type Values = (name: string) => unknown;

/** A condition on one argument: what is expected of it, in words, and whether it is so. */
export interface Rule {
  readonly argument: string;
  readonly what: string;
  holds(value: unknown, all: Values): boolean;
}

/** Of an operator that is a part of another one, which has checked everything before: no call is right. */
export interface PartOf {
  readonly partOf: string;
}

export const partOf = (whole: string): PartOf => ({ partOf: whole });

const isNothing = (value: unknown): boolean => value === null || value === undefined;

/** A rule for a tensor; where none is given there is nothing to say. */
export const tensor = (argument: string, what: string, test: (tensor: Tensor, all: Values) => boolean): Rule => ({
  argument,
  what,
  holds: (value, all) => !(value instanceof Tensor) || test(value, all),
});

/** A rule for a tensor beside another one. */
export const beside = (argument: string, other: string, what: string, test: (tensor: Tensor, other: Tensor, all: Values) => boolean): Rule =>
  tensor(argument, what, (value, all) => {
    const like = all(other);
    return !(like instanceof Tensor) || test(value, like, all);
  });

/** What stands for a list: an array, or a typed one. */
export const listOf = (value: unknown): readonly unknown[] | null => {
  if (Array.isArray(value)) return value;
  return ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<number | bigint>) : null;
};

export const numbersOf = (list: unknown): number[] => (listOf(list) ?? []).map(Number);

export const hasShape = (t: Tensor, ...sizes: number[]): boolean => t.dim() === sizes.length && t.shape.every((size, i) => size === sizes[i]);

export const array = (argument: string, what: string, test: (array: readonly unknown[], all: Values) => boolean): Rule => ({
  argument,
  what,
  holds(value, all) {
    const list = listOf(value);
    return list === null || test(list, all);
  },
});

// Arrays.
export const notEmpty = (argument: string): Rule => array(argument, "at least one tensor", ({ length }) => length > 0);
export const length = (argument: string, count: number): Rule => array(argument, `an array of ${count}`, ({ length }) => length === count);
/** Where both are lists. */
export const oneEach = (argument: string, other: string): Rule =>
  array(argument, `an array as long as ${other}`, ({ length }, all) => length === (listOf(all(other)) ?? { length }).length);
/** Tensors that have the dimension of that number. */
export const haveDimension = (argument: string, dim: string): Rule =>
  array(argument, `tensors of more dimensions than ${dim}`, (list, all) => (list as Tensor[]).every((t) => t.dim() > Math.max(0, Number(all(dim)))));

// Numbers.
export const positive = (argument: string): Rule => ({
  argument,
  what: "a positive integer",
  holds: (value) => isNothing(value) || (value as number | bigint) > 0,
});
export const fraction = (argument: string): Rule => ({
  argument,
  what: "a number from 0 to 1",
  holds: (value) => isNothing(value) || ((value as number) >= 0 && (value as number) <= 1),
});
/** Where integers are made: a step that is cut to 0 is divided by. */
export const wholeStep = (argument: string): Rule => ({
  argument,
  what: "a whole number for an integer dtype",
  holds(value, all) {
    const out = all("out");
    const dtype = out instanceof Tensor ? out.dtype : all("dtype");
    const step = typeof value === "object" && value !== null ? (value as { re: number }).re : value;
    return typeof step !== "number" || Number.isInteger(step) || !/^u?int|^bool/.test(String(dtype ?? ""));
  },
});
/** Sizes, one for each dimension, or one number for all. */
export const sizes = (argument: string, count: number): Rule => array(argument, `an array of ${count}`, ({ length }) => length === count);
export const isTrue = (argument: string): Rule => ({ argument, what: "true", holds: (value) => value !== false });

// Tensors.
/** A condition that only quantized tensors need. */
export const ofQuantized = (of: string, rule: Rule): Rule => ({
  ...rule,
  holds(value, all) {
    const subject = all(of);
    return !(subject instanceof Tensor && subject.dtype.startsWith("q")) || rule.holds(value, all);
  },
});
/** A condition that holds where a flag is set. */
export const where = (flag: string, rule: Rule): Rule => ({ ...rule, holds: (value, all) => all(flag) !== true || rule.holds(value, all) });
export const given = (argument: string): Rule => ({ argument, what: "a tensor", holds: (value) => !isNothing(value) });
export const givenUnless = (argument: string, flag: string): Rule => ({
  argument,
  what: `a tensor where ${flag} is false`,
  holds: (value, all) => !isNothing(value) || all(flag) === true,
});
export const givenIf = (argument: string, flag: string): Rule => ({
  argument,
  what: `a tensor where ${flag} is true`,
  holds: (value, all) => !isNothing(value) || all(flag) !== true,
});
export const dims = (argument: string, least: number, most = least): Rule =>
  tensor(argument, `a tensor of ${least === most ? least : `${least} to ${most}`} dimensions`, (t) => t.dim() >= least && t.dim() <= most);
export const elements = (argument: string): Rule => tensor(argument, "a tensor that is not empty", (t) => t.numel() > 0);
export const unquantized = (argument: string): Rule => tensor(argument, "a tensor that is not quantized", (t) => !t.dtype.startsWith("q"));
export const sameShape = (argument: string, other: string): Rule =>
  beside(argument, other, `a tensor of the shape of ${other}`, (t, like) => String(t.shape) === String(like.shape));
export const sameDtype = (argument: string, other: string): Rule =>
  beside(argument, other, `a tensor of the dtype of ${other}`, (t, like) => t.dtype === like.dtype);
/** All sizes but the last few, over which a kernel slides, are those of another tensor. */
export const samePlanes = (argument: string, other: string, sliding: number): Rule =>
  beside(argument, other, `a tensor with the same batch and channels as ${other}`, (t, like) => {
    const same = t.dim() === like.dim() && String(t.shape.slice(0, -sliding)) === String(like.shape.slice(0, -sliding));
    return same && (t.numel() === 0 || like.numel() > 0);
  });
/** As many elements as images have channels. */
export const perChannel = (argument: string, images: string): Rule =>
  beside(argument, images, `a tensor with one element per channel of ${images}`, (t, like) => like.dim() >= 2 && t.numel() === like.shape[1]);
export const ofDtype = (argument: string, dtype: DType): Rule => tensor(argument, `a tensor of dtype ${dtype}`, (t) => t.dtype === dtype);
/** Sizes are numbers, or the names of integer arguments. */
export const shaped = (argument: string, sizes: readonly (number | string)[]): Rule =>
  tensor(argument, `a tensor of shape [${sizes.join(", ")}]`, (t, all) => {
    return t.dim() === sizes.length && sizes.every((size, i) => t.shape[i] === Number(typeof size === "string" ? all(size) : size));
  });
/** A gradient for each row that was looked up. */
export const rowPerIndex = (argument: string, indices: string): Rule =>
  beside(argument, indices, `a tensor with the shape of ${indices} and one dimension more`, (t, like) => String(t.shape.slice(0, -1)) === String(like.shape) && t.dim() > 0);
/** The size of a dimension that counts from the end: of a tensor, a list of sizes, or one number for all. */
function sizeFromEnd(of: unknown, fromEnd: number): number {
  const sizes = of instanceof Tensor ? of.shape : listOf(of);
  return Number(sizes === null || sizes.length === 1 ? (sizes?.[0] ?? of) : sizes.at(-fromEnd));
}
/**
 * A scale that leads from the input's size at least to the output's, by less than `slack` short of it: of places beyond the input
 * kernels read as well. What is not positive stands for the sizes' own ratio.
 */
export const scaleFits = (argument: string, input: string, output: string, fromEnd: number, slack: number): Rule => ({
  argument,
  what: `what leads from ${input}'s size to ${output}'s`,
  holds(scale, all) {
    if (!((scale as number) > 0) || isNothing(all(output)) || all("align_corners") === true) return true;
    const [reached, wanted] = [sizeFromEnd(all(input), fromEnd) * (scale as number), sizeFromEnd(all(output), fromEnd)];
    return reached > wanted - slack && reached >= 0.5;
  },
});
const imageScales = (input: string, slack: number): Rule[] =>
  [2, 1].map((fromEnd) => scaleFits(fromEnd === 2 ? "scales_h" : "scales_w", input, "output_size", fromEnd, slack));
/** The two scales of an image, resized with antialiasing. */
export const antialiased = (input: string): Rule[] => imageScales(input, 1);
/** The two scales of a quantized image. */
export const quantizedScales = (input: string, deep: boolean): Rule[] =>
  [...imageScales(input, 0.01), ...(deep ? [scaleFits("scales_d", input, "output_size", 3, 0.01)] : [])].map((rule) => ofQuantized(input, rule));
export const perChannels = (...names: string[]): Rule[] => names.map((name) => perChannel(name, "input"));
const zeros = 'another layout than "mkldnn", or float32';
/** A layout for zeros: oneDNN writes as many float32 as there are elements, whatever their dtype. */
export const layoutOfZeros = (argument: string, dtypeOf: (all: Values) => unknown): Rule => ({
  argument,
  what: zeros,
  holds(layout, all) {
    const self = all("self");
    return (layout ?? (self instanceof Tensor ? self.layout : null)) !== "mkldnn" || (dtypeOf(all) ?? "float32") === "float32";
  },
});
/** A tensor that zeros are written into. */
export const takesZeros = (argument: string): Rule => tensor(argument, zeros, (t) => t.itemSize >= 4 || t.layout !== "mkldnn");
export const prod = (numbers: readonly (number | bigint)[]): number => numbers.reduce((product: number, each) => product * Number(each), 1);
/** As many elements as another has in its last dimension. */
export const perLast = (argument: string, other: string): Rule =>
  beside(argument, other, `a tensor with one element per element of ${other}'s last dimension`, (t, like) => t.dim() === 1 && t.shape[0] === like.shape.at(-1));
/** A convolution's weight, whose last sizes are those of `kernel_size`. */
export const kernelOf = (argument: string, sliding: number): Rule =>
  tensor(argument, `a tensor of ${sliding + 2} dimensions, the last ${sliding} of the sizes kernel_size`, (t, all) => {
    const kernel = all("kernel_size");
    return t.dim() === sliding + 2 && t.shape.slice(-sliding).every((size, i) => size === sizeFromEnd(kernel, sliding - i));
  });

// Attention. Nested tensors have no shape: for them LibTorch checks more.
function shapeOf(t: unknown): readonly number[] | null {
  try {
    return t instanceof Tensor ? t.shape : null;
  } catch {
    return null;
  }
}
/** As many values as keys. */
export const valuesOf = (keys: string): Rule =>
  tensor("value", `a tensor with as many places as ${keys}`, (value, all) => {
    const [ours, theirs] = [shapeOf(value), shapeOf(all(keys))];
    return ours === null || theirs === null || ours.length < 2 || theirs.length < 2 || ours.at(-2) === theirs.at(-2);
  });
/** Where heads are shared, there are some. */
export const headsOf = (...names: string[]): Rule[] =>
  names.map((name) => tensor(name, "a tensor with at least one head", (t, all) => all("enable_gqa") !== true || shapeOf(t)?.at(-3) !== 0));
/** The batch and the heads of the queries; of keys also their width. */
export const sameHeads = (argument: string): Rule =>
  beside(argument, "query", "a tensor with the batch and the heads of query", (t, query) => {
    return t.dim() === query.dim() && String(t.shape.slice(0, -2)) === String(query.shape.slice(0, -2)) && (argument !== "key" || t.shape.at(-1) === query.shape.at(-1));
  });

// Lists of fused optimizers, whose kernels run over raw memory.
function isDense(t: Tensor): boolean {
  if (t.layout !== "strided") return false;
  const strides = t.stride();
  return t.numel() === 0 || t.shape.reduce((last, size, i) => last + (size - 1) * strides[i]!, 1) === t.numel();
}
/** For each tensor of another list one of its shape, without gaps. Empty where it isn't needed. */
export const forEach = (argument: string, other: string, needed: (all: Values) => boolean = () => true): Rule =>
  array(argument, `for each tensor of ${other} one of its shape, without gaps`, (list, all) => {
    const like = all(other) as readonly Tensor[];
    if (list.length === 0 && !needed(all)) return true;
    return list.length === like.length && (list as Tensor[]).every((t, i) => String(t.shape) === String(like[i]!.shape) && isDense(t));
  });
export const elementsForEach = (argument: string, other: string): Rule =>
  array(argument, `for each tensor of ${other} one that is not empty`, (list, all) => {
    return list.length === (all(other) as readonly Tensor[]).length && (list as Tensor[]).every((t) => t.numel() > 0);
  });
