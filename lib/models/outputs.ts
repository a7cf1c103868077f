import type { Tensor } from "../tensor.js";

/** What heads hand on from their encoder, if asked for. */
export interface Insights {
  /** The embeddings and the states after each layer, [batch, length, hiddenSize] each. */
  hiddenStates?: Tensor[];
  /** The attention weights of each layer, [batch, heads, queries, keys]. */
  attentions?: Tensor[];
}

/** What most heads return. */
export interface LogitsOutput extends Insights {
  /** Scores before softmax, in the shape that the model's description gives. */
  logits: Tensor;
  /** With labels: a scalar. */
  loss?: Tensor;
}

/** What heads for spans return. */
export interface SpanOutput extends Insights {
  /** Of each token to be the first of the span, [batch, length]. */
  startLogits: Tensor;
  /** Of each token to be the last of the span, [batch, length]. */
  endLogits: Tensor;
  /** With positions: a scalar. */
  loss?: Tensor;
}

/** An output with its loss. */
export type Judged<Output> = Output & { loss: Tensor };

/** Inputs with labels. */
export type Labelled<Inputs> = Inputs & { labels: Tensor };
/** Inputs that may have labels. */
export type MayBeLabelled<Inputs> = Inputs & { labels?: Tensor | null };

/** Inputs with the places of the first and of the last token of each span: [batch], int64. */
export type WithSpan<Inputs> = Inputs & { startPositions: Tensor; endPositions: Tensor };
/** Inputs that may have them. */
export type MayHaveSpan<Inputs> = Inputs & { startPositions?: Tensor | null; endPositions?: Tensor | null };

/** Logits, and their loss if there are labels. */
export function judged(logits: Tensor, labels: Tensor | null | undefined, loss: (logits: Tensor, labels: Tensor) => Tensor): LogitsOutput {
  return labels ? { loss: loss(logits, labels), logits } : { logits };
}
