import { checkFlag, checkInteger } from "../checks.js";
import { checkKeys } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { checkClasses } from "./classification.js";
import type { Metric } from "./metric.js";

/**
 * Expected calibration error (arXiv 1706.04599, section 2): samples are put into `bins` equal bins by the probability of their
 * predicted class; the mean distance of confidence and accuracy over the bins, weighted by their samples. From 0 to 1.
 *
 * Predictions: logits [N, classes], or probabilities with `probabilities: true`; labels [N].
 */
export class CalibrationError implements Metric {
  readonly bins: number;
  readonly #probabilities: boolean;
  #counts: number[] = [];
  #confidence: number[] = [];
  #right: number[] = [];

  constructor(options: { bins?: number; probabilities?: boolean } = {}) {
    checkKeys(options, ["bins", "probabilities"]);
    const { bins = 15, probabilities = false } = options;
    checkInteger(bins, "bins", 1);
    checkFlag(probabilities, "probabilities");
    this.bins = bins;
    this.#probabilities = probabilities;
    this.reset();
  }

  reset(): void {
    [this.#counts, this.#confidence, this.#right] = [0, 1, 2].map(() => Array<number>(this.bins).fill(0)) as [number[], number[], number[]];
  }

  update(predictions: Tensor, targets: Tensor): void {
    torch.scope(() => {
      const { scores, labels } = checkClasses(predictions, targets);
      const wide = scores.to("float64");
      const [confidence, predicted] = (this.#probabilities ? wide : wide.softmax(1)).max(1) as [Tensor, Tensor];
      const right = predicted.eq(labels).toArray() as boolean[];
      (confidence.toArray() as number[]).forEach((value, i) => {
        // Bins are open below and closed above.
        const bin = Math.min(this.bins - 1, Math.max(0, Math.ceil(value * this.bins) - 1));
        this.#counts[bin]!++;
        this.#confidence[bin]! += value;
        this.#right[bin]! += right[i] ? 1 : 0;
      });
    });
  }

  compute(): number {
    const n = this.#counts.reduce((sum, count) => sum + count, 0);
    return this.#counts.reduce((sum, _, bin) => sum + Math.abs(this.#confidence[bin]! - this.#right[bin]!), 0) / n;
  }
}
