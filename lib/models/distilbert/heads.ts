import * as nn from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { activation } from "../activation.js";
import { MultipleChoice, SequenceClassification, SpanPrediction, TokenPrediction } from "../heads.js";
import type { Encoded } from "../heads.js";
import { initialize } from "../initialize.js";
import type { EncoderInputs } from "../inputs.js";
import { readDistilBertConfig } from "./config.js";
import type { DistilBertConfig, DistilBertConfigInput } from "./config.js";
import { DistilBertModel } from "./model.js";

/** DistilBERT that classifies sequences, or predicts numbers for them. */
export class DistilBertForSequenceClassification extends SequenceClassification<DistilBertConfig, EncoderInputs> {
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

  protected encode(inputs: EncoderInputs): Encoded {
    return this.distilbert.forward(inputs);
  }

  protected score({ lastHiddenState }: Encoded): Tensor {
    return this.classifier.forward(this.dropout.forward(this.pre_classifier.forward(lastHiddenState.select(1, 0)).relu()));
  }
}

/** DistilBERT that chooses one of several continuations. */
export class DistilBertForMultipleChoice extends MultipleChoice<DistilBertConfig, EncoderInputs> {
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

  protected encode(inputs: EncoderInputs): Encoded {
    return this.distilbert.forward(inputs);
  }

  protected score({ lastHiddenState }: Encoded): Tensor {
    return this.classifier.forward(this.dropout.forward(this.pre_classifier.forward(lastHiddenState.select(1, 0)).relu()));
  }
}

/** DistilBERT that classifies tokens. */
export class DistilBertForTokenClassification extends TokenPrediction<DistilBertConfig, EncoderInputs> {
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

  protected encode(inputs: EncoderInputs): Encoded {
    return this.distilbert.forward(inputs);
  }

  protected score({ lastHiddenState }: Encoded): Tensor {
    return this.classifier.forward(this.dropout.forward(lastHiddenState));
  }
}

/** DistilBERT that finds the span of a text that answers a question. */
export class DistilBertForQuestionAnswering extends SpanPrediction<DistilBertConfig, EncoderInputs> {
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

  protected encode(inputs: EncoderInputs): Encoded {
    return this.distilbert.forward(inputs);
  }

  protected score({ lastHiddenState }: Encoded): Tensor {
    return this.qa_outputs.forward(this.dropout.forward(lastHiddenState));
  }
}

/** DistilBERT that predicts masked tokens. The head's weights are the word embeddings. */
export class DistilBertForMaskedLM extends TokenPrediction<DistilBertConfig, EncoderInputs> {
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

  protected encode(inputs: EncoderInputs): Encoded {
    return this.distilbert.forward(inputs);
  }

  protected score({ lastHiddenState }: Encoded): Tensor {
    return this.vocab_projector.forward(this.vocab_layer_norm.forward(this.#activate(this.vocab_transform.forward(lastHiddenState))));
  }
}
