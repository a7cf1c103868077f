import { SteppeError } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { spanLoss } from "./losses.js";
import type { SpanOutput } from "./outputs.js";

/**
 * The two logits of each token, taken apart, and their loss if there are positions.
 *
 * @param logits [batch, length, 2]
 * @throws SteppeError `ARGUMENT` where one of the positions is given without the other
 */
export function spanOutput(logits: Tensor, startPositions: Tensor | null | undefined, endPositions: Tensor | null | undefined): SpanOutput {
  const output = { startLogits: logits.select(2, 0), endLogits: logits.select(2, 1) };
  if (!startPositions && !endPositions) return output;
  if (!startPositions || !endPositions) throw new SteppeError("ARGUMENT", "Expected startPositions and endPositions together but received one of them.");
  return { loss: spanLoss(output.startLogits, output.endLogits, startPositions, endPositions), ...output };
}
