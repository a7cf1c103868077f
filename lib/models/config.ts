import { checkKeys, expected } from "../errors.js";
import { kind, read } from "../nn/arguments.js";
import type { Argument, Named, Signature, Values } from "../nn/arguments.js";

// A model's configuration: given in code in camelCase, or as Hugging Face's config.json holds it.

/** What a `config.json` holds: `model_type`, and the architecture's fields in snake_case beside many that say nothing of it. */
export interface ConfigFile {
  model_type: string;
  [key: string]: unknown;
}

/** What a model's constructor takes: its options in camelCase, all of which have defaults, or the content of a `config.json`. */
export type ConfigInput<S extends Signature> = Partial<Named<S>> | ConfigFile;

/** The same argument, which may also be `null`. */
export function nullable<Out, In>(argument: Argument<Out, In>): Argument<Out | null, In | null, false> {
  return { optional: false, read: (value, name) => (value === null ? null : argument.read(value, name)) };
}

const labels = kind<Readonly<Record<string, string>>>(
  "an object of names by class number",
  (value) => typeof value === "object" && value !== null && Object.values(value).every((label) => typeof label === "string"),
);

/** Fields that every configuration with a classifying head has. */
export const labelFields = {
  /** Number of classes, or of numbers to be predicted. A file's `id2label` tells it, too. */
  numLabels: { optional: true, read: (value, name) => (value === undefined ? 2 : classes.read(value, name)) } as Argument<number, number, true>,
  /** The names of the classes by their numbers. */
  id2label: { optional: true, read: (value, name) => (value === undefined || value === null ? null : labels.read(value, name)) } as Argument<
    Readonly<Record<string, string>> | null,
    Readonly<Record<string, string>> | null,
    true
  >,
};
const classes = kind<number>("a positive integer", (value) => Number.isSafeInteger(value) && (value as number) >= 1);

/**
 * Reads a configuration, with Hugging Face's defaults for what is left out.
 *
 * An object with a `model_type` is taken for a `config.json`: its keys are in snake_case, and those that the model does not
 * have are passed over, as these files hold much else. Any other object was written by hand: its keys are in camelCase, and
 * one that is unknown is refused.
 *
 * @param owner the model, for messages: "models.BertModel"
 * @throws SteppeError `ARGUMENT` for a wrong value, and for an unknown option in code, with the nearest known one
 */
export function readConfig<S extends Signature>(owner: string, fields: S, given: unknown): Values<S> {
  const name = `the configuration of ${owner}`;
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw expected("an object", name, given);
  const values: Record<string, unknown> = "model_type" in given ? fromFile(given as ConfigFile, fields) : { ...given };
  checkKeys(values, Object.keys(fields), name);
  const named = values.id2label;
  if (named !== null && named !== undefined && values.numLabels === undefined) values.numLabels = Object.keys(named).length;
  return read(name, fields, [values]);
}

function fromFile(file: ConfigFile, fields: Signature): Record<string, unknown> {
  const entries = Object.entries(file).map(([key, value]): [string, unknown] => [camelCase(key), value]);
  return Object.fromEntries(entries.filter(([key]) => Object.hasOwn(fields, key)));
}

/** `num_hidden_layers` as `numHiddenLayers`. */
function camelCase(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
