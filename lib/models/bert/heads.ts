import * as nn from "../../nn/index.js";
import type { Parameter } from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { activation } from "../activation.js";
import { initialize } from "../initialize.js";
import { flattenChoices } from "../inputs.js";
import { LanguageModel } from "../language-model.js";
import { sequenceLoss, tokenLoss } from "../losses.js";
import { judged } from "../outputs.js";
import type { Judged, Labelled, LogitsOutput, MayBeLabelled, MayHaveSpan, SpanOutput, WithSpan } from "../outputs.js";
import { spanOutput } from "../span.js";
import { readBertConfig } from "./config.js";
import type { BertConfig, BertConfigInput } from "./config.js";
import { BertModel } from "./model.js";
import type { BertInputs } from "./model.js";

/** BERT that classifies sequences, or predicts numbers for them. */
export class BertForSequenceClassification extends LanguageModel<BertConfig> {
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

  /**
   * @param inputs `labels`: see `sequenceLoss`
   * @returns logits [batch, numLabels]
   */
  forward(inputs: Labelled<BertInputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<BertInputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<BertInputs>): LogitsOutput {
    const { lastHiddenState: _, poolerOutput, ...insights } = this.bert.forward(inputs);
    const logits = this.classifier.forward(this.dropout.forward(poolerOutput!));
    return { ...judged(logits, labels, (logits, labels) => sequenceLoss(logits, labels, this.options.problemType)), ...insights };
  }
}

/** BERT that chooses one of several continuations: each is read by itself, and the highest score wins. */
export class BertForMultipleChoice extends LanguageModel<BertConfig> {
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

  /**
   * @param inputs with a dimension of choices after the first: inputIds [batch, choices, length]; `labels` [batch], int64
   * @returns logits [batch, choices]
   */
  forward(inputs: Labelled<BertInputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<BertInputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<BertInputs>): LogitsOutput {
    const { choices, flat } = flattenChoices("models.BertForMultipleChoice", inputs);
    const { lastHiddenState: _, poolerOutput, ...insights } = this.bert.forward(flat);
    const logits = this.classifier.forward(this.dropout.forward(poolerOutput!)).view([-1, choices]);
    return { ...judged(logits, labels, tokenLoss), ...insights };
  }
}

/** BERT that classifies tokens. */
export class BertForTokenClassification extends LanguageModel<BertConfig> {
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

  /**
   * @param inputs `labels`: class numbers [batch, length], int64, -100 for tokens that do not count
   * @returns logits [batch, length, numLabels]
   */
  forward(inputs: Labelled<BertInputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<BertInputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<BertInputs>): LogitsOutput {
    const { lastHiddenState, ...insights } = this.bert.forward(inputs);
    const logits = this.classifier.forward(this.dropout.forward(lastHiddenState));
    return { ...judged(logits, labels, tokenLoss), ...insights };
  }
}

/** BERT that finds the span of a text that answers a question. */
export class BertForQuestionAnswering extends LanguageModel<BertConfig> {
  bert: BertModel;
  qa_outputs: nn.Linear;

  constructor(config: BertConfigInput = {}) {
    super(readBertConfig("models.BertForQuestionAnswering", config));
    this.bert = new BertModel(this.config, { addPoolingLayer: false });
    this.qa_outputs = new nn.Linear(this.options.hiddenSize, 2);
    initialize(this.qa_outputs, this.options.initializerRange);
  }

  /** @param inputs `startPositions` and `endPositions` [batch], int64; places after the sequence's end do not count */
  forward(inputs: WithSpan<BertInputs>): Judged<SpanOutput>;
  forward(inputs: MayHaveSpan<BertInputs>): SpanOutput;
  forward({ startPositions, endPositions, ...inputs }: MayHaveSpan<BertInputs>): SpanOutput {
    const { lastHiddenState, ...insights } = this.bert.forward(inputs);
    return { ...spanOutput(this.qa_outputs.forward(lastHiddenState), startPositions, endPositions), ...insights };
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
export class BertForMaskedLM extends LanguageModel<BertConfig> {
  bert: BertModel;
  cls: BertMaskedHead;

  constructor(config: BertConfigInput = {}) {
    super(readBertConfig("models.BertForMaskedLM", config));
    this.bert = new BertModel(this.config, { addPoolingLayer: false });
    this.cls = new BertMaskedHead(this.options, this.bert.embeddings.word_embeddings);
  }

  /**
   * @param inputs `labels`: tokens [batch, length], int64, -100 for places that do not count
   * @returns logits [batch, length, vocabSize]
   */
  forward(inputs: Labelled<BertInputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<BertInputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<BertInputs>): LogitsOutput {
    const { lastHiddenState, ...insights } = this.bert.forward(inputs);
    return { ...judged(this.cls.predictions.forward(lastHiddenState), labels, tokenLoss), ...insights };
  }
}
