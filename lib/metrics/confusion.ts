import { checkInteger } from "../checks.js";
import { checkKeys, expected, expectedTensor } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { Metric } from "./metric.js";

/** Predicted classes: of scores [N, classes] the largest, of integers [N] they themselves, of probabilities or logits [N] those above `threshold`. */
function classesOf(predictions: unknown, threshold: number): number[] {
  if (!(predictions instanceof Tensor)) throw expected("a tensor", "predictions", predictions);
  if (predictions.dim() === 2) return predictions.argmax(1).toArray() as number[];
  if (predictions.dim() !== 1) throw expectedTensor("a tensor of shape [N] or [N, classes]", "predictions", predictions);
  const values = predictions.toArray() as (number | boolean)[];
  return /^(float|bfloat)/.test(predictions.dtype) ? values.map((value) => ((value as number) > threshold ? 1 : 0)) : values.map(Number);
}

/** How often which class was taken for which: what F1 and Matthews's coefficient are made of. */
abstract class Counted implements Metric {
  readonly #threshold: number;
  /** By "target/prediction". */
  protected readonly counts = new Map<string, number>();
  protected readonly classes = new Set<number>();
  /** Targets are below it. */
  readonly #most: number;

  constructor(threshold: number, most = Infinity) {
    if (typeof threshold !== "number" || Number.isNaN(threshold)) throw expected("a number", "threshold", threshold);
    this.#threshold = threshold;
    this.#most = most;
  }

  reset(): void {
    this.counts.clear();
    this.classes.clear();
  }

  update(predictions: Tensor, targets: Tensor): void {
    if (!(targets instanceof Tensor) || targets.dim() !== 1) throw expectedTensor("labels of shape [N]", "targets", targets);
    const predicted = classesOf(predictions, this.#threshold);
    const truth = (targets.toArray() as (number | boolean)[]).map(Number);
    if (predicted.length !== truth.length) throw expectedTensor(`${predicted.length} labels`, "targets", targets);
    const wrong = this.#most === Infinity ? undefined : truth.find((target) => !(target >= 0 && target < this.#most));
    if (wrong !== undefined) throw expected(`labels from 0 to ${this.#most - 1}`, "targets", wrong);
    truth.forEach((target, i) => {
      const key = `${target}/${predicted[i]!}`;
      this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
      this.classes.add(target).add(predicted[i]!);
    });
  }

  protected count(target: number, predicted: number): number {
    return this.counts.get(`${target}/${predicted}`) ?? 0;
  }

  abstract compute(): number;
}

/**
 * The harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN); 0 where there is nothing to find and nothing was found,
 * as scikit-learn's `f1_score`. "binary": of class 1. "macro": the mean over all classes that occur, or over `classes` of them,
 * whether they occur or not. "micro": over all decisions, for labels of one class each the accuracy.
 *
 * Predictions: scores [N, classes], integers [N], or, for two classes, numbers [N] of which those above `threshold` (default 0.5) are class 1.
 */
export class F1 extends Counted {
  readonly average: "binary" | "macro" | "micro";
  readonly #classes: number | null;

  constructor(options: { average?: "binary" | "macro" | "micro"; threshold?: number; classes?: number } = {}) {
    checkKeys(options, ["average", "threshold", "classes"]);
    super(options.threshold ?? 0.5, options.classes === undefined ? Infinity : checkInteger(options.classes, "classes", 1));
    const { average = "binary" } = options;
    if (!["binary", "macro", "micro"].includes(average)) throw expected('one of "binary", "macro", "micro"', "average", average);
    this.average = average;
    this.#classes = options.classes ?? null;
  }

  compute(): number {
    if (this.classes.size === 0) return NaN;
    const f1 = (right: number, wrong: number) => (right === 0 ? 0 : (2 * right) / (2 * right + wrong));
    const all = [...this.classes];
    const wrong = (c: number) => all.filter((other) => other !== c).reduce((sum, other) => sum + this.count(c, other) + this.count(other, c), 0);
    if (this.average === "binary") return f1(this.count(1, 1), wrong(1));
    if (this.average === "micro") {
      const right = all.reduce((sum, c) => sum + this.count(c, c), 0);
      return f1(right, all.reduce((sum, c) => sum + wrong(c), 0));
    }
    const counted = this.#classes === null ? all : Array.from({ length: this.#classes }, (_, c) => c);
    return counted.reduce((sum, c) => sum + f1(this.count(c, c), wrong(c)), 0) / counted.length;
  }
}

/**
 * Matthews's correlation coefficient, from -1 to 1, for any number of classes (Gorodkin 2004); 0 where one of the sides is
 * constant. Predictions as {@link F1}'s.
 */
export class MatthewsCorrelation extends Counted {
  constructor(options: { threshold?: number } = {}) {
    checkKeys(options, ["threshold"]);
    super(options.threshold ?? 0.5);
  }

  compute(): number {
    if (this.classes.size === 0) return NaN;
    const all = [...this.classes];
    const sum = (of: (c: number) => number) => all.reduce((total, c) => total + of(c), 0);
    const targets = (c: number) => sum((other) => this.count(c, other));
    const predicted = (c: number) => sum((other) => this.count(other, c));
    const right = sum((c) => this.count(c, c));
    const n = sum(targets);
    const covariance = right * n - sum((c) => targets(c) * predicted(c));
    const spread = (n * n - sum((c) => predicted(c) ** 2)) * (n * n - sum((c) => targets(c) ** 2));
    return spread === 0 ? 0 : covariance / Math.sqrt(spread);
  }
}
