/** Conditions on the arguments of operators, of which guards.ts is made. */
import { noGrad } from "./autograd.js";
import { SteppeError } from "./errors.js";
import { scope } from "./scope.js";
import { Tensor } from "./tensor.js";
import type { DType } from "./types.js";

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
const beside = (argument: string, other: string, what: string, test: (tensor: Tensor, other: Tensor) => boolean): Rule =>
  tensor(argument, what, (value, all) => {
    const like = all(other);
    return !(like instanceof Tensor) || test(value, like);
  });

const array = (argument: string, what: string, test: (array: readonly unknown[], all: Values) => boolean): Rule => ({
  argument,
  what,
  holds: (value, all) => !Array.isArray(value) || test(value, all),
});

// Arrays.
export const notEmpty = (argument: string): Rule => array(argument, "at least one tensor", ({ length }) => length > 0);
export const length = (argument: string, count: number): Rule => array(argument, `an array of ${count}`, ({ length }) => length === count);
export const asLongAs = (argument: string, other: string): Rule =>
  array(argument, `an array as long as ${other}`, ({ length }, all) => length === (all(other) as readonly unknown[]).length);
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
export const wholeStep = (argument: string, dtype: string): Rule => ({
  argument,
  what: "a whole number for an integer dtype",
  holds: (value, all) => typeof value !== "number" || Number.isInteger(value) || !/^u?int|^bool/.test(String(all(dtype) ?? "")),
});
export const isTrue = (argument: string): Rule => ({ argument, what: "true", holds: (value) => value !== false });

// Tensors.
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
    return t.dim() === like.dim() && String(t.shape.slice(0, -sliding)) === String(like.shape.slice(0, -sliding));
  });
/** Whether it is true of a tensor's values, where they can be read: not on "meta", and not while a program is recorded. */
function seen(of: Tensor, truth: () => Tensor): boolean {
  if (of.device === "meta") return true;
  try {
    return noGrad(() => scope(() => truth().item())) === true;
  } catch (error) {
    if (error instanceof SteppeError && (error.code === "RECORD" || error.code === "OPERATOR")) return true;
    throw error;
  }
}
export const finite = (argument: string): Rule => tensor(argument, "a tensor of finite numbers", (t) => seen(t, () => t.isfinite().all()));
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
export const indicesBelow = (argument: string, limit: string): Rule =>
  tensor(argument, `a tensor of integers from 0 to ${limit} − 1`, (t, all) => {
    return t.numel() === 0 || seen(t, () => t.ge(0).logicalAnd(t.lt(all(limit) as number)).all());
  });
/** A scale that leads from the input's size to the output's, in the dimension that counts from the end. */
export const scaleFits = (argument: string, input: string, output: string, fromEnd: number): Rule => ({
  argument,
  what: `what leads from ${input}'s size to ${output}'s`,
  holds(scale, all) {
    const [from, to] = [all(input), all(output)];
    const sizes = from instanceof Tensor ? from.shape : (from as readonly number[]);
    if (isNothing(scale) || !Array.isArray(to)) return true;
    return Math.abs(Number(sizes.at(-fromEnd)) * (scale as number) - Number((to as number[]).at(-fromEnd))) <= 1;
  },
});
