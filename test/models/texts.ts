import { torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// Batches of small encoders: three sequences of up to seven tokens out of 50.

export const integers = (rows: readonly (readonly number[])[]): Tensor => torch.tensor(rows as number[][], { dtype: "int64" });

/** A batch with padding on the right. @param padding the token of padding */
export function paddedBatch(padding: number): { inputIds: Tensor; attentionMask: Tensor; tokenTypeIds: Tensor } {
  const inputIds = integers([[2, 7, 9, 13, 3, padding, padding], [2, 30, 41, 5, 6, 49, 3], [2, 8, 3, 11, 3, padding, padding]]);
  const attentionMask = integers([[1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0]]);
  const tokenTypeIds = integers([[0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0]]);
  return { inputIds, attentionMask, tokenTypeIds };
}

/** The same with a dimension of choices, one question with three of them. */
export function choicesOf<Batch extends Record<string, Tensor>>(batch: Batch): Batch {
  return Object.fromEntries(Object.entries(batch).map(([key, value]) => [key, value.unsqueeze(0)])) as Batch;
}

export const labels = {
  classes: torch.tensor([2, 0, 1]),
  numbers: torch.tensor([0.5, -1, 2]),
  several: torch.tensor([[1, 0, 1], [0, 0, 0], [0, 1, 0]], { dtype: "float32" }),
  /** The last start lies after the sequence's end. */
  spans: { startPositions: torch.tensor([1, 2, 12]), endPositions: torch.tensor([3, 6, 0]) },
  masked: integers([[-100, 7, -100, -100, 5, -100, -100], [-100, -100, 4, -100, -100, -100, -100], [-100, 9, -100, -100, -100, -100, -100]]),
  tokens: integers([[-100, 1, 2, 3, 4, -100, -100], [0, 0, 0, 1, 1, 2, -100], [4, 3, 2, 1, 0, -100, -100]]),
  choice: torch.tensor([2]),
};
