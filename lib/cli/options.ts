import { InvalidArgumentError } from "commander";
import { suggest } from "../errors.js";

// How the command's options are read. What is wrong is said with the option's name.

export const integerOf = (least: number) => (text: string): number => {
  const value = /^-?\d+$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value) || value < least) throw new InvalidArgumentError(`Expected an integer of at least ${least}.`);
  return value;
};

export function positiveNumber(text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError("Expected a positive number.");
  return value;
}

export const oneOf = <T extends string>(words: readonly T[]) => (text: string): T => {
  const word = words.find((candidate) => candidate === text);
  if (word === undefined) throw new InvalidArgumentError(`Expected one of ${words.join(", ")} but received ${JSON.stringify(text)}.${suggest(text, words)}`);
  return word;
};

export function integersOf(text: string): number[] {
  const values = text.split(",").map((part) => (/^\s*-?\d+\s*$/.test(part) ? Number(part) : NaN));
  if (values.some((value) => !Number.isSafeInteger(value))) throw new InvalidArgumentError("Expected integers with commas between.");
  return values;
}

export function wordsOf(text: string): string[] {
  const words = text.split(",").map((word) => word.trim());
  if (words.some((word) => word === "") || new Set(words).size !== words.length) throw new InvalidArgumentError("Expected different words with commas between.");
  return words;
}

/** Options that can be given several times. */
export const collected = (text: string, before: string[] = []): string[] => [...before, text];

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** 1437 → "1,437" */
export const thousands = (value: number): string => value.toLocaleString("en");

/** 0.91234 → "0.9123", 1e-9 → "1.000e-9" */
export const short = (value: number): string => (Number.isInteger(value) ? String(value) : Math.abs(value) >= 1e-3 && Math.abs(value) < 1e4 ? value.toFixed(4) : value.toExponential(3));
