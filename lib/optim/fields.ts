import { SteppeError, describe, suggest } from "../errors.js";

/** One number among the options: its default (none: required) and its range. Booleans are numbers here: 0 and 1. */
export interface Field {
  readonly default?: number;
  readonly boolean?: true;
  readonly integer?: true;
  /** Inclusive bounds. */
  readonly min?: number;
  readonly max?: number;
  /** Exclusive bounds. */
  readonly above?: number;
  readonly below?: number;
}

export type Fields = Readonly<Record<string, Field>>;
export type Values = Record<string, number>;

/** A field's range in words: "an integer of at least 1". */
function inWords(field: Field): string {
  if (field.boolean === true) return "a boolean";
  const bounds = [
    field.min === undefined ? "" : `of at least ${field.min}`,
    field.above === undefined ? "" : `above ${field.above}`,
    field.max === undefined ? "" : `of at most ${field.max}`,
    field.below === undefined ? "" : `below ${field.below}`,
  ].filter((bound) => bound !== "");
  return `${field.integer === true ? "an integer" : "a finite number"}${bounds.length === 0 ? "" : ` ${bounds.join(" and ")}`}`;
}

/**
 * Checks one value.
 *
 * @returns it as a number
 * @throws SteppeError `ARGUMENT` if it is of another type or out of range
 */
export function readField(value: unknown, field: Field, name: string): number {
  if (field.boolean === true) {
    if (typeof value === "boolean") return value ? 1 : 0;
  } else if (
    typeof value === "number" &&
    Number.isFinite(value) &&
    (field.integer !== true || Number.isInteger(value)) &&
    value >= (field.min ?? -Infinity) &&
    value <= (field.max ?? Infinity) &&
    value > (field.above ?? -Infinity) &&
    value < (field.below ?? Infinity)
  ) {
    return value;
  }
  throw new SteppeError("ARGUMENT", `Expected ${inWords(field)} for ${name} but received ${describe(value)}.`);
}

/**
 * Checks an object of numbers against its fields and fills in defaults.
 *
 * @param name what the object is called in messages
 * @param others keys that are known, too, to be suggested for misspelled ones
 */
export function readFields(given: Record<string, unknown>, fields: Fields, name: string, others: readonly string[] = []): Values {
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(fields, key)) continue;
    const known = [...Object.keys(fields), ...others];
    throw new SteppeError("ARGUMENT", `Unknown option ${JSON.stringify(key)} in ${name}.${suggest(key, known)} Known here: ${known.join(", ")}.`);
  }
  const values: Values = {};
  for (const [key, field] of Object.entries(fields)) {
    const value = given[key];
    if (value !== undefined) values[key] = readField(value, field, `${name}.${key}`);
    else if (field.default !== undefined) values[key] = field.default;
    else throw new SteppeError("ARGUMENT", `Missing option ${name}.${key}: expected ${inWords(field)}.`);
  }
  return values;
}
