import { expected, suggest } from "../../errors.js";
import { unlabelled } from "./fields.js";
import { glueTasks } from "./glue.js";
import type { GlueExamples, GlueTask } from "./glue.js";
import type { OpenQuestion, TriviaQuestion } from "./open-questions.js";
import type { SpanQuestion, TydiQuestion } from "./squad.js";
import { superGlueTasks } from "./super-glue.js";
import type { SuperGlueExamples, SuperGlueTask } from "./super-glue.js";
import { readReferent, wscInputs, wscReferent } from "./wsc-text.js";

/** The sets that have a text-to-text form, under the names of their `TaskSet`s. */
export type TextTask = `glue/${GlueTask}` | `superglue/${SuperGlueTask}` | keyof Questions;

interface Questions {
  squad: SpanQuestion;
  tydiqa: TydiQuestion;
  web_questions: OpenQuestion;
  natural_questions: OpenQuestion;
  trivia_qa: TriviaQuestion;
}

/** An example of the set of that name. */
export type TextTaskExample<Name extends TextTask> = Name extends `glue/${infer Task extends GlueTask}`
  ? GlueExamples[Task]
  : Name extends `superglue/${infer Task extends SuperGlueTask}`
    ? SuperGlueExamples[Task]
    : Name extends keyof Questions
      ? Questions[Name]
      : never;

/** What a generated text is read as: the text for questions, else the number of a class (STS-B: the number). */
export type TextTaskAnswer<Name extends TextTask> = Name extends keyof Questions | "superglue/record" ? string : number;

/** What a model reads, and what it is to write. */
export interface TextToTextPair<Example = unknown> {
  inputs: string;
  /** "<unk>" where the example has no label. */
  targets: string;
  example: Example;
}

/** The form in which T5 is trained on a set, and the way back. Made by {@link textToText}. */
export interface TextToText<Example, Answer> {
  /** "glue/mnli": the name in the `TaskSet`. */
  readonly name: string;
  /**
   * The pairs to train on: one for an example, but of ReCoRD one for each right answer, and of WSC none where the noun is not what
   * the pronoun means.
   */
  trainingPairs(examples: readonly Example[]): TextToTextPair<Example>[];
  /** One pair for each example, to generate from and to compare with. */
  pairs(examples: readonly Example[]): TextToTextPair<Example>[];
  /** What a generated text says: -1 for a text that is no label. */
  read(text: string, example: Example): Answer;
  /** The right answers of a question, as the targets are written; of other tasks the target. */
  references(example: Example): string[];
}

interface Form {
  /** The columns that are text. */
  texts: readonly string[];
  inputs(example: never): string;
  targets(example: never): string[];
  read(text: string, example: never): number | string;
  /** Whether an example is trained on. */
  trains?(example: never): boolean;
}

const unknown = "<unk>";

/** `task first: … second: …`. */
function joined(task: string, example: Record<string, unknown>, names: readonly string[]): string {
  return [task, ...names.flatMap((name) => [`${name}:`, example[name] as string])].join(" ");
}

function classes(task: string, names: readonly string[], labels: readonly string[], clean = (inputs: string) => inputs): Form {
  return {
    texts: names,
    inputs: (example: Record<string, unknown>) => clean(joined(task, example, names)),
    targets({ label = unlabelled }: { label?: number }) {
      if (label !== unlabelled && labels[label] === undefined) throw expected(`a label from 0 to ${labels.length - 1}, or ${unlabelled} for none,`, `label of an example of ${task}`, label);
      return [labels[label] ?? unknown];
    },
    read: (text) => labels.indexOf(text),
  };
}

/** To the nearest multiple of 0.2, in float32 and halves to the even one, as TensorFlow rounds. */
function rounded(score: number): string {
  const fifths = Math.fround(Math.fround(score) * 5);
  const below = Math.floor(fifths);
  const nearest = fifths - below === 0.5 ? below + (below % 2) : Math.round(fifths);
  return (nearest / 5).toFixed(1);
}

const similarity: Form = {
  texts: ["sentence1", "sentence2"],
  inputs: (example: GlueExamples["stsb"]) => joined("stsb", { ...example }, ["sentence1", "sentence2"]),
  targets: ({ label }: GlueExamples["stsb"]) => [label === -1 ? unknown : rounded(label)],
  read: (text) => (/^\s*[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?\s*$/i.test(text) ? Number(text) : -1),
};

const record: Form = {
  texts: ["query", "passage"],
  inputs({ query, entities, passage }: SuperGlueExamples["record"]) {
    const text = passage.replace(/([.?!"'])\n@highlight\n/g, "$1 ").replace(/\n@highlight\n/g, ". ");
    return `record query: ${query} entities: ${entities.join(", ")} passage: ${text}`;
  },
  targets: ({ answers }: SuperGlueExamples["record"]) => (answers.length === 0 ? [unknown] : answers),
  read: (text) => text,
};

const wsc: Form = {
  texts: ["text", "span1Text", "span2Text"],
  inputs: wscInputs,
  targets: (example: SuperGlueExamples["wsc"]) => [wscReferent(example)],
  read: readReferent,
  trains: ({ label }: SuperGlueExamples["wsc"]) => label === 1,
};

// RE2, whose \W and \s know ASCII only, so that a letter with an accent is padded as punctuation is.
const spaces = /[\t\n\f\r ]+/g;
const padded = (text: string) => text.replace(/([^0-9A-Za-z_])/gu, " $1 ").replace(spaces, " ");
/** mT5 pads what is no letter, mark or number of any script. */
const paddedAnyScript = (text: string) => text.replace(/([^_\t\n\f\r \p{N}\p{L}\p{M}])/gu, " $1 ").replace(spaces, " ");

function spans(pad: (text: string) => string): Form {
  return {
    texts: ["question", "context"],
    inputs: ({ question, context }: SpanQuestion) => `question: ${pad(question)} context: ${pad(context)}`.replace(spaces, " "),
    targets: ({ answers }: SpanQuestion) => (answers.length === 0 ? [unknown] : answers.map(({ text }) => pad(text))),
    read: (text) => text,
  };
}

function closedBook<Example extends OpenQuestion>(prefix: string, first: (example: Example) => string | undefined = ({ answers }) => answers[0]): Form {
  return {
    texts: ["question"],
    inputs: ({ question }: Example) => `${prefix} question: ${question}`,
    targets: (example: Example) => [first(example) || unknown, ...example.answers.filter((answer) => answer !== first(example))],
    read: (text) => text,
  };
}

/** T5 takes the columns of a task in alphabetical order, but for these. */
const orders: Partial<Record<TextTask, readonly string[]>> = { "superglue/multirc": ["question", "answer", "paragraph"], "superglue/wic": ["sentence1", "sentence2", "word"] };
const withoutMarkup = (inputs: string) => inputs.replaceAll("<br>", " ").replace(/<\/?b>/g, "");
const columns: Partial<Record<SuperGlueTask, readonly string[]>> = {
  boolq: ["passage", "question"],
  cb: ["hypothesis", "premise"],
  copa: ["choice1", "choice2", "premise", "question"],
  rte: ["hypothesis", "premise"],
};

function makeForms(): Record<string, Form> {
  const forms: Record<string, Form> = {
    "glue/stsb": similarity,
    "superglue/record": record,
    "superglue/wsc": wsc,
    squad: spans(padded),
    tydiqa: spans(paddedAnyScript),
    web_questions: closedBook("wq"),
    natural_questions: closedBook("nq"),
    trivia_qa: closedBook<TriviaQuestion>("trivia_qa", ({ value }) => value),
  };
  for (const [task, { texts, labels }] of Object.entries(glueTasks)) if (labels !== null) forms[`glue/${task}`] = classes(task, Object.keys(texts).sort(), labels);
  for (const [task, { labels }] of Object.entries(superGlueTasks)) {
    const name = `superglue/${task}` as TextTask;
    const names = orders[name] ?? columns[task as SuperGlueTask];
    if (labels !== null && names !== undefined) forms[name] = classes(task, names, labels, task === "multirc" ? withoutMarkup : undefined);
  }
  return forms;
}

const forms = makeForms();

/** Refuses what is no array of a set's examples, those of another set above all. */
export function checkExamples(name: TextTask, examples: unknown): void {
  if (!Array.isArray(examples)) throw expected("an array of examples", "examples", examples);
  for (const [i, example] of (examples as (Record<string, unknown> | null | undefined)[]).entries()) {
    const wrong = forms[name]!.texts.find((text) => typeof example?.[text] !== "string");
    if (wrong !== undefined) throw expected(`a text under ${wrong}, as examples of ${name} have it,`, `examples[${i}]`, example?.[wrong] ?? example);
  }
}

/** The name of a set that another was meant to be: misspelled, or without what stands before "/". */
export function meantTask(name: unknown, known: readonly string[]): string {
  const longer = known.find((each) => each.endsWith(`/${String(name)}`));
  return longer === undefined ? suggest(String(name), known).trim() : `Did you mean ${JSON.stringify(longer)}?`;
}

/**
 * The form in which T5 is trained on a set (Raffel et al. 2020, arXiv 1910.10683, appendix D, and its published code, which it
 * agrees with down to spaces): a task's name, then its texts, each after its column's name; labels as words; STS-B's numbers
 * rounded to 0.2. WSC asks for the noun that a marked pronoun means; ReCoRD and SQuAD for an answer. TyDi QA is mT5's (arXiv
 * 2010.11934); open questions are asked without a text (arXiv 2002.08910).
 *
 * @param name as in the `TaskSet`: "glue/mnli", "superglue/record", "squad" …
 * @throws SteppeError `ARGUMENT` for another name, for examples of another set and labels out of range
 * @example
 * const form = data.textToText("glue/mnli");
 * const [pair] = form.trainingPairs(examples); // { inputs: "mnli hypothesis: … premise: …", targets: "entailment", example }
 * form.read("entailment", examples[0]); // 0
 */
export function textToText<Name extends TextTask>(name: Name): TextToText<TextTaskExample<Name>, TextTaskAnswer<Name>> {
  const form = Object.hasOwn(forms, name) ? forms[name] : undefined;
  if (form === undefined) throw expected(`one of ${Object.keys(forms).sort().join(", ")}`, "name", name, meantTask(name, Object.keys(forms)));
  type Example = TextTaskExample<Name>;
  const pairs = (examples: readonly Example[], all: boolean) =>
    examples.flatMap((example) => {
      const inputs = form.inputs(example as never);
      const targets = form.targets(example as never);
      return (all ? targets : targets.slice(0, 1)).map((target) => ({ inputs, targets: target, example }));
    });
  return {
    name,
    trainingPairs(examples) {
      checkExamples(name, examples);
      return pairs(examples.filter((example) => form.trains?.(example as never) ?? true), name === "superglue/record");
    },
    pairs(examples) {
      checkExamples(name, examples);
      return pairs(examples, false);
    },
    read(text, example) {
      if (typeof text !== "string") throw expected("a string", "text", text);
      return form.read(text, example as never) as TextTaskAnswer<Name>;
    },
    references: (example) => form.targets(example as never),
  };
}
