import { SteppeError, expected, expectedTensor, suggest } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { Accuracy } from "./classification.js";
import { F1, MatthewsCorrelation } from "./confusion.js";
import type { Metric } from "./metric.js";
import { ExactMatch, TokenF1, wordF1 } from "./question-answering.js";
import { PearsonCorrelation, SpearmanCorrelation } from "./regression.js";

/** A task's official metrics, each from 0 to 1 (correlations from -1), and their mean, which a benchmark's average takes. */
export type TaskScores<Names extends string = string> = { [Name in Names]: number } & { score: number };

/** The official metrics of a task, over predictions and targets that come in batches. */
export interface TaskMetric<Names extends string = string, Predictions = Tensor | readonly number[], Targets = Tensor | readonly number[]> {
  reset(): void;
  update(predictions: Predictions, targets: Targets): void;
  compute(): TaskScores<Names>;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
function scored<Names extends string>(scores: Readonly<Record<Names, number>>): TaskScores<Names> {
  return { ...scores, score: mean(Object.values(scores)) };
}

/** Numbers as tensors. */
function tensorOf(values: Tensor | readonly number[], dtype: "int64" | "float64", name: string): Tensor {
  if (values instanceof Tensor) return values;
  if (!Array.isArray(values) || !values.every((value) => typeof value === "number")) throw expected("a tensor or an array of numbers", name, values);
  return torch.tensor([...(values as number[])], { dtype });
}

/** Scores [N, classes], or classes [N], as classes [N]. */
const classesOf = (predictions: Tensor) => (predictions.dim() === 2 ? predictions.argmax(1) : predictions);

/** Metrics of one update each, side by side. */
class Several<Names extends string> implements TaskMetric<Names> {
  readonly #metrics: Readonly<Record<Names, Metric>>;
  readonly #dtype: "int64" | "float64";
  /** Texts that were no label (-1) count as the wrong one of two. */
  readonly #binary: boolean;
  readonly #classes: number;

  constructor(metrics: Readonly<Record<Names, Metric>>, { dtype = "int64", binary = false, classes = 2 }: { dtype?: "int64" | "float64"; binary?: boolean; classes?: number } = {}) {
    this.#metrics = metrics;
    this.#dtype = dtype;
    this.#binary = binary;
    this.#classes = classes;
  }

  reset(): void {
    for (const metric of Object.values<Metric>(this.#metrics)) metric.reset();
  }

  update(predictions: Tensor | readonly number[], targets: Tensor | readonly number[]): void {
    torch.scope(() => {
      const [given, truth] = [tensorOf(predictions, this.#dtype, "predictions"), tensorOf(targets, this.#dtype, "targets")];
      if (this.#dtype === "float64") return this.#each(given, truth);
      const classes = classesOf(given);
      if (classes.dim() !== 1 || truth.dim() !== 1 || classes.shape[0] !== truth.shape[0]) throw expectedTensor(`${truth.shape[0]} classes, or scores of them`, "predictions", given);
      const wrong = (truth.toArray() as number[]).find((label) => !(label >= 0 && label < this.#classes));
      if (wrong !== undefined) throw expected(`labels from 0 to ${this.#classes - 1}`, "targets", wrong);
      this.#each(this.#binary ? torch.where(classes.lt(0), truth.mul(-1).add(1), classes) : classes, truth);
    });
  }

  #each(predictions: Tensor, targets: Tensor): void {
    for (const metric of Object.values<Metric>(this.#metrics)) metric.update(predictions, targets);
  }

  compute(): TaskScores<Names> {
    return scored(Object.fromEntries(Object.entries<Metric>(this.#metrics).map(([name, metric]) => [name, metric.compute()])) as Record<Names, number>);
  }
}

/** The share of classes that are right. */
class ClassAccuracy implements Metric {
  readonly #accuracy = new Accuracy();
  reset(): void {
    this.#accuracy.reset();
  }
  /** Classes [N] each; a class may be -1, which is right nowhere. */
  update(predictions: Tensor, targets: Tensor): void {
    // As scores of two: whether it is right.
    const right = predictions.eq(targets).to("int64");
    this.#accuracy.update(torch.stack([right.mul(-1).add(1), right], 1), torch.onesLike(right));
  }
  compute(): number {
    return this.#accuracy.compute();
  }
}

/** What MultiRC's metric wants to know of each answer. */
export interface MultiRcTarget {
  label: number;
  idx: { paragraph: number; question: number };
}

class MultiRc implements TaskMetric<"f1a" | "exactMatch", Tensor | readonly number[], readonly MultiRcTarget[]> {
  readonly #f1 = new Several({ f1a: new F1() }, { binary: true });
  /** Whether all answers to a question were told right. */
  readonly #questions = new Map<string, boolean>();

  reset(): void {
    this.#f1.reset();
    this.#questions.clear();
  }

  update(predictions: Tensor | readonly number[], targets: readonly MultiRcTarget[]): void {
    if (!Array.isArray(targets)) throw expected("an array of examples", "targets", targets);
    const labels = (targets as readonly MultiRcTarget[]).map((target, i) => {
      if (!Number.isSafeInteger(target?.label) || !Number.isSafeInteger(target?.idx?.question)) throw expected("an example with label and idx", `targets[${i}]`, target);
      return target.label;
    });
    this.#f1.update(predictions, labels);
    const classes = torch.scope(() => classesOf(tensorOf(predictions, "int64", "predictions")).toArray() as number[]);
    (targets as readonly MultiRcTarget[]).forEach(({ label, idx }, i) => {
      const key = `${idx.paragraph}/${idx.question}`;
      this.#questions.set(key, (this.#questions.get(key) ?? true) && classes[i] === label);
    });
  }

  compute(): TaskScores<"f1a" | "exactMatch"> {
    return scored({ f1a: this.#f1.compute().f1a, exactMatch: mean([...this.#questions.values()].map(Number)) });
  }
}

/** ReCoRD's own script does not let two answers agree of which normalising leaves nothing. */
class EntityF1 extends TokenF1 {
  protected override score(prediction: string, reference: string): number {
    return wordF1(prediction, reference);
  }
}

class EntityAnswers implements TaskMetric<"f1" | "exactMatch", readonly string[], readonly { answers: readonly string[] }[]> {
  readonly #f1 = new EntityF1();
  readonly #exact = new ExactMatch();

  reset(): void {
    this.#f1.reset();
    this.#exact.reset();
  }

  update(predictions: readonly string[], targets: readonly { answers: readonly string[] }[]): void {
    if (!Array.isArray(targets)) throw expected("an array of examples", "targets", targets);
    const answers = (targets as readonly { answers: readonly string[] }[]).map((target, i) => {
      if (!Array.isArray(target?.answers) || target.answers.length === 0) throw expected("an example with answers", `targets[${i}]`, target);
      return target.answers;
    });
    for (const metric of [this.#f1, this.#exact]) metric.update(predictions, answers);
  }

  compute(): TaskScores<"f1" | "exactMatch"> {
    return scored({ f1: this.#f1.compute(), exactMatch: this.#exact.compute() });
  }
}

const accuracy = () => new Several({ accuracy: new ClassAccuracy() });
const accuracyOfThree = () => new Several({ accuracy: new ClassAccuracy() }, { classes: 3 });
const f1AndAccuracy = () => new Several({ f1: new F1(), accuracy: new ClassAccuracy() }, { binary: true });

const glueMetrics = {
  cola: () => new Several({ matthews: new MatthewsCorrelation() }),
  sst2: accuracy,
  mrpc: f1AndAccuracy,
  qqp: f1AndAccuracy,
  stsb: () => new Several({ pearson: new PearsonCorrelation(), spearman: new SpearmanCorrelation() }, { dtype: "float64" }),
  mnli: accuracyOfThree,
  qnli: accuracy,
  rte: accuracy,
  wnli: accuracy,
};

const superGlueMetrics = {
  boolq: accuracy,
  cb: () => new Several({ f1: new F1({ average: "macro", classes: 3 }), accuracy: new ClassAccuracy() }, { classes: 3 }),
  copa: accuracy,
  multirc: () => new MultiRc(),
  record: () => new EntityAnswers(),
  rte: accuracy,
  wic: accuracy,
  wsc: accuracy,
};

function find<Table extends object, Name extends keyof Table>(table: Table, name: Name): Table[Name] {
  if (!Object.hasOwn(table, name)) throw expected(`one of ${Object.keys(table).join(", ")}`, "task", name, suggest(String(name), Object.keys(table)).trim());
  return table[name];
}

/**
 * The official metrics of a task of GLUE (arXiv 1804.07461): CoLA Matthews's correlation; MRPC and QQP F1 and accuracy; STS-B
 * Pearson's and Spearman's correlation; the others accuracy. Predictions: scores [N, classes], or classes [N] as a tensor or an
 * array (of STS-B numbers), in which -1, a text that was no label, is wrong.
 *
 * @throws SteppeError `ARGUMENT` for another name
 * @example
 * const metric = metrics.glue("mrpc");
 * metric.update(logits, labels);
 * metric.compute(); // { f1, accuracy, score: their mean }
 */
export function glue<Task extends keyof typeof glueMetrics>(task: Task): ReturnType<(typeof glueMetrics)[Task]> {
  return find(glueMetrics, task)() as ReturnType<(typeof glueMetrics)[Task]>;
}

/**
 * The official metrics of a task of SuperGLUE (arXiv 1905.00537): CB macro F1 over its three classes and accuracy; MultiRC F1 over
 * all answers (`f1a`) and the share of questions whose answers are all told right; ReCoRD F1 of words and exact match with the best
 * answer; the others accuracy. Predictions as for {@link glue}; of ReCoRD texts. Targets are labels, of MultiRC and ReCoRD the examples.
 *
 * @throws SteppeError `ARGUMENT` for another name
 * @example metrics.superGlue("multirc").update(predictions, examples);
 */
export function superGlue<Task extends keyof typeof superGlueMetrics>(task: Task): ReturnType<(typeof superGlueMetrics)[Task]> {
  return find(superGlueMetrics, task)() as ReturnType<(typeof superGlueMetrics)[Task]>;
}

type Result = number | { score: number };

function average(benchmark: string, tasks: readonly string[], results: Readonly<Record<string, Result | readonly Result[]>>): number {
  if (typeof results !== "object" || results === null) throw expected("an object", "results", results);
  const missing = tasks.filter((task) => results[task] === undefined);
  const unknown = Object.keys(results).filter((task) => !tasks.includes(task));
  if (missing.length > 0 || unknown.length > 0) {
    throw new SteppeError("ARGUMENT", `Expected results of ${tasks.join(", ")} for ${benchmark} but received ${unknown.length > 0 ? unknown.join(", ") : `none of ${missing.join(", ")}`}.`);
  }
  const scoreOf = (result: unknown, name: string): number => {
    if (Array.isArray(result) && result.length > 0) return mean(result.map((each: unknown) => scoreOf(each, name)));
    const score = typeof result === "number" ? result : (result as { score?: unknown } | null)?.score;
    if (typeof score !== "number") throw expected("a number, scores, or an array of them", `results.${name}`, result);
    return score;
  };
  return mean(tasks.map((task) => scoreOf(results[task], task)));
}

/**
 * GLUE's overall score: the mean over its nine tasks, of a task with two metrics the mean of both, of MNLI the mean of matched
 * and mismatched.
 *
 * @param results of each task what its metric computes, or a number; of MNLI an array of two
 * @throws SteppeError `ARGUMENT` where a task is missing
 * @example metrics.glueScore({ cola, sst2, mrpc, qqp, stsb, mnli: [matched, mismatched], qnli, rte, wnli });
 */
export function glueScore(results: Readonly<Record<keyof typeof glueMetrics, Result | readonly Result[]>>): number {
  return average("GLUE", Object.keys(glueMetrics), results);
}

/** SuperGLUE's overall score: the mean over its eight tasks, of a task with two metrics the mean of both. See {@link glueScore}. */
export function superGlueScore(results: Readonly<Record<keyof typeof superGlueMetrics, Result | readonly Result[]>>): number {
  return average("SuperGLUE", Object.keys(superGlueMetrics), results);
}
