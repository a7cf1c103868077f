import type { NativeArgument } from "./native.js";
import { isDType } from "./dtype.js";
import { describe } from "./errors.js";
import { Generator } from "./random.js";
import { Tensor } from "./tensor.js";

/** Whether a JavaScript value can stand for an argument of a schema. undefined means: take the default. */
export function matches(argument: NativeArgument, value: unknown): boolean {
  if (value === undefined) return argument.hasDefault || argument.optional;
  if (value === null) return argument.optional;
  if (!argument.list) return matchesOne(argument, value);
  if (Array.isArray(value)) {
    if (!fitsSize(argument, value.length)) return false;
    for (const element of value as unknown[]) {
      if (element === null || element === undefined) {
        if (!argument.optionalElements) return false;
      } else if (!matchesOne(argument, element)) return false;
    }
    return true;
  }
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return (argument.kind === "int" || argument.kind === "float") && fitsSize(argument, (value as unknown as ArrayLike<number>).length);
  }
  return argument.size > 0 && argument.kind !== "Tensor" && matchesOne(argument, value);
}

/** The index of the first element that an array of this kind can't have; −1 if it is another thing that doesn't fit. */
function oddOneOut(argument: NativeArgument, value: unknown): number {
  if (!argument.list || !Array.isArray(value) || !fitsSize(argument, value.length)) return -1;
  return (value as unknown[]).findIndex((element) => {
    return element === null || element === undefined ? !argument.optionalElements : !matchesOne(argument, element);
  });
}

/** Why a value does not match: "Expected an integer for size[1] of aten::ones but received NaN of type number." */
export function mismatch(argument: NativeArgument, name: string, operator: string, value: unknown): string {
  const odd = oddOneOut(argument, value);
  if (odd < 0) return `Expected ${typeName(argument)} for ${name} of ${operator} but received ${describe(value)}.`;
  const one = `${names[argument.kind]}${argument.optionalElements ? " or null" : ""}`;
  return `Expected ${one} for ${name}[${odd}] of ${operator} but received ${describe((value as unknown[])[odd])}.`;
}

/**
 * Where a schema says how many numbers there are, as `int[2]`, one stands for all, and none where the operator has a default.
 * Not every kernel counts them. `int[1]` says that a number may come without brackets.
 */
function fitsSize({ size }: NativeArgument, length: number): boolean {
  return size <= 1 || length <= 1 || length === size;
}

function matchesOne(argument: NativeArgument, value: unknown): boolean {
  switch (argument.kind) {
    case "Tensor":
      return value instanceof Tensor;
    case "int":
      return Number.isInteger(value) || typeof value === "bigint";
    case "float":
      return typeof value === "number";
    case "bool":
      return typeof value === "boolean";
    case "Scalar":
      return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean" || isComplex(value);
    case "ScalarType":
      return typeof value === "string" && isDType(value);
    case "str":
    case "Device":
    case "Layout":
    case "MemoryFormat":
      return typeof value === "string";
    case "Generator":
      return value instanceof Generator;
    case "unsupported":
      return false;
  }
}

/** A complex number: `{ re, im }`. */
export function isComplex(value: unknown): value is { re: number; im: number } {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as { re?: unknown }).re === "number" &&
    typeof (value as { im?: unknown }).im === "number"
  );
}

const names: Record<NativeArgument["kind"], string> = {
  Tensor: "a Tensor",
  int: "an integer",
  float: "a number",
  bool: "a boolean",
  Scalar: "a number, bigint, boolean or {re, im}",
  str: "a string",
  ScalarType: "a dtype",
  Layout: "a layout",
  Device: "a device",
  MemoryFormat: "a memory format",
  Generator: "a Generator",
  unsupported: "a value that JavaScript does not have",
};

/** An argument's type in words, for messages. */
export function typeName(argument: NativeArgument): string {
  const one = names[argument.kind];
  const type = argument.list ? argument.size > 1 ? `an array of ${argument.size} (${one} each)` : `an array (of ${one} each)` : one;
  return argument.optional ? `${type} or null` : type;
}
