import { checkInteger } from "../../checks.js";
import { checkKeys, expected } from "../../errors.js";
import { torch } from "../../torch.js";
import type { Tensor } from "../../tensor.js";
import type { EncodeOptions } from "../text/encoding.js";
import { Tokenizer } from "../text/tokenizer.js";
import type { TokenBatch } from "../text/tokenizer.js";
import { unlabelled } from "./fields.js";
import type { GlueExamples, GlueTask } from "./glue.js";
import type { SuperGlueExamples } from "./super-glue.js";
import { checkExamples, meantTask } from "./text-to-text.js";
import type { TextToTextPair, TextTaskExample } from "./text-to-text.js";

/** The sets whose examples an encoder classifies. */
export type ClassifierTask = `glue/${GlueTask}` | "superglue/boolq" | "superglue/cb" | "superglue/copa" | "superglue/multirc" | "superglue/rte";

/** What a model with a head takes. */
export interface ClassifierBatch extends TokenBatch {
  /** int64 [batch]; of STS-B float32 [batch]. Not there where the examples have no labels. */
  labels?: Tensor;
}

type Text = string | readonly [text: string, pair: string];

/** The texts of an example: one, or a pair. */
const texts: { [Name in Exclude<ClassifierTask, "superglue/copa">]: (example: TextTaskExample<Name>) => Text } = {
  "glue/cola": ({ sentence }) => sentence,
  "glue/sst2": ({ sentence }) => sentence,
  "glue/mrpc": sentences,
  "glue/qqp": ({ question1, question2 }) => [question1, question2],
  "glue/stsb": sentences,
  "glue/mnli": inference,
  "glue/qnli": ({ question, sentence }) => [question, sentence],
  "glue/rte": sentences,
  "glue/wnli": sentences,
  "superglue/boolq": ({ question, passage }) => [question, passage],
  "superglue/cb": inference,
  "superglue/multirc": ({ paragraph, question, answer }) => [paragraph, `${question} ${answer}`],
  "superglue/rte": inference,
};

function sentences({ sentence1, sentence2 }: GlueExamples["mrpc"]): Text {
  return [sentence1, sentence2];
}
function inference({ premise, hypothesis }: { premise: string; hypothesis: string }): Text {
  return [premise, hypothesis];
}

const asks: Record<string, string> = { cause: "What was the cause of this?", effect: "What happened as a result?" };
const choices = ({ premise, question, choice1, choice2 }: SuperGlueExamples["copa"]): Text[] => [choice1, choice2].map((choice) => [`${premise} ${asks[question] ?? question}`, choice]);

function checkTokenizer(tokenizer: unknown): asserts tokenizer is Tokenizer {
  if (!(tokenizer instanceof Tokenizer)) throw expected("a Tokenizer", "tokenizer", tokenizer);
}

/** How long texts may be, where neither the options nor the tokenizer's files say: nothing is cut off. */
function withTruncation(tokenizer: Tokenizer, options: EncodeOptions): EncodeOptions {
  return options.truncation === undefined && (options.maxLength ?? tokenizer.maxLength) !== null ? { ...options, truncation: true } : options;
}

/**
 * Makes batches of a set's examples for an encoder that classifies, as a loader's `collate`: sentences alone or in pairs, in the
 * order in which BERT was fine-tuned on them. Of COPA both choices: [batch, 2, length], for a head of multiple choice.
 *
 * @param name as in the `TaskSet`: "glue/mnli", "superglue/boolq" …; words in context, the Winograd schemas and ReCoRD have a
 * text-to-text form only
 * @param options as for `tokenizer.batch`; texts are cut to what the tokenizer's files, or `maxLength`, allow
 * @throws SteppeError `ARGUMENT` for another name, wrong options and examples of another set
 * @example
 * const batches = data.loader(examples, { batchSize: 32, shuffle: true, collate: data.classifierBatch(tokenizer, "glue/mnli", { maxLength: 128 }) });
 * for await (const batch of batches) await step(batch); // model.forward(batch).loss
 */
export function classifierBatch<Name extends ClassifierTask>(tokenizer: Tokenizer, name: Name, options: EncodeOptions = {}): (examples: readonly TextTaskExample<Name>[]) => ClassifierBatch {
  checkTokenizer(tokenizer);
  const known = [...Object.keys(texts), "superglue/copa"];
  if (!known.includes(name)) throw expected(`one of ${known.join(", ")}`, "name", name, meantTask(name, known));
  const settings = withTruncation(tokenizer, options);
  const multiple = name === "superglue/copa";
  const of = multiple ? null : (texts[name as keyof typeof texts] as (example: never) => Text);
  return (examples) => {
    checkExamples(name, examples);
    const encoded = tokenizer.batch(of === null ? (examples as readonly SuperGlueExamples["copa"][]).flatMap(choices) : examples.map((example) => of(example as never)), settings);
    const batch = multiple ? byChoice(encoded, examples.length) : encoded;
    const labels = (examples as readonly { label: number }[]).map(({ label }) => label);
    if (labels.includes(unlabelled)) return batch;
    return { ...batch, labels: torch.tensor(labels, { dtype: name === "glue/stsb" ? "float32" : "int64" }) };
  };
}

/** [batch·choices, length] → [batch, choices, length] */
function byChoice(batch: TokenBatch, n: number): TokenBatch {
  const entries = Object.entries(batch).map(([name, tensor]) => [name, (tensor as Tensor).reshape([n, 2, -1])]);
  return Object.fromEntries(entries) as unknown as TokenBatch;
}

/** What a model that writes text takes. */
export interface TextToTextBatch extends TokenBatch {
  /** Tokens of the targets, int64 [batch, length]; -100 for padding. */
  labels: Tensor;
}

/** How long texts of a batch are. */
export interface TextToTextOptions {
  /** Tokens of the inputs at most; default 512, as T5 was trained. What goes beyond is cut off. */
  maxLength?: number;
  /** Tokens of the targets at most; default 128. */
  maxTargetLength?: number;
  /** Pads both to a multiple of so many tokens: fewer lengths are fewer programs of a compiled step. Default 1. */
  padToMultipleOf?: number;
}

/**
 * Makes batches of text pairs for a model that writes text, as a loader's `collate`.
 *
 * @throws SteppeError `ARGUMENT` for wrong options
 * @example
 * const pairs = data.textToText("glue/mnli").trainingPairs(examples);
 * const batches = data.loader(pairs, { batchSize: 32, shuffle: true, collate: data.textToTextBatch(tokenizer, { maxLength: 128, maxTargetLength: 8 }) });
 * for await (const batch of batches) await step(batch); // t5.forward(batch).loss
 */
export function textToTextBatch(tokenizer: Tokenizer, options: TextToTextOptions = {}): (pairs: readonly TextToTextPair[]) => TextToTextBatch {
  checkTokenizer(tokenizer);
  checkKeys(options, ["maxLength", "maxTargetLength", "padToMultipleOf"]);
  const { maxLength = 512, maxTargetLength = 128, padToMultipleOf = 1 } = options;
  for (const [name, value] of Object.entries({ maxLength, maxTargetLength, padToMultipleOf })) checkInteger(value, name, 1);
  return (pairs) => {
    const wrong = pairs.findIndex((pair) => typeof pair?.inputs !== "string" || typeof pair.targets !== "string");
    if (wrong >= 0) throw expected("what data.textToText(name).pairs(examples) gives", `pairs[${wrong}]`, pairs[wrong]);
    const { inputIds, attentionMask } = tokenizer.batch(pairs.map(({ inputs }) => inputs), { maxLength, truncation: true, padToMultipleOf });
    const targets = tokenizer.batch(pairs.map(({ targets }) => targets), { maxLength: maxTargetLength, truncation: true, padToMultipleOf });
    return { inputIds, attentionMask, labels: targets.inputIds.maskedFill(targets.attentionMask.eq(0), -100) };
  };
}
