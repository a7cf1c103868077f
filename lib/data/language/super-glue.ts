import { expected, suggest } from "../../errors.js";
import { unitsOf } from "./fields.js";
import type { Fields } from "./fields.js";
import { fieldsOf, findFiles, readSetOptions } from "./files.js";
import type { SetOptions, TaskSet } from "./files.js";

interface Labelled {
  /** The number of the class in `labels`; -1 in test sets without labels. */
  label: number;
  /** The publisher's number of the example. */
  idx: number;
}

/** What an example of each task has. Places in texts are indices of JavaScript's strings. */
export interface SuperGlueExamples {
  boolq: Labelled & { question: string; passage: string };
  cb: Labelled & { premise: string; hypothesis: string };
  /** `question`: "cause" or "effect". */
  copa: Labelled & { premise: string; choice1: string; choice2: string; question: string };
  /** One example for each answer of each question. */
  multirc: { paragraph: string; question: string; answer: string; label: number; idx: { paragraph: number; question: number; answer: number } };
  /** One example for each query. Answers and entities are sorted, each once; test sets have no answers. */
  record: { passage: string; query: string; entities: string[]; answers: string[]; idx: { passage: number; query: number } };
  rte: Labelled & { premise: string; hypothesis: string };
  /** `word` stands in `sentence1.slice(start1, end1)` and in `sentence2.slice(start2, end2)`, in any of its forms. */
  wic: Labelled & { word: string; sentence1: string; sentence2: string; start1: number; end1: number; start2: number; end2: number };
  /** Places of spans count words between single spaces. */
  wsc: Labelled & { text: string; span1Text: string; span1Index: number; span2Text: string; span2Index: number };
}
/** A task of SuperGLUE by its short name. */
export type SuperGlueTask = keyof SuperGlueExamples;
/** A part of a task; the labels of test sets are kept back. */
export type SuperGlueSplit = "train" | "validation" | "test";

interface Task<Example> {
  title: string;
  /** Its folders: in the publisher's archive, and on the hub. */
  folders: readonly string[];
  labels: readonly string[] | null;
  /** Examples of a line of the publisher's JSON. */
  published(fields: Fields, labels: readonly string[], mayLack: boolean): Example[];
  /** The example of a row of the hub, where its columns are not those of the JSON. */
  hub?(fields: Fields, labels: readonly string[], mayLack: boolean): Example;
}

const truth = ["False", "True"] as const;

/** A task whose example is a line, with these texts. */
function plain<Example>(title: string, folder: string, hub: string, labels: readonly string[], texts: readonly string[], more: (fields: Fields) => object = () => ({})): Task<Example> {
  return {
    title,
    folders: [folder, hub],
    labels,
    published: (fields, names, mayLack) => [
      { ...Object.fromEntries(texts.map((name) => [name, fields.text(name)])), ...more(fields), label: fields.label("label", names, mayLack), idx: fields.integer("idx") } as Example,
    ],
  };
}

const sorted = (texts: readonly string[]) => [...new Set(texts)].sort();

type Wsc = SuperGlueExamples["wsc"];
const wscOf = (fields: Fields, spans: Fields, labels: readonly string[], mayLack: boolean): Wsc => ({
  text: fields.text("text"),
  span1Text: spans.text("span1_text"),
  span1Index: spans.integer("span1_index"),
  span2Text: spans.text("span2_text"),
  span2Index: spans.integer("span2_index"),
  label: fields.label("label", labels, mayLack),
  idx: fields.integer("idx"),
});

export const superGlueTasks: Readonly<{ [T in SuperGlueTask]: Task<SuperGlueExamples[T]> }> = {
  boolq: plain("BoolQ", "BoolQ", "boolq", truth, ["question", "passage"]),
  cb: plain("CB", "CB", "cb", ["entailment", "contradiction", "neutral"], ["premise", "hypothesis"]),
  copa: plain("COPA", "COPA", "copa", ["choice1", "choice2"], ["premise", "choice1", "choice2", "question"]),
  multirc: {
    title: "MultiRC",
    folders: ["MultiRC", "multirc"],
    labels: truth,
    published(fields, labels, mayLack) {
      const passage = fields.object("passage");
      return passage.objects("questions").flatMap((question) =>
        question.objects("answers").map((answer) => ({
          paragraph: passage.text("text"),
          question: question.text("question"),
          answer: answer.text("text"),
          label: answer.label("label", labels, mayLack),
          idx: { paragraph: fields.integer("idx"), question: question.integer("idx"), answer: answer.integer("idx") },
        })),
      );
    },
    hub(fields, labels, mayLack) {
      const idx = fields.object("idx");
      return {
        paragraph: fields.text("paragraph"),
        question: fields.text("question"),
        answer: fields.text("answer"),
        label: fields.label("label", labels, mayLack),
        idx: { paragraph: idx.integer("paragraph"), question: idx.integer("question"), answer: idx.integer("answer") },
      };
    },
  },
  record: {
    title: "ReCoRD",
    folders: ["ReCoRD", "record"],
    labels: null,
    published(fields, _, mayLack) {
      const passage = fields.object("passage");
      const text = passage.text("text");
      const length = [...text].length;
      const entities = passage.objects("entities").map((entity) => {
        const [start, last] = [entity.integer("start"), entity.integer("end")];
        if (last < start || last >= length) throw entity.wrong(`an end from ${start} to ${length - 1}`, "end");
        return text.slice(unitsOf(text, start), unitsOf(text, last + 1)); // the publisher's ends belong to the span
      });
      return fields.objects("qas").map((query) => ({
        passage: text,
        query: query.text("query"),
        entities: sorted(entities),
        answers: mayLack && !query.has("answers") ? [] : sorted(query.objects("answers").map((answer) => answer.text("text"))),
        idx: { passage: fields.integer("idx"), query: query.integer("idx") },
      }));
    },
    hub(fields, _, mayLack) {
      const idx = fields.object("idx");
      return {
        passage: fields.text("passage"),
        query: fields.text("query"),
        entities: sorted(fields.texts("entities")),
        answers: mayLack && !fields.has("answers") ? [] : sorted(fields.texts("answers")),
        idx: { passage: idx.integer("passage"), query: idx.integer("query") },
      };
    },
  },
  rte: plain("RTE", "RTE", "rte", ["entailment", "not_entailment"], ["premise", "hypothesis"]),
  wic: plain("WiC", "WiC", "wic", truth, ["word", "sentence1", "sentence2"], (fields) =>
    Object.fromEntries(
      (["start1", "end1", "start2", "end2"] as const).map((name) => {
        const sentence = fields.text(`sentence${name.at(-1)!}`);
        const place = fields.integer(name);
        if (place > [...sentence].length) throw fields.wrong(`a place in its sentence of ${[...sentence].length}`, name);
        return [name, unitsOf(sentence, place)];
      }),
    ),
  ),
  wsc: {
    title: "WSC",
    folders: ["WSC", "wsc", "wsc.fixed"],
    labels: truth,
    published: (fields, labels, mayLack) => [wscOf(fields, fields.object("target"), labels, mayLack)],
    hub: (fields, labels, mayLack) => wscOf(fields, fields, labels, mayLack),
  },
};

const files = { train: "train.jsonl", validation: "val.jsonl", test: "test.jsonl" };

/**
 * A task of SuperGLUE (Wang et al. 2019, arXiv 1905.00537), from the JSON lines of the benchmark's archive or from the hub's
 * Parquet files.
 *
 * @param task "boolq", "cb", "copa", "multirc", "record", "rte", "wic" or "wsc"
 * @param options `folder`: the task's own or the one around it; `split`: "train" (default), "validation" or "test"
 * @throws SteppeError `IO` if the files are not found, with where to get them; `FORMAT` with file, row and column for what is not as published
 * @example const { examples, labels } = await data.superGlue("boolq", { folder: "super_glue", split: "validation" });
 */
export async function superGlue<Task extends SuperGlueTask>(task: Task, options: SetOptions<SuperGlueSplit> = {}): Promise<TaskSet<SuperGlueExamples[Task], `superglue/${Task}`>> {
  const about = Object.hasOwn(superGlueTasks, task) ? superGlueTasks[task] : undefined;
  if (about === undefined) throw expected(`one of ${Object.keys(superGlueTasks).join(", ")}`, "task", task, suggest(String(task), Object.keys(superGlueTasks)).trim());
  const { split, folder } = readSetOptions(options, Object.keys(files) as SuperGlueSplit[]);
  const others = Object.values(superGlueTasks).flatMap((other) => other.folders);
  const found = findFiles({ title: `SuperGLUE's ${about.title}`, home: "super_glue", folders: about.folders, others, files: [files[split]], split, page: "https://super.gluebenchmark.com/tasks" }, folder);
  const examples: SuperGlueExamples[Task][] = [];
  for await (const fields of fieldsOf(found, { format: "jsonl" })) {
    const [labels, mayLack] = [about.labels ?? [], split === "test"];
    if (found.kind === "parquet" && about.hub !== undefined) examples.push(about.hub(fields, labels, mayLack) as SuperGlueExamples[Task]);
    else examples.push(...(about.published(fields, labels, mayLack) as SuperGlueExamples[Task][]));
  }
  return { name: `superglue/${task}`, split, labels: about.labels, examples, files: found.paths };
}
