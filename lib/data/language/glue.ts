import { existsSync } from "node:fs";
import { join } from "node:path";
import { SteppeError, expected, suggest } from "../../errors.js";
import { rows } from "../tables/rows.js";
import { Fields, unlabelled } from "./fields.js";
import { fieldsOf, findFiles, readSetOptions } from "./files.js";
import type { Found, SetOptions, TaskSet } from "./files.js";

interface Labelled {
  /** The number of the class in `labels`; -1 in test sets without labels. STS-B: how alike the sentences are, from 0 to 5. */
  label: number;
  /** The number of the row in the file, from 0. */
  idx: number;
}
interface Sentence extends Labelled {
  sentence: string;
}
interface Sentences extends Labelled {
  sentence1: string;
  sentence2: string;
}

/** What an example of each task has, under the names of its columns on the hub. */
export interface GlueExamples {
  cola: Sentence;
  sst2: Sentence;
  mrpc: Sentences;
  qqp: Labelled & { question1: string; question2: string };
  stsb: Sentences;
  mnli: Labelled & { premise: string; hypothesis: string };
  qnli: Labelled & { question: string; sentence: string };
  rte: Sentences;
  wnli: Sentences;
}
/** A task of GLUE by its short name. */
export type GlueTask = keyof GlueExamples;
/** MNLI has two of validation and two of test: "validation_matched", "validation_mismatched" and so on. */
export type GlueSplit = "train" | "validation" | "test" | "validation_matched" | "validation_mismatched" | "test_matched" | "test_mismatched";

interface Task {
  /** As errors name it. */
  title: string;
  /** Its folder in the publisher's archive. */
  folder: string;
  /** From the hub's column to the publisher's. */
  texts: Readonly<Record<string, string>>;
  /** The publisher's column of labels. */
  label: string;
  labels: readonly string[] | null;
}

export const glueTasks: Readonly<Record<GlueTask, Task>> = {
  cola: { title: "CoLA", folder: "CoLA", texts: { sentence: "sentence" }, label: "label", labels: ["unacceptable", "acceptable"] },
  sst2: { title: "SST-2", folder: "SST-2", texts: { sentence: "sentence" }, label: "label", labels: ["negative", "positive"] },
  mrpc: { title: "MRPC", folder: "MRPC", texts: { sentence1: "#1 String", sentence2: "#2 String" }, label: "Quality", labels: ["not_equivalent", "equivalent"] },
  qqp: { title: "QQP", folder: "QQP", texts: { question1: "question1", question2: "question2" }, label: "is_duplicate", labels: ["not_duplicate", "duplicate"] },
  stsb: { title: "STS-B", folder: "STS-B", texts: { sentence1: "sentence1", sentence2: "sentence2" }, label: "score", labels: null },
  mnli: { title: "MNLI", folder: "MNLI", texts: { premise: "sentence1", hypothesis: "sentence2" }, label: "gold_label", labels: ["entailment", "neutral", "contradiction"] },
  qnli: { title: "QNLI", folder: "QNLI", texts: { question: "question", sentence: "sentence" }, label: "label", labels: ["entailment", "not_entailment"] },
  rte: { title: "RTE", folder: "RTE", texts: { sentence1: "sentence1", sentence2: "sentence2" }, label: "label", labels: ["entailment", "not_entailment"] },
  wnli: { title: "WNLI", folder: "WNLI", texts: { sentence1: "sentence1", sentence2: "sentence2" }, label: "label", labels: ["not_entailment", "entailment"] },
};

const usual = { train: "train.tsv", validation: "dev.tsv", test: "test.tsv" };
const matched = {
  train: "train.tsv",
  validation_matched: "dev_matched.tsv",
  validation_mismatched: "dev_mismatched.tsv",
  test_matched: "test_matched.tsv",
  test_mismatched: "test_mismatched.tsv",
};

/**
 * A task of GLUE (Wang et al. 2018, arXiv 1804.07461), from the TSV files of the benchmark's archive or from the hub's Parquet
 * files. MRPC is read from the corpus's own files, too (`msr_paraphrase_train.txt`, `msr_paraphrase_test.txt`, and `dev_ids.tsv`
 * for the split). A few rows of QQP are broken in the published file: they are left out, as everybody does.
 *
 * @param task "cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte" or "wnli"
 * @param options `folder`: the task's own or the one around it; `split`: default "train"; of MNLI "validation_matched" and so on
 * @throws SteppeError `IO` if the files are not found, with where to get them; `FORMAT` with file, row and column for what is not as published
 * @example
 * const { examples, labels } = await data.glue("mnli", { folder: "glue", split: "validation_matched" });
 * const batches = data.loader(examples, { batchSize: 32, collate: data.classifierBatch(tokenizer, "glue/mnli") });
 */
export async function glue<Task extends GlueTask>(task: Task, options: SetOptions<GlueSplit> = {}): Promise<TaskSet<GlueExamples[Task], `glue/${Task}`>> {
  const about = Object.hasOwn(glueTasks, task) ? glueTasks[task] : undefined;
  if (about === undefined) throw expected(`one of ${Object.keys(glueTasks).join(", ")}`, "task", task, suggest(String(task), Object.keys(glueTasks)).trim());
  const files: Partial<Record<GlueSplit, string>> = task === "mnli" ? matched : usual;
  const { split, folder } = readSetOptions(options, Object.keys(files) as GlueSplit[]);
  const corpus = task === "mrpc" ? [split === "test" ? "msr_paraphrase_test.txt" : "msr_paraphrase_train.txt"] : [];
  const others = Object.entries(glueTasks).flatMap(([name, other]) => [name, other.folder]);
  const found = findFiles({ title: `GLUE's ${about.title}`, home: "glue", folders: [about.folder, task], others, files: [files[split]!, ...corpus], split, page: "https://gluebenchmark.com/tasks" }, folder);
  const mayLack = split.startsWith("test");
  const examples: Record<string, unknown>[] = [];
  let idx = 0;
  for await (const fields of rowsOf(task, split, found)) {
    if (found.kind === "published" && task === "qqp" && Object.values(fields.values).includes(null)) idx++;
    else examples.push(exampleOf(fields, about, found.kind, mayLack, idx++));
  }
  if (examples.length === 0) throw new SteppeError("FORMAT", `Expected at least one row of ${split} in ${found.paths.join(", ")} but received none.`);
  return { name: `glue/${task}`, split, labels: about.labels, examples: examples as unknown as GlueExamples[Task][], files: found.paths };
}

function exampleOf(fields: Fields, about: Task, kind: Found["kind"], mayLack: boolean, idx: number): Record<string, unknown> {
  const ofHub = kind === "parquet";
  const texts = Object.entries(about.texts).map(([name, published]) => [name, fields.text(ofHub ? name : published)] as const);
  const column = ofHub ? "label" : about.label;
  const label = about.labels === null ? scoreOf(fields, column, mayLack) : fields.label(column, about.labels, mayLack);
  return { ...Object.fromEntries(texts), label, idx: ofHub && fields.has("idx") ? fields.integer("idx") : idx };
}

function scoreOf(fields: Fields, column: string, mayLack: boolean): number {
  if (mayLack && !fields.has(column)) return unlabelled;
  const score = fields.number(column);
  if (mayLack && score === unlabelled) return unlabelled;
  if (score < 0 || score > 5) throw fields.wrong("a number from 0 to 5", column);
  return score;
}

async function* rowsOf(task: GlueTask, split: GlueSplit, found: Found): AsyncGenerator<Fields> {
  const path = found.paths[0]!;
  // CoLA's files have no line of names, but for the test set.
  if (task === "cola" && split !== "test") yield* fieldsOf(found, { format: "tsv", columns: ["source", "label", "mark", "sentence"] });
  else if (path.endsWith("msr_paraphrase_train.txt")) yield* ownSplit(split, found);
  else yield* fieldsOf(found, { format: "tsv", ragged: task === "qqp" });
}

/** MRPC's corpus knows training and test only; GLUE takes some of the training pairs to validate by, and names them in a file. */
async function* ownSplit(split: GlueSplit, found: Found): AsyncGenerator<Fields> {
  const path = ["dev_ids.tsv", "mrpc_dev_ids.tsv"].map((name) => join(found.folder, name)).find((file) => existsSync(file));
  if (path === undefined) throw new SteppeError("IO", `Expected dev_ids.tsv beside ${found.paths[0]!}: it names the pairs that GLUE validates by. Get it from https://gluebenchmark.com/tasks.`);
  const held = new Set<string>();
  for await (const { first, second } of rows(path, { format: "tsv", columns: ["first", "second"] })) held.add(`${String(first)}/${String(second)}`);
  for await (const fields of fieldsOf(found, { format: "tsv" })) {
    if (held.has(`${fields.text("#1 ID")}/${fields.text("#2 ID")}`) === (split === "validation")) yield fields;
  }
}
