import { checkInteger } from "../checks.js";
import { checkKeys, expected, expectedTensor } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Metric } from "./metric.js";

/**
 * Logits or probabilities [N, classes] and labels [N], or further dimensions behind N in both; checked.
 *
 * @param ignored a label that is none
 * @throws SteppeError `ARGUMENT` for wrong shapes, and labels that are no integers or of no class
 */
export function checkClasses(predictions: unknown, targets: unknown, ignored: number | null = null): { scores: Tensor; labels: Tensor } {
  if (!(predictions instanceof Tensor) || predictions.dim() < 2) throw expectedTensor("a tensor of shape [N, classes, …]", "predictions", predictions);
  if (!(targets instanceof Tensor)) throw expected("a tensor of labels", "targets", targets);
  const [n, classes, ...rest] = predictions.shape;
  if (String(targets.shape) !== String([n, ...rest])) throw expectedTensor(`labels of shape [${[n, ...rest].join(", ")}]`, "targets", targets);
  // [N, classes, …] → [samples, classes]
  const scores = predictions.dim() === 2 ? predictions : predictions.movedim([1], [-1]).reshape([-1, classes!]);
  const labels = targets.reshape([-1]);
  if (!/^(u?int|bool)/.test(labels.dtype)) throw expectedTensor("labels that are integers", "targets", targets);
  const outside = labels.lt(0).logicalOr(labels.ge(classes!));
  const wrong = ignored === null ? outside : outside.logicalAnd(labels.ne(ignored));
  if (wrong.any().item() === true) throw expected(`labels from 0 to ${classes! - 1}${ignored === null ? "" : `, or ${ignored}`}`, "targets", labels.maskedSelect(wrong).select(0, 0).item());
  return { scores, labels };
}

/** The share of samples whose label is among the `topK` classes of the largest scores. Scores [N, classes, …], labels [N, …]. */
export class Accuracy implements Metric {
  readonly topK: number;
  /** Samples with this label do not count: padding. */
  readonly ignoreIndex: number | null;
  #right = 0;
  #samples = 0;

  constructor(options: { topK?: number; ignoreIndex?: number } = {}) {
    checkKeys(options, ["topK", "ignoreIndex"]);
    const { topK = 1, ignoreIndex = null } = options;
    checkInteger(topK, "topK", 1);
    if (ignoreIndex !== null && !Number.isSafeInteger(ignoreIndex)) throw expected("an integer", "ignoreIndex", ignoreIndex);
    this.topK = topK;
    this.ignoreIndex = ignoreIndex;
  }

  reset(): void {
    this.#right = this.#samples = 0;
  }

  update(predictions: Tensor, targets: Tensor): void {
    torch.scope(() => {
      const { scores, labels } = checkClasses(predictions, targets, this.ignoreIndex);
      if (this.topK > scores.shape[1]!) throw expected(`at least ${this.topK} classes`, "predictions", scores.shape[1]);
      const best = this.topK === 1 ? scores.argmax(1, true) : scores.topk(this.topK, 1)[1];
      const right = best.eq(labels.unsqueeze(1)).any(1);
      const counted = this.ignoreIndex === null ? torch.onesLike(right) : labels.ne(this.ignoreIndex);
      this.#right += right.logicalAnd(counted).sum().item() as number;
      this.#samples += counted.sum().item() as number;
    });
  }

  compute(): number {
    return this.#right / this.#samples;
  }
}
