import type { Tensor } from "../tensor.js";
import { flattenChoices } from "./inputs.js";
import type { EncoderInputs } from "./inputs.js";
import { LanguageModel } from "./language-model.js";
import { sequenceLoss, tokenLoss } from "./losses.js";
import type { ProblemType } from "./losses.js";
import { judged } from "./outputs.js";
import type { Insights, Judged, Labelled, LogitsOutput, MayBeLabelled, MayHaveSpan, SpanOutput, WithSpan } from "./outputs.js";
import { spanOutput } from "./span.js";

// What the heads of BERT, RoBERTa and DistilBERT have in common: how inputs go in, and what comes out. A model says how it encodes
// and how it scores; its layers keep Hugging Face's names.

/** What an encoder hands to a head. */
export interface Encoded extends Insights {
  /** [batch, length, hiddenSize] */
  lastHiddenState: Tensor;
  /** [batch, hiddenSize] */
  poolerOutput?: Tensor;
}

/** An encoder and a head on it. */
abstract class EncoderHead<Options, Inputs extends EncoderInputs> extends LanguageModel<Options> {
  protected abstract encode(inputs: Inputs): Encoded;
  /** The head's scores, of the shape that its kind wants. */
  protected abstract score(encoded: Encoded): Tensor;

  /** @returns the scores, and what the encoder told besides */
  protected run(inputs: Inputs): { scores: Tensor; insights: Insights } {
    const encoded = this.encode(inputs);
    const { lastHiddenState: _, poolerOutput: __, ...insights } = encoded;
    return { scores: this.score(encoded), insights };
  }
}

/** Classifies sequences, or predicts numbers for them. Scores [batch, numLabels]. */
export abstract class SequenceClassification<Options extends { problemType: ProblemType | null }, Inputs extends EncoderInputs> extends EncoderHead<Options, Inputs> {
  /**
   * @param inputs `labels`: see `sequenceLoss`
   * @returns logits [batch, numLabels]
   */
  forward(inputs: Labelled<Inputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<Inputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<Inputs>): LogitsOutput {
    const { scores, insights } = this.run(inputs as unknown as Inputs);
    return { ...judged(scores, labels, (logits, labels) => sequenceLoss(logits, labels, this.options.problemType)), ...insights };
  }
}

/** Predicts something of each token: a class, or the word that was masked. Scores [batch, length, numLabels or vocabSize]. */
export abstract class TokenPrediction<Options, Inputs extends EncoderInputs> extends EncoderHead<Options, Inputs> {
  /**
   * @param inputs `labels`: classes or words [batch, length], int64, -100 for places that do not count
   * @returns logits [batch, length, numLabels], or [batch, length, vocabSize] for words
   */
  forward(inputs: Labelled<Inputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<Inputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<Inputs>): LogitsOutput {
    const { scores, insights } = this.run(inputs as unknown as Inputs);
    return { ...judged(scores, labels, tokenLoss), ...insights };
  }
}

/** Chooses one of several continuations: each is read by itself, and the highest score wins. Scores [batch · choices, 1]. */
export abstract class MultipleChoice<Options, Inputs extends EncoderInputs> extends EncoderHead<Options, Inputs> {
  /**
   * @param inputs with a dimension of choices after the first: inputIds [batch, choices, length]; `labels` [batch], int64
   * @returns logits [batch, choices]
   */
  forward(inputs: Labelled<Inputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<Inputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<Inputs>): LogitsOutput {
    const { choices, flat } = flattenChoices(`models.${this.constructor.name}`, inputs as unknown as Inputs);
    const { scores, insights } = this.run(flat);
    return { ...judged(scores.view([-1, choices]), labels, tokenLoss), ...insights };
  }
}

/** Finds the span of a text that answers a question. Scores [batch, length, 2]: to be its first token, and its last. */
export abstract class SpanPrediction<Options, Inputs extends EncoderInputs> extends EncoderHead<Options, Inputs> {
  /** @param inputs `startPositions` and `endPositions` [batch], int64; places after the sequence's end do not count */
  forward(inputs: WithSpan<Inputs>): Judged<SpanOutput>;
  forward(inputs: MayHaveSpan<Inputs>): SpanOutput;
  forward({ startPositions, endPositions, ...inputs }: MayHaveSpan<Inputs>): SpanOutput {
    const { scores, insights } = this.run(inputs as unknown as Inputs);
    return { ...spanOutput(scores, startPositions, endPositions), ...insights };
  }
}
