import * as nn from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { activation } from "../activation.js";
import { initialize } from "../initialize.js";
import { flattenChoices } from "../inputs.js";
import type { EncoderInputs } from "../inputs.js";
import { LanguageModel } from "../language-model.js";
import { sequenceLoss, tokenLoss } from "../losses.js";
import { judged } from "../outputs.js";
import type { Judged, Labelled, LogitsOutput, MayBeLabelled, MayHaveSpan, SpanOutput, WithSpan } from "../outputs.js";
import { spanOutput } from "../span.js";
import { readDistilBertConfig } from "./config.js";
import type { DistilBertConfig, DistilBertConfigInput } from "./config.js";
import { DistilBertModel } from "./model.js";

/** DistilBERT that classifies sequences, or predicts numbers for them. */
export class DistilBertForSequenceClassification extends LanguageModel<DistilBertConfig> {
  distilbert: DistilBertModel;
  pre_classifier: nn.Linear;
  classifier: nn.Linear;
  dropout: nn.Dropout;

  constructor(config: DistilBertConfigInput = {}) {
    super(readDistilBertConfig("models.DistilBertForSequenceClassification", config));
    const { dim, numLabels, seqClassifDropout, initializerRange } = this.options;
    this.distilbert = new DistilBertModel(this.config);
    this.pre_classifier = new nn.Linear(dim, dim);
    this.classifier = new nn.Linear(dim, numLabels);
    this.dropout = new nn.Dropout(seqClassifDropout);
    for (const layer of [this.pre_classifier, this.classifier]) initialize(layer, initializerRange);
  }

  /**
   * @param inputs `labels`: see `sequenceLoss`
   * @returns logits [batch, numLabels]
   */
  forward(inputs: Labelled<EncoderInputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<EncoderInputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<EncoderInputs>): LogitsOutput {
    const { lastHiddenState, ...insights } = this.distilbert.forward(inputs);
    const pooled = this.pre_classifier.forward(lastHiddenState.select(1, 0)).relu();
    const logits = this.classifier.forward(this.dropout.forward(pooled));
    return { ...judged(logits, labels, (logits, labels) => sequenceLoss(logits, labels, this.options.problemType)), ...insights };
  }
}

/** DistilBERT that chooses one of several continuations. */
export class DistilBertForMultipleChoice extends LanguageModel<DistilBertConfig> {
  distilbert: DistilBertModel;
  pre_classifier: nn.Linear;
  classifier: nn.Linear;
  dropout: nn.Dropout;

  constructor(config: DistilBertConfigInput = {}) {
    super(readDistilBertConfig("models.DistilBertForMultipleChoice", config));
    const { dim, seqClassifDropout, initializerRange } = this.options;
    this.distilbert = new DistilBertModel(this.config);
    this.pre_classifier = new nn.Linear(dim, dim);
    this.classifier = new nn.Linear(dim, 1);
    this.dropout = new nn.Dropout(seqClassifDropout);
    for (const layer of [this.pre_classifier, this.classifier]) initialize(layer, initializerRange);
  }

  /**
   * @param inputs with a dimension of choices after the first: inputIds [batch, choices, length]; `labels` [batch], int64
   * @returns logits [batch, choices]
   */
  forward(inputs: Labelled<EncoderInputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<EncoderInputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<EncoderInputs>): LogitsOutput {
    const { choices, flat } = flattenChoices("models.DistilBertForMultipleChoice", inputs);
    const { lastHiddenState, ...insights } = this.distilbert.forward(flat);
    const pooled = this.pre_classifier.forward(lastHiddenState.select(1, 0)).relu();
    const logits = this.classifier.forward(this.dropout.forward(pooled)).view([-1, choices]);
    return { ...judged(logits, labels, tokenLoss), ...insights };
  }
}

/** DistilBERT that classifies tokens. */
export class DistilBertForTokenClassification extends LanguageModel<DistilBertConfig> {
  distilbert: DistilBertModel;
  dropout: nn.Dropout;
  classifier: nn.Linear;

  constructor(config: DistilBertConfigInput = {}) {
    super(readDistilBertConfig("models.DistilBertForTokenClassification", config));
    this.distilbert = new DistilBertModel(this.config);
    this.dropout = new nn.Dropout(this.options.dropout);
    this.classifier = new nn.Linear(this.options.dim, this.options.numLabels);
    initialize(this.classifier, this.options.initializerRange);
  }

  /**
   * @param inputs `labels`: class numbers [batch, length], int64, -100 for tokens that do not count
   * @returns logits [batch, length, numLabels]
   */
  forward(inputs: Labelled<EncoderInputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<EncoderInputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<EncoderInputs>): LogitsOutput {
    const { lastHiddenState, ...insights } = this.distilbert.forward(inputs);
    const logits = this.classifier.forward(this.dropout.forward(lastHiddenState));
    return { ...judged(logits, labels, tokenLoss), ...insights };
  }
}

/** DistilBERT that finds the span of a text that answers a question. */
export class DistilBertForQuestionAnswering extends LanguageModel<DistilBertConfig> {
  distilbert: DistilBertModel;
  qa_outputs: nn.Linear;
  dropout: nn.Dropout;

  constructor(config: DistilBertConfigInput = {}) {
    super(readDistilBertConfig("models.DistilBertForQuestionAnswering", config));
    this.distilbert = new DistilBertModel(this.config);
    this.qa_outputs = new nn.Linear(this.options.dim, 2);
    this.dropout = new nn.Dropout(this.options.qaDropout);
    initialize(this.qa_outputs, this.options.initializerRange);
  }

  /** @param inputs `startPositions` and `endPositions` [batch], int64; places after the sequence's end do not count */
  forward(inputs: WithSpan<EncoderInputs>): Judged<SpanOutput>;
  forward(inputs: MayHaveSpan<EncoderInputs>): SpanOutput;
  forward({ startPositions, endPositions, ...inputs }: MayHaveSpan<EncoderInputs>): SpanOutput {
    const { lastHiddenState, ...insights } = this.distilbert.forward(inputs);
    const logits = this.qa_outputs.forward(this.dropout.forward(lastHiddenState));
    return { ...spanOutput(logits, startPositions, endPositions), ...insights };
  }
}

/** DistilBERT that predicts masked tokens. The head's weights are the word embeddings. */
export class DistilBertForMaskedLM extends LanguageModel<DistilBertConfig> {
  distilbert: DistilBertModel;
  vocab_transform: nn.Linear;
  vocab_layer_norm: nn.LayerNorm;
  vocab_projector: nn.Linear;
  readonly #activate: (x: Tensor) => Tensor;

  constructor(config: DistilBertConfigInput = {}) {
    super(readDistilBertConfig("models.DistilBertForMaskedLM", config));
    const { dim, vocabSize, activation: name, initializerRange, tieWordEmbeddings } = this.options;
    this.distilbert = new DistilBertModel(this.config);
    this.vocab_transform = new nn.Linear(dim, dim);
    this.vocab_layer_norm = new nn.LayerNorm(dim, 1e-12);
    this.vocab_projector = new nn.Linear(dim, vocabSize);
    this.#activate = activation(name, "activation");
    for (const layer of [this.vocab_transform, this.vocab_projector]) initialize(layer, initializerRange);
    if (tieWordEmbeddings) this.vocab_projector.weight = this.distilbert.embeddings.word_embeddings.weight;
  }

  /**
   * @param inputs `labels`: tokens [batch, length], int64, -100 for places that do not count
   * @returns logits [batch, length, vocabSize]
   */
  forward(inputs: Labelled<EncoderInputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<EncoderInputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<EncoderInputs>): LogitsOutput {
    const { lastHiddenState, ...insights } = this.distilbert.forward(inputs);
    const hidden = this.vocab_layer_norm.forward(this.#activate(this.vocab_transform.forward(lastHiddenState)));
    return { ...judged(this.vocab_projector.forward(hidden), labels, tokenLoss), ...insights };
  }
}
