import { describe } from "../errors.js";

// How the check of a configuration says what is wrong: "batchSize: expected a positive integer, received "64"".

/** A value as it stands in a configuration. */
export function shown(value: unknown): string {
  return briefly(describe(value));
}

/** What the library's errors say of a value, without the type that shows anyway. */
export function briefly(received: string): string {
  return received.replace(/ of type (string|number|boolean)$/, "");
}

/** A line with the nearest known name after it. */
export function hinted(line: string, hint: string): string {
  return hint === "" ? line : `${line}.${hint}`;
}
