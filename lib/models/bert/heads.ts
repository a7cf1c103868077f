import * as nn from "../../nn/index.js";
import type { Parameter } from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { activation } from "../activation.js";
import { MultipleChoice, SequenceClassification, SpanPrediction, TokenPrediction } from "../heads.js";
import type { Encoded } from "../heads.js";
import { initialize } from "../initialize.js";
import { readBertConfig } from "./config.js";
import type { BertConfig, BertConfigInput } from "./config.js";
import { BertModel } from "./model.js";
import type { BertInputs } from "./model.js";

/** BERT that classifies sequences, or predicts numbers for them. */
export class BertForSequenceClassification extends SequenceClassification<BertConfig, BertInputs> {
  bert: BertModel;
  dropout: nn.Dropout;
  classifier: nn.Linear;

  constructor(config: BertConfigInput = {}) {
    super(readBertConfig("models.BertForSequenceClassification", config));
    this.bert = new BertModel(this.config);
    this.dropout = new nn.Dropout(this.options.classifierDropout ?? this.options.hiddenDropoutProb);
    this.classifier = new nn.Linear(this.options.hiddenSize, this.options.numLabels);
    initialize(this.classifier, this.options.initializerRange);
  }

  protected encode(inputs: BertInputs): Encoded {
    return this.bert.forward(inputs);
  }

  protected score({ poolerOutput }: Encoded): Tensor {
    return this.classifier.forward(this.dropout.forward(poolerOutput!));
  }
}

/** BERT that chooses one of several continuations: each is read by itself, and the highest score wins. */
export class BertForMultipleChoice extends MultipleChoice<BertConfig, BertInputs> {
  bert: BertModel;
  dropout: nn.Dropout;
  classifier: nn.Linear;

  constructor(config: BertConfigInput = {}) {
    super(readBertConfig("models.BertForMultipleChoice", config));
    this.bert = new BertModel(this.config);
    this.dropout = new nn.Dropout(this.options.classifierDropout ?? this.options.hiddenDropoutProb);
    this.classifier = new nn.Linear(this.options.hiddenSize, 1);
    initialize(this.classifier, this.options.initializerRange);
  }

  protected encode(inputs: BertInputs): Encoded {
    return this.bert.forward(inputs);
  }

  protected score({ poolerOutput }: Encoded): Tensor {
    return this.classifier.forward(this.dropout.forward(poolerOutput!));
  }
}

/** BERT that classifies tokens. */
export class BertForTokenClassification extends TokenPrediction<BertConfig, BertInputs> {
  bert: BertModel;
  dropout: nn.Dropout;
  classifier: nn.Linear;

  constructor(config: BertConfigInput = {}) {
    super(readBertConfig("models.BertForTokenClassification", config));
    this.bert = new BertModel(this.config, { addPoolingLayer: false });
    this.dropout = new nn.Dropout(this.options.classifierDropout ?? this.options.hiddenDropoutProb);
    this.classifier = new nn.Linear(this.options.hiddenSize, this.options.numLabels);
    initialize(this.classifier, this.options.initializerRange);
  }

  protected encode(inputs: BertInputs): Encoded {
    return this.bert.forward(inputs);
  }

  protected score({ lastHiddenState }: Encoded): Tensor {
    return this.classifier.forward(this.dropout.forward(lastHiddenState));
  }
}

/** BERT that finds the span of a text that answers a question. */
export class BertForQuestionAnswering extends SpanPrediction<BertConfig, BertInputs> {
  bert: BertModel;
  qa_outputs: nn.Linear;

  constructor(config: BertConfigInput = {}) {
    super(readBertConfig("models.BertForQuestionAnswering", config));
    this.bert = new BertModel(this.config, { addPoolingLayer: false });
    this.qa_outputs = new nn.Linear(this.options.hiddenSize, 2);
    initialize(this.qa_outputs, this.options.initializerRange);
  }

  protected encode(inputs: BertInputs): Encoded {
    return this.bert.forward(inputs);
  }

  protected score({ lastHiddenState }: Encoded): Tensor {
    return this.qa_outputs.forward(lastHiddenState);
  }
}

class BertPredictionTransform extends nn.Module {
  dense: nn.Linear;
  LayerNorm: nn.LayerNorm;
  readonly #activate: (x: Tensor) => Tensor;

  constructor({ hiddenSize, layerNormEps, hiddenAct }: BertConfig) {
    super();
    this.dense = new nn.Linear(hiddenSize, hiddenSize);
    this.LayerNorm = new nn.LayerNorm(hiddenSize, layerNormEps);
    this.#activate = activation(hiddenAct, "hiddenAct");
  }

  forward(states: Tensor): Tensor {
    return this.LayerNorm.forward(this.#activate(this.dense.forward(states)));
  }
}

class BertPredictions extends nn.Module {
  /** The decoder's bias: files hold it under both names, or under this one. */
  bias: Parameter;
  transform: BertPredictionTransform;
  decoder: nn.Linear;

  constructor(config: BertConfig, words: nn.Embedding) {
    super();
    this.bias = nn.parameter(torch.zeros([config.vocabSize]));
    this.transform = new BertPredictionTransform(config);
    this.decoder = new nn.Linear(config.hiddenSize, config.vocabSize);
    initialize(this, config.initializerRange);
    if (!config.tieWordEmbeddings) return; // the decoder then has a bias of its own, and this one is not used
    this.decoder.weight = words.weight;
    this.decoder.bias = this.bias;
  }

  forward(states: Tensor): Tensor {
    return this.decoder.forward(this.transform.forward(states));
  }
}

class BertMaskedHead extends nn.Module {
  predictions: BertPredictions;

  constructor(config: BertConfig, words: nn.Embedding) {
    super();
    this.predictions = new BertPredictions(config, words);
  }
}

/** BERT that predicts masked tokens. The head's weights are the word embeddings. */
export class BertForMaskedLM extends TokenPrediction<BertConfig, BertInputs> {
  bert: BertModel;
  cls: BertMaskedHead;

  constructor(config: BertConfigInput = {}) {
    super(readBertConfig("models.BertForMaskedLM", config));
    this.bert = new BertModel(this.config, { addPoolingLayer: false });
    this.cls = new BertMaskedHead(this.options, this.bert.embeddings.word_embeddings);
  }

  protected encode(inputs: BertInputs): Encoded {
    return this.bert.forward(inputs);
  }

  protected score({ lastHiddenState }: Encoded): Tensor {
    return this.cls.predictions.forward(lastHiddenState);
  }
}
