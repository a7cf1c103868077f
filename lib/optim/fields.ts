import { SteppeError, describe, suggest } from "../errors.js";

/**
 * One number among the options: its default (none: required, unless optional) and its range. Booleans are numbers here, 0 and 1; so is the
 * place of a word in `choices`; null is NaN.
 */
export interface Field {
  readonly optional?: true;
  readonly default?: number;
  readonly boolean?: true;
  /** Null is allowed. */
  readonly nullable?: true;
  /** One of these instead of a number. */
  readonly choices?: readonly (string | null)[];
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
  if (field.choices !== undefined) return field.choices.map((choice) => JSON.stringify(choice)).join(" or ");
  const bounds = [
    field.min === undefined ? "" : `of at least ${field.min}`,
    field.above === undefined ? "" : `above ${field.above}`,
    field.max === undefined ? "" : `of at most ${field.max}`,
    field.below === undefined ? "" : `below ${field.below}`,
  ].filter((bound) => bound !== "");
  const number = `${field.integer === true ? "an integer" : "a finite number"}${bounds.length === 0 ? "" : ` ${bounds.join(" and ")}`}`;
  return field.nullable === true ? `${number}, or null,` : number;
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
  } else if (field.choices !== undefined) {
    const place = field.choices.indexOf(value as string | null);
    if (place >= 0) return place;
  } else if (field.nullable === true && value === null) {
    return NaN;
  } else if (
    typeof value === "number" &&
    Number.isFinite(value) &&
    (field.integer !== true || Number.isSafeInteger(value)) &&
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
 * A value as `readField` returned it, read back: 0 and 1 for a boolean, NaN (null, once it was JSON) for null.
 *
 * @throws SteppeError `ARGUMENT`, as `readField`
 */
export function readSaved(saved: unknown, field: Field, name: string): number {
  if (field.boolean === true && (saved === 0 || saved === 1)) return saved;
  if (field.choices !== undefined && typeof saved === "number" && field.choices[saved] !== undefined) return saved;
  if (field.nullable === true && Number.isNaN(saved)) return NaN;
  return readField(saved, field, name);
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
    const known = [...others, ...Object.keys(fields)];
    throw new SteppeError("ARGUMENT", `Unknown option ${JSON.stringify(key)} in ${name}.${suggest(key, known)} Known here: ${known.join(", ")}.`);
  }
  const values: Values = {};
  for (const [key, field] of Object.entries(fields)) {
    const value = given[key];
    if (value !== undefined) values[key] = readField(value, field, `${name}.${key}`);
    else if (field.default !== undefined) values[key] = field.default;
    else if (field.optional !== true) throw new SteppeError("ARGUMENT", `Missing option ${name}.${key}: expected ${inWords(field)}.`);
  }
  return values;
}
