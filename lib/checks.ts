import { expected } from "./errors.js";

// Checks of single options. Each returns the value, or throws `ARGUMENT` with the option's name.

/** A whole number of at least `least`. */
export function checkInteger(value: unknown, name: string, least: number): number {
  const what = least === 0 ? "a non-negative integer" : least === 1 ? "a positive integer" : `an integer of at least ${least}`;
  if (!Number.isSafeInteger(value) || (value as number) < least) throw expected(what, name, value);
  return value as number;
}

/** Any whole number. */
export function checkSeed(value: unknown, name = "seed"): number {
  if (!Number.isSafeInteger(value)) throw expected("an integer", name, value);
  return value as number;
}

export function checkFlag(value: unknown, name: string): boolean {
  if (typeof value !== "boolean") throw expected("true or false", name, value);
  return value;
}

/** A share or a probability. */
export function checkShare(value: unknown, name: string): number {
  if (typeof value !== "number" || !(value >= 0 && value <= 1)) throw expected("a number from 0 to 1", name, value);
  return value;
}
