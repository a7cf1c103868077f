import { expectedTensor } from "../errors.js";
import * as nn from "../nn/index.js";
import type { Tensor } from "../tensor.js";

// The losses that Hugging Face's heads compute of their labels.

/** What kind of labels a sequence classifier has. */
export type ProblemType = "regression" | "single_label_classification" | "multi_label_classification";

const { crossEntropy, mseLoss, binaryCrossEntropyWithLogits } = nn.functional;

/** Losses of half precision are computed in float32. */
function precise(logits: Tensor): Tensor {
  return logits.dtype === "bfloat16" || logits.dtype === "float16" ? logits.to("float32") : logits;
}

/**
 * The loss of a classifier of sequences.
 *
 * @param logits [batch, numLabels]
 * @param labels class numbers [batch]; for several labels at once 0 or 1 [batch, numLabels]; for a regression numbers
 *   [batch] or [batch, numLabels]
 * @param problemType null to tell it from the labels: one label is a regression, integers are classes, else several labels
 */
export function sequenceLoss(logits: Tensor, labels: Tensor, problemType: ProblemType | null): Tensor {
  const count = logits.shape[1]!;
  const output = precise(logits);
  const told = count === 1 ? "regression" : /int/.test(labels.dtype) ? "single_label_classification" : "multi_label_classification";
  switch (problemType ?? told) {
    case "regression":
      return count === 1 ? mseLoss(output.flatten(), labels.flatten().to(output.dtype)) : mseLoss(output, labels.to(output.dtype));
    case "single_label_classification":
      return crossEntropy(output, labels.flatten());
    case "multi_label_classification":
      return binaryCrossEntropyWithLogits(output, labels.to(output.dtype));
  }
}

/**
 * The loss of tokens. A label of -100 does not count.
 *
 * @param logits [..., classes]
 * @param labels class numbers [...]
 */
export function tokenLoss(logits: Tensor, labels: Tensor): Tensor {
  return crossEntropy(precise(logits).flatten(0, -2), labels.flatten());
}

/** The loss of the next tokens: the logits at a place are judged by the label after it. @param logits [batch, length, classes] */
export function nextTokenLoss(logits: Tensor, labels: Tensor): Tensor {
  const length = labels.shape[1]!;
  if (length < 2) throw expectedTensor("at least 2 tokens", "labels", labels, "The first token is predicted by none.");
  return tokenLoss(logits.narrow(1, 0, length - 1), labels.narrow(1, 1, length - 1));
}

/**
 * The loss of spans: the mean of the cross entropies of their first and of their last token. Positions after the end of the
 * sequence do not count.
 *
 * @param startLogits [batch, length]
 * @param endLogits [batch, length]
 * @param startPositions [batch] or [batch, 1]
 * @param endPositions [batch] or [batch, 1]
 */
export function spanLoss(startLogits: Tensor, endLogits: Tensor, startPositions: Tensor, endPositions: Tensor): Tensor {
  const length = startLogits.shape[1]!;
  const loss = (logits: Tensor, positions: Tensor) => crossEntropy(precise(logits), positions.flatten().clamp(0, length), { ignoreIndex: length });
  return loss(startLogits, startPositions).add(loss(endLogits, endPositions)).div(2);
}
