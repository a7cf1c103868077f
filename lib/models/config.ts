import { checkKeys, expected } from "../errors.js";
import { kind, read } from "../nn/arguments.js";
import type { Argument, Named, Signature, Values } from "../nn/arguments.js";
import type { Config } from "./pretrained-model.js";

// A model's configuration: given in code in camelCase, or as Hugging Face's config.json holds it.

/** What a `config.json` holds: `model_type`, and the architecture's fields in snake_case beside many that say nothing of it. */
export type ConfigFile = Config & { readonly model_type: string };

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

/** A configuration in both its forms. */
export interface ReadConfig<Options> {
  /** In camelCase, complete and checked. */
  options: Options;
  /** What `config.json` is to hold. */
  file: ConfigFile;
}

/**
 * Reads a configuration, with Hugging Face's defaults for what is left out.
 *
 * An object with a `model_type` is taken for a `config.json`: its keys are in snake_case, and those that the model does not
 * have are passed over, as these files hold much else. Any other object was written by hand: its keys are in camelCase, and
 * one that is unknown is refused.
 *
 * @param owner the model, for messages: "models.BertModel"
 * @param modelType Hugging Face's name of the architecture: "bert"
 * @throws SteppeError `ARGUMENT` for a wrong value, and for an unknown option in code, with the nearest known one
 */
export function readConfig<S extends Signature>(owner: string, modelType: string, fields: S, given: unknown): ReadConfig<Values<S>> {
  const name = `the configuration of ${owner}`;
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw expected("an object", name, given);
  const fromFile = "model_type" in given;
  const values: Record<string, unknown> = fromFile ? camelCased(given as ConfigFile, fields) : { ...given };
  checkKeys(values, Object.keys(fields), name);
  const named = values.id2label;
  if (named !== null && named !== undefined && values.numLabels === undefined) values.numLabels = Object.keys(named).length;
  const options = labelled(read(name, fields, [values]));
  return { options, file: fromFile ? corrected(given as ConfigFile, options) : toFile(modelType, options) };
}

/** With a name for each label, Hugging Face's where there is none. */
function labelled<Options extends object>(options: Options & { numLabels?: number; id2label?: Readonly<Record<string, string>> | null }): Options {
  const { numLabels, id2label } = options;
  if (numLabels === undefined || (id2label && Object.keys(id2label).length === numLabels)) return options;
  return { ...options, id2label: Object.fromEntries(Array.from({ length: numLabels }, (_, i) => [i, `LABEL_${i}`])) };
}

/** A file that says how many labels there are, other than it has names: with as many names. */
function corrected(file: ConfigFile, options: { numLabels?: number; id2label?: unknown }): ConfigFile {
  const { num_labels, ...others } = file;
  return num_labels === undefined || options.numLabels === undefined ? file : ({ ...others, ...labelEntries(options.id2label as object) } as ConfigFile);
}

function camelCased(file: ConfigFile, fields: Signature): Record<string, unknown> {
  const entries = Object.entries(file).map(([key, value]): [string, unknown] => [camelCase(key), value]);
  return Object.fromEntries(entries.filter(([key]) => Object.hasOwn(fields, key)));
}

/** `num_hidden_layers` as `numHiddenLayers`. */
function camelCase(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Options as a `config.json` holds them: the number of labels shows in their names alone there. */
function toFile(modelType: string, { numLabels: _, id2label, ...options }: Record<string, unknown>): ConfigFile {
  const entries = Object.entries(options).map(([key, value]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value]);
  return { model_type: modelType, ...Object.fromEntries(entries), ...(id2label ? labelEntries(id2label) : {}) };
}

function labelEntries(id2label: object): Config {
  return { id2label, label2id: Object.fromEntries(Object.entries(id2label).map(([i, label]) => [label, Number(i)])) };
}
