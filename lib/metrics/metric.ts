import type { Tensor } from "../tensor.js";

/** A number about a whole set, of predictions and targets that come in batches. */
export interface Metric {
  /** Forgets everything. */
  reset(): void;
  /** Takes the predictions and targets of a batch in. Their shapes are each metric's own. */
  update(predictions: Tensor, targets: Tensor): void;
  /** The metric over everything since the last reset; NaN if there was nothing. */
  compute(): number;
}
