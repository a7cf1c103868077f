import { z } from "zod";
import { SteppeError, suggest } from "../errors.js";
import { hinted, shown } from "./wording.js";
import { modelNames } from "./models.js";

// The shape of a configuration, for its check and for editors. The optimizer and models check their own options.

const positive = z.int({ error: "expected a positive integer" }).min(1, { error: "expected a positive integer" });
const seed = z.int({ error: "expected an integer" });
const share = z.number().min(0).max(1);
const path = z.string().min(1);

/** An object without other keys. */
const object = <Shape extends z.ZodRawShape>(shape: Shape) => z.strictObject(shape);

const parts = {
  validationShare: share.optional().describe("Share of the training data that is split off for validation. Default 0: validation looks at the test data."),
  fraction: share.optional().describe("Share of the training data of each class that is trained on; default 1."),
  labelNoise: share.optional().describe("Share of the training labels that are made wrong; default 0."),
  seed: seed.optional().describe("Decides what is split off, what stays, and which labels are wrong; default 0."),
};

const augment = z.discriminatedUnion("name", [
  object({ name: z.literal("randomHorizontalFlip"), p: share.optional() }),
  object({ name: z.literal("randomCrop"), padding: z.int().min(0).optional(), size: positive.optional() }),
  object({ name: z.literal("cutout"), size: positive }),
  object({ name: z.literal("randomErasing"), p: share.optional(), value: z.number().optional() }),
  object({ name: z.enum(["mixup", "cutmix"]), alpha: z.number().positive().optional() }),
]);

const images = {
  normalize: object({ mean: z.array(z.number()), std: z.array(z.number().positive()) }).optional().describe("(x − mean)/std by channel."),
  augment: z.array(augment).optional().describe("What is drawn anew for each training batch, in this order."),
};

const files = { train: path, validation: path.optional(), test: path.optional() };

const data = z.discriminatedUnion("name", [
  object({ name: z.literal("digits"), ...parts, ...images }),
  object({ name: z.enum(["mnist", "fashion-mnist", "kmnist", "cifar-10", "cifar-100"]), root: path.optional(), download: z.boolean().optional(), ...parts, ...images }),
  object({
    name: z.literal("image-folder"),
    ...files,
    size: z.union([positive, z.tuple([positive, positive])]).describe("Height and width that images are brought to."),
    channels: z.union([z.literal(1), z.literal(3)]).optional(),
    fit: z.enum(["cover", "fill", "contain"]).optional(),
    ...parts,
    ...images,
  }),
  object({ name: z.literal("safetensors"), ...files, inputs: z.string().optional(), targets: z.string().optional(), ...parts, ...images }),
  object({
    name: z.literal("text"),
    ...files,
    tokenizer: path.describe("The folder of tokenizer.json."),
    text: z.string().optional().describe('The column of the text; default "text".'),
    pair: z.string().optional().describe("The column of the second text of a pair."),
    label: z.string().optional().describe('The column of the class; default "label".'),
    columns: z.array(z.string()).optional(),
    maxLength: positive.optional(),
    padToMultipleOf: positive.optional(),
    ...parts,
  }),
  object({ name: z.literal("language"), ...files, tokenizer: path.optional(), length: z.int().min(2).optional(), validationShare: share.optional() }),
]);

const model = z
  .looseObject({ name: z.enum(modelNames as [string, ...string[]]).optional(), from: path.optional() })
  .refine(({ name, from }) => name !== undefined || from !== undefined, { error: "expected the name of a model, or the folder that it is read from" })
  .describe("A model of `models` by its name there, with its options; or `from`: the folder of a pretrained one.");

const lossName = z.enum(["crossEntropy", "mse", "l1", "binaryCrossEntropy", "model"]);
const metricName = z.enum(["accuracy", "f1", "matthews", "calibrationError", "perplexity", "pearson", "spearman"]);

const fn = z.custom<(...args: never[]) => unknown>((value) => typeof value === "function", { error: "expected a function" });
/** Something that a TypeScript configuration may give as a function. */
const orFunction = <Schema extends z.ZodType>(schema: Schema) => z.union([schema, fn]);

const every = z.union([z.literal("epoch"), positive]);
const watched = { metric: z.string().optional(), mode: z.enum(["min", "max"]).optional() };

export const schema = object({
  $schema: z.string().optional(),
  name: z.string().regex(/^[\w .=+-]+$/, { error: "expected a name that may be that of a folder" }).optional().describe("What the run is called; default the file's name."),
  data: orFunction(data).describe("The data: by name, or a function of a TypeScript configuration."),
  model: orFunction(model),
  loss: z.union([lossName, object({ name: lossName, labelSmoothing: share.optional() }), fn]).optional().describe("Default: cross entropy for classes, mean squared error for numbers, the model's own for language models."),
  predict: fn.optional(),
  targets: fn.optional(),
  optimizer: z.record(z.string(), z.unknown()).describe("As optim.create takes it. A schedule's totalSteps may be left out: it ends with the run."),
  average: z.record(z.string(), z.unknown()).optional().describe('A running average of the weights: { "kind": "ema", "decay": 0.999 } or { "kind": "swa" }.'),
  epochs: positive.optional().describe("Passes through the training data. Either this or steps."),
  steps: positive.optional().describe("Steps of the optimizer. Either this or epochs."),
  batchSize: positive.optional().describe("Default 64."),
  evaluationBatchSize: positive.optional().describe("Default four times batchSize."),
  dropLast: z.boolean().optional().describe("Leaves out a last training batch that would be smaller; default true."),
  seed: seed.optional().describe("Initial weights, the order of the data, what transforms and dropout draw; default 0."),
  device: z.string().regex(/^(cpu|cuda(:\d+)?|mps)$/, { error: 'expected a device such as "cpu" or "cuda:0"' }).optional().describe('Default "cpu".'),
  threads: positive.optional().describe("Threads of LibTorch; default: its own choice."),
  autocast: z
    .union([z.boolean(), object({ device: z.enum(["cpu", "cuda"]).optional(), dtype: z.enum(["bfloat16", "float16"]).optional(), enabled: z.boolean().optional() })])
    .optional()
    .describe("Mixed precision: true for bfloat16."),
  metrics: z
    .union([z.array(z.union([metricName, z.looseObject({ name: metricName, as: z.string().optional() })])), z.record(z.string(), fn)])
    .optional()
    .describe('Default ["accuracy"] for classes, ["perplexity"] for language, else none.'),
  validateEvery: every.optional().describe('"epoch", or every so many steps; default "epoch".'),
  logEvery: positive.optional().describe("A line about a step every so many steps; default 10."),
  earlyStopping: object({ ...watched, patience: positive, minDelta: z.number().min(0).optional() }).optional(),
  checkpoints: object({ every: every.optional(), keepLast: positive.optional(), keepBest: object(watched).nullable().optional() }).optional(),
  callbacks: z.array(z.custom<object>((value) => typeof value === "object" && value !== null, { error: "expected an object of hooks" })).optional(),
  folder: path.optional().describe("The run's folder; default runs/NAME."),
  compare: object({
    methods: z.record(z.string().regex(/^[^/\\]+$/), z.looseObject({ tune: z.record(z.string(), z.array(z.unknown()).min(1)).optional().describe("Lists of values by their paths, such as base.lr: the best combination is compared.") })),
    seeds: z.array(seed).min(1).optional(),
    baseline: z.string().optional(),
    metric: z.string().optional(),
    choose: z.enum(["last", "best"]).optional(),
    on: z.enum(["validation", "test"]).optional(),
    tuneSeed: seed.optional(),
  })
    .optional()
    .describe("Methods side by side, for steppe compare: options of the optimizer by the names that the table shows."),
});

/** A configuration in which every key has the right type. */
export type Checked = z.infer<typeof schema>;

/**
 * Checks the shape of a configuration.
 *
 * @returns a line for each thing that is wrong: the path of its key, what was expected and what came
 */
export function shapeProblems(config: unknown): string[] {
  const result = schema.safeParse(config);
  return result.success ? [] : result.error.issues.flatMap((issue) => linesOf(issue as Issue, config, []));
}

/** The error for a configuration: a line for each thing that is wrong. */
export function wrongConfig(source: string, lines: readonly string[]): SteppeError {
  const count = lines.length === 1 ? "one place" : `${lines.length} places`;
  return new SteppeError("ARGUMENT", `The configuration ${source} is wrong in ${count}:\n${lines.map((line) => `  ${line}`).join("\n")}`);
}

type Issue = z.core.$ZodIssue;

function linesOf(issue: Issue, config: unknown, before: readonly PropertyKey[]): string[] {
  const place = [...before, ...issue.path];
  const received = valueAt(config, place);
  const name = nameOf(place);
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(place, config);
    return issue.keys.map((key) => `${nameOf([...place, key])}: there is no such key.${suggest(key, known) || (known.length > 0 ? ` Known here: ${known.join(", ")}.` : "")}`);
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // The alternative that the value was meant to be: one that does not fail at once.
    const inner = issue.errors.filter((errors) => !(errors.length === 1 && errors[0]!.path.length === 0 && /^(invalid_type|custom|invalid_value)$/.test(errors[0]!.code)));
    if (inner.length === 1) return inner[0]!.flatMap((error) => linesOf(error, config, place));
    const options = issue.errors.flatMap((errors) => errors.slice(0, 1).map((error) => expectation(error))).filter((text) => text !== "a function");
    if (received === undefined) return [`${name}: missing; expected ${options.join(", or ")}`];
    return [hinted(`${name}: expected ${options.join(", or ")}, received ${shown(received)}`, hint(issue.errors.flat(), received))];
  }
  if (received === undefined) return [`${name}: missing; expected ${expectation(issue)}`];
  return [hinted(`${name}: expected ${expectation(issue)}, received ${shown(received)}`, hint([issue], received))];
}

/** What an issue says was expected, in the library's words. */
function expectation(issue: Issue): string {
  if (issue.message.startsWith("expected ")) return issue.message.slice("expected ".length);
  switch (issue.code) {
    case "invalid_type":
      return { int: "an integer", number: "a number", string: "a string", boolean: "true or false", object: "an object", array: "an array", record: "an object" }[issue.expected as string] ?? `a ${issue.expected}`;
    case "too_small":
      if (issue.origin === "string") return "a string that is not empty";
      if (issue.origin === "array") return `at least ${issue.minimum} of them`;
      return `a number ${issue.inclusive === false ? "above" : "of at least"} ${issue.minimum}`;
    case "too_big":
      return `a number of at most ${issue.maximum}`;
    case "invalid_value":
      return issue.values.length === 1 ? JSON.stringify(issue.values[0]) : `one of ${issue.values.map(String).join(", ")}`;
    case "invalid_union":
      return issue.discriminator === undefined ? "something else" : `one of ${namesOf(issue.path).join(", ")}`;
    default:
      return issue.message;
  }
}

/** The nearest name to a misspelled one. */
function hint(issues: readonly Issue[], received: unknown): string {
  if (typeof received !== "string") return "";
  const words = issues.flatMap((issue) => (issue.code === "invalid_value" ? issue.values.map(String) : issue.code === "invalid_union" ? namesOf(issue.path) : []));
  return suggest(received, words);
}

/** The names among which a `name` chooses. */
function namesOf(place: readonly PropertyKey[]): string[] {
  const union = place.includes("augment") ? augment : data;
  return union.options.flatMap((option) => [...(option as z.ZodObject<{ name: z.ZodLiteral | z.ZodEnum }>).shape.name._zod.values].map(String));
}

/** The keys of the object at a place, as the schema knows them. */
function knownKeys(place: readonly PropertyKey[], config: unknown): string[] {
  let here: z.core.$ZodType | undefined = schema;
  for (const [i, key] of place.entries()) here = inner(here, key, valueAt(config, place.slice(0, i + 1)));
  return here instanceof z.ZodObject ? Object.keys(here.shape) : [];
}

/** The schema of a key, and of a union the alternative that the value names. */
function inner(type: z.core.$ZodType | undefined, key: PropertyKey, value: unknown): z.core.$ZodType | undefined {
  const at = type instanceof z.ZodObject ? (type.shape as Record<PropertyKey, z.core.$ZodType>)[key] : type instanceof z.ZodArray ? type.element : undefined;
  return unwrapped(at, value);
}

function unwrapped(type: z.core.$ZodType | undefined, value: unknown): z.core.$ZodType | undefined {
  if (type instanceof z.ZodOptional || type instanceof z.ZodNullable) return unwrapped(type.unwrap() as z.core.$ZodType, value);
  if (!(type instanceof z.ZodUnion)) return type;
  const options = type.options as z.core.$ZodType[];
  const name = (value as { name?: unknown } | null)?.name;
  const named = options.find((option) => option instanceof z.ZodObject && (option.shape as { name?: z.core.$ZodType }).name?._zod.values?.has(name as string));
  return named ?? unwrapped(options.find((option) => option instanceof z.ZodObject || option instanceof z.ZodUnion), value);
}

function valueAt(config: unknown, place: readonly PropertyKey[]): unknown {
  return place.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key], config);
}

/** optimizer.base.lr, metrics[0] */
function nameOf(place: readonly PropertyKey[]): string {
  const text = place.map((key) => (typeof key === "number" ? `[${key}]` : /^[A-Za-z_$][\w$]*$/.test(String(key)) ? `.${String(key)}` : `[${JSON.stringify(String(key))}]`)).join("");
  return text === "" ? "the whole" : text.replace(/^\./, "");
}
