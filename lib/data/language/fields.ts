import { SteppeError, describe } from "../../errors.js";

/** The labels of a test set that its publisher keeps back. */
export const unlabelled = -1;

/** The fields of one row or object of a file, each checked when it is read. */
export class Fields {
  /**
   * @param values by column
   * @param where "row 5 of train.tsv", as errors name it
   */
  constructor(
    readonly values: Readonly<Record<string, unknown>>,
    readonly where: string,
  ) {}

  /** @throws SteppeError `FORMAT` */
  static of(value: unknown, where: string): Fields {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new SteppeError("FORMAT", `Expected an object as ${where} but received ${describe(value)}.`);
    return new Fields(value as Record<string, unknown>, where);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.values, name) && this.values[name] !== null;
  }

  /** The error for a field that is something else than expected. */
  wrong(what: string, name: string, received = this.values[name]): SteppeError {
    if (!Object.hasOwn(this.values, name)) return new SteppeError("FORMAT", `Expected the column ${JSON.stringify(name)} in ${this.where} but received ${Object.keys(this.values).join(", ")}.`);
    return new SteppeError("FORMAT", `Expected ${what} in the column ${JSON.stringify(name)} of ${this.where} but received ${describe(received)}.`);
  }

  text(name: string): string {
    const value = this.values[name];
    if (typeof value !== "string") throw this.wrong("a string", name);
    return value;
  }

  /** A number, or what reads as one. */
  number(name: string): number {
    const value = this.values[name];
    const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    if (typeof number !== "number" || !Number.isFinite(number)) throw this.wrong("a number", name);
    return number;
  }

  /** An integer of at least `least`, or what reads as one. */
  integer(name: string, least = 0): number {
    const number = this.number(name);
    if (!Number.isSafeInteger(number) || number < least) throw this.wrong(`an integer of at least ${least}`, name);
    return number;
  }

  list(name: string): readonly unknown[] {
    const value = this.values[name];
    if (!Array.isArray(value)) throw this.wrong("a list", name);
    return value;
  }

  texts(name: string): string[] {
    const values = this.list(name);
    const wrong = values.find((value) => typeof value !== "string");
    if (wrong !== undefined) throw this.wrong("a list of strings", name, wrong);
    return [...values] as string[];
  }

  integers(name: string): number[] {
    const values = this.list(name);
    const wrong = values.find((value) => !Number.isSafeInteger(value));
    if (wrong !== undefined) throw this.wrong("a list of integers", name, wrong);
    return [...values] as number[];
  }

  object(name: string): Fields {
    const value = this.values[name];
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.wrong("an object", name);
    return new Fields(value as Record<string, unknown>, `${name} of ${this.where}`);
  }

  /** A list of objects. */
  objects(name: string): Fields[] {
    return this.list(name).map((value, i) => Fields.of(value, `${name}[${i}] of ${this.where}`));
  }

  /**
   * A class: its name, its number, or for two classes a truth value.
   *
   * @param mayLack whether the set may have no labels: then a missing one and -1 are {@link unlabelled}
   */
  label(name: string, names: readonly string[], mayLack: boolean): number {
    const value = this.values[name];
    if (mayLack && (value === undefined || value === null || Number(value) === unlabelled)) return unlabelled;
    const number = typeof value === "boolean" ? Number(value) : typeof value === "string" ? (names.includes(value) ? names.indexOf(value) : /^\d$/.test(value) ? Number(value) : NaN) : value;
    if (typeof number !== "number" || !(number in names)) throw this.wrong(`one of ${names.join(", ")}, or 0 to ${names.length - 1}`, name);
    return number;
  }
}

/**
 * Where a place in a text is in JavaScript. Publishers count code points, as Python does; outside the Basic Multilingual Plane a
 * code point is two units of a JavaScript string.
 */
export function unitsOf(text: string, codePoints: number): number {
  if (!/[\ud800-\udbff]/.test(text.slice(0, codePoints))) return codePoints;
  let at = 0;
  for (let i = 0; i < codePoints && at < text.length; i++) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return at;
}
