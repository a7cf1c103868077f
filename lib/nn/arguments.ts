import { toDType } from "../dtype.js";
import { checkKeys, expected } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";

// How layers and functions read their arguments: by position, in PyTorch's order, and by name, in a last object.

/** One argument: how to check and complete it, and whether it may be left out. */
export interface Argument<Out, In = Out, Optional extends boolean = boolean> {
  read(value: unknown, name: string): Out;
  readonly optional: Optional;
  /** Never set. Carries the type that callers may pass. */
  readonly accepts?: In;
}

/** The arguments of one layer or function, in their positional order. */
export type Signature = Record<string, Argument<unknown, unknown>>;

/** The checked and completed arguments. */
export type Values<S extends Signature> = { [K in keyof S]: S[K] extends Argument<infer Out, unknown> ? Out : never };

type In<A> = A extends Argument<unknown, infer T> ? T : never;
type Flatten<T> = { [K in keyof T]: T[K] };

/** All arguments by name: those without a default are required. */
export type Named<S extends Signature> = Flatten<
  { [K in keyof S as S[K]["optional"] extends true ? never : K]: In<S[K]> } & {
    [K in keyof S as S[K]["optional"] extends true ? K : never]?: In<S[K]>;
  }
>;

/** Arguments that may be left out: some of `P` by position, the others by name in a last object. */
export type Rest<P extends unknown[], S extends Signature> = P extends [...infer Head, unknown]
  ? [...{ [K in keyof P]: P[K] | undefined }, options?: Partial<Named<S>>] | Rest<Head, S>
  : [options?: Partial<Named<S>>];

/**
 * Reads the arguments of a layer or a function.
 *
 * @param owner whose arguments they are, for messages: "nn.Linear"
 * @param signature the arguments in their positional order
 * @param args what came: arguments by position, then perhaps a plain object that names others
 * @throws SteppeError `ARGUMENT` for a missing, extra, unknown, doubled or wrong argument
 * @example read("nn.Flatten", { startDim: or(integer, 1), endDim: or(integer, -1) }, [{ endDim: 2 }]) // { startDim: 1, endDim: 2 }
 */
export function read<S extends Signature>(owner: string, signature: S, args: readonly unknown[]): Values<S> {
  const names = Object.keys(signature);
  const last = args.at(-1);
  const named: Record<string, unknown> = isPlainObject(last) ? last : {};
  const positional = isPlainObject(last) ? args.slice(0, -1) : args;
  if (positional.length > names.length) {
    const order = names.length === 0 ? "" : `They are ${names.join(", ")}.`;
    throw expected(`at most ${names.length} arguments`, owner, positional, order);
  }
  checkKeys(named, names, `the options of ${owner}`);
  const values: Record<string, unknown> = {};
  names.forEach((name, i) => {
    const given = positional[i];
    if (given !== undefined && named[name] !== undefined) {
      throw expected("one value", `${name} of ${owner}`, [given, named[name]], "It came by position and by name.");
    }
    values[name] = signature[name]!.read(given === undefined ? named[name] : given, `${name} of ${owner}`);
  });
  return values as Values<S>;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

// The kinds of arguments.

/** An argument that is used as it is, if it `fits`. */
export function kind<T>(what: string, fits: (value: unknown) => boolean): Argument<T, T, false> {
  return {
    optional: false,
    read(value, name) {
      if (!fits(value)) throw expected(what, name, value);
      return value as T;
    },
  };
}

export const flag = kind<boolean>("true or false", (value) => typeof value === "boolean");
export const real = kind<number>("a number", (value) => typeof value === "number" && !Number.isNaN(value));
export const integer = kind<number>("an integer", Number.isSafeInteger);
export const size = kind<number>("a non-negative integer", (value) => Number.isSafeInteger(value) && (value as number) >= 0);
export const count = kind<number>("a positive integer", (value) => Number.isSafeInteger(value) && (value as number) >= 1);
export const probability = kind<number>("a probability from 0 to 1", (value) => typeof value === "number" && value >= 0 && value <= 1);
export const device = kind<Device>("a device", (value) => typeof value === "string");
export const tensor = kind<Tensor>("a tensor", (value) => value instanceof Tensor);

/** Arguments that come by position alone. */
export function requireTensors(owner: string, tensors: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(tensors)) tensor.read(value, `${name} of ${owner}`);
}

export const dtype: Argument<DType, DType, false> = { optional: false, read: toDType };

/** One of a few words. */
export function oneOf<const W extends string>(...words: W[]): Argument<W, W, false> {
  return kind<W>(`one of ${words.map((word) => JSON.stringify(word)).join(", ")}`, (value) => words.includes(value as W));
}

/** A number for each of `dims` dimensions, or one for all of them. Read as an array. */
export function perDim(dims: number, least: 0 | 1): Argument<readonly number[], Size, false> {
  const fits = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= least;
  const what = least === 1 ? "a positive integer" : "a non-negative integer";
  return {
    optional: false,
    read(value, name) {
      if (fits(value)) return Array<number>(dims).fill(value as number);
      if (Array.isArray(value) && value.length === dims && value.every(fits)) return [...value];
      throw expected(`${what} or an array of ${dims}`, name, value);
    },
  };
}

/** A number for each dimension, or one for all. */
export type Size = number | readonly number[];
/** What surrounds the input of a convolution: "same" keeps the size at stride 1, "valid" is nothing. */
export type Padding = Size | "same" | "valid";

/** The padding of a convolution. */
export function padding(dims: number): Argument<readonly number[] | "same" | "valid", Padding, false> {
  const word = oneOf("same", "valid");
  const sizes = perDim(dims, 0);
  return { optional: false, read: (value, name) => (typeof value === "string" ? word.read(value, name) : sizes.read(value, name)) };
}

/** At least one size, a single one also without brackets. */
export const shape: Argument<readonly number[], Size, false> = {
  optional: false,
  read(value, name) {
    if (!Array.isArray(value)) return [size.read(value, name)];
    if (value.length === 0) throw expected("at least one dimension", name, value);
    return value.map((length) => size.read(length, name));
  },
};

/** The same argument with a value for when it is left out. */
export function or<Out, In>(argument: Argument<Out, In>, fallback: In): Argument<Out, In, true> {
  return { optional: true, read: (value, name) => argument.read(value === undefined ? fallback : value, name) };
}

/** The same argument, `null` when it is left out. */
export function orNull<Out, In>(argument: Argument<Out, In>): Argument<Out | null, In | null, true> {
  return { optional: true, read: (value, name) => (value === undefined || value === null ? null : argument.read(value, name)) };
}
