import type { Tensor } from "../../tensor.js";
import type { Tokens } from "./scores.js";

/** A model that has read its prompt, and reads on one token at a time. Its rows are sequences. */
export interface Reader {
  /** The logits [rows, vocabulary] of what follows: after the whole prompt at first, then after one more token of each row. */
  next(rows: readonly Tokens[]): Tensor;
  /** Row i goes on from what row `rows[i]` was. */
  reorder(rows: readonly number[]): void;
}
