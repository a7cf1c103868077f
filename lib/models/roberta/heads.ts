import * as nn from "../../nn/index.js";
import type { Parameter } from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import type { BertInputs } from "../bert/model.js";
import { initialize } from "../initialize.js";
import { flattenChoices } from "../inputs.js";
import { LanguageModel } from "../language-model.js";
import { sequenceLoss, tokenLoss } from "../losses.js";
import { judged } from "../outputs.js";
import type { Judged, Labelled, LogitsOutput, MayBeLabelled, MayHaveSpan, SpanOutput, WithSpan } from "../outputs.js";
import { spanOutput } from "../span.js";
import { readRobertaConfig } from "./config.js";
import type { RobertaConfig, RobertaConfigInput } from "./config.js";
import { RobertaModel } from "./model.js";

/** Two layers with tanh between them on the first token's state, in place of BERT's pooler. */
class RobertaClassificationHead extends nn.Module {
  dense: nn.Linear;
  dropout: nn.Dropout;
  out_proj: nn.Linear;

  constructor(config: RobertaConfig) {
    super();
    this.dense = new nn.Linear(config.hiddenSize, config.hiddenSize);
    this.dropout = new nn.Dropout(config.classifierDropout ?? config.hiddenDropoutProb);
    this.out_proj = new nn.Linear(config.hiddenSize, config.numLabels);
    initialize(this, config.initializerRange);
  }

  /** @param states [batch, length, hiddenSize] @returns [batch, numLabels] */
  forward(states: Tensor): Tensor {
    const hidden = this.dense.forward(this.dropout.forward(states.select(1, 0))).tanh();
    return this.out_proj.forward(this.dropout.forward(hidden));
  }
}

/** RoBERTa that classifies sequences, or predicts numbers for them. */
export class RobertaForSequenceClassification extends LanguageModel<RobertaConfig> {
  roberta: RobertaModel;
  classifier: RobertaClassificationHead;

  constructor(config: RobertaConfigInput = {}) {
    super(readRobertaConfig("models.RobertaForSequenceClassification", config));
    this.roberta = new RobertaModel(this.config, { addPoolingLayer: false });
    this.classifier = new RobertaClassificationHead(this.options);
  }

  /**
   * @param inputs `labels`: see `sequenceLoss`
   * @returns logits [batch, numLabels]
   */
  forward(inputs: Labelled<BertInputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<BertInputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<BertInputs>): LogitsOutput {
    const { lastHiddenState, ...insights } = this.roberta.forward(inputs);
    const loss = (logits: Tensor, labels: Tensor) => sequenceLoss(logits, labels, this.options.problemType);
    return { ...judged(this.classifier.forward(lastHiddenState), labels, loss), ...insights };
  }
}

/** RoBERTa that chooses one of several continuations. */
export class RobertaForMultipleChoice extends LanguageModel<RobertaConfig> {
  roberta: RobertaModel;
  dropout: nn.Dropout;
  classifier: nn.Linear;

  constructor(config: RobertaConfigInput = {}) {
    super(readRobertaConfig("models.RobertaForMultipleChoice", config));
    this.roberta = new RobertaModel(this.config);
    this.dropout = new nn.Dropout(this.options.hiddenDropoutProb);
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
    const { choices, flat } = flattenChoices("models.RobertaForMultipleChoice", inputs);
    const { lastHiddenState: _, poolerOutput, ...insights } = this.roberta.forward(flat);
    const logits = this.classifier.forward(this.dropout.forward(poolerOutput!)).view([-1, choices]);
    return { ...judged(logits, labels, tokenLoss), ...insights };
  }
}

/** RoBERTa that classifies tokens. */
export class RobertaForTokenClassification extends LanguageModel<RobertaConfig> {
  roberta: RobertaModel;
  dropout: nn.Dropout;
  classifier: nn.Linear;

  constructor(config: RobertaConfigInput = {}) {
    super(readRobertaConfig("models.RobertaForTokenClassification", config));
    this.roberta = new RobertaModel(this.config, { addPoolingLayer: false });
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
    const { lastHiddenState, ...insights } = this.roberta.forward(inputs);
    const logits = this.classifier.forward(this.dropout.forward(lastHiddenState));
    return { ...judged(logits, labels, tokenLoss), ...insights };
  }
}

/** RoBERTa that finds the span of a text that answers a question. */
export class RobertaForQuestionAnswering extends LanguageModel<RobertaConfig> {
  roberta: RobertaModel;
  qa_outputs: nn.Linear;

  constructor(config: RobertaConfigInput = {}) {
    super(readRobertaConfig("models.RobertaForQuestionAnswering", config));
    this.roberta = new RobertaModel(this.config, { addPoolingLayer: false });
    this.qa_outputs = new nn.Linear(this.options.hiddenSize, 2);
    initialize(this.qa_outputs, this.options.initializerRange);
  }

  /** @param inputs `startPositions` and `endPositions` [batch], int64; places after the sequence's end do not count */
  forward(inputs: WithSpan<BertInputs>): Judged<SpanOutput>;
  forward(inputs: MayHaveSpan<BertInputs>): SpanOutput;
  forward({ startPositions, endPositions, ...inputs }: MayHaveSpan<BertInputs>): SpanOutput {
    const { lastHiddenState, ...insights } = this.roberta.forward(inputs);
    return { ...spanOutput(this.qa_outputs.forward(lastHiddenState), startPositions, endPositions), ...insights };
  }
}

class RobertaLMHead extends nn.Module {
  /** The decoder's bias: files hold it under both names, or under this one. */
  bias: Parameter;
  dense: nn.Linear;
  layer_norm: nn.LayerNorm;
  decoder: nn.Linear;

  constructor(config: RobertaConfig, words: nn.Embedding) {
    super();
    this.bias = nn.parameter(torch.zeros([config.vocabSize]));
    this.dense = new nn.Linear(config.hiddenSize, config.hiddenSize);
    this.layer_norm = new nn.LayerNorm(config.hiddenSize, config.layerNormEps);
    this.decoder = new nn.Linear(config.hiddenSize, config.vocabSize);
    initialize(this, config.initializerRange);
    if (!config.tieWordEmbeddings) return; // the decoder then has a bias of its own, and this one is not used
    this.decoder.weight = words.weight;
    this.decoder.bias = this.bias;
  }

  forward(states: Tensor): Tensor {
    return this.decoder.forward(this.layer_norm.forward(nn.functional.gelu(this.dense.forward(states))));
  }
}

/** RoBERTa that predicts masked tokens. The head's weights are the word embeddings. */
export class RobertaForMaskedLM extends LanguageModel<RobertaConfig> {
  roberta: RobertaModel;
  lm_head: RobertaLMHead;

  constructor(config: RobertaConfigInput = {}) {
    super(readRobertaConfig("models.RobertaForMaskedLM", config));
    this.roberta = new RobertaModel(this.config, { addPoolingLayer: false });
    this.lm_head = new RobertaLMHead(this.options, this.roberta.embeddings.word_embeddings);
  }

  /**
   * @param inputs `labels`: tokens [batch, length], int64, -100 for places that do not count
   * @returns logits [batch, length, vocabSize]
   */
  forward(inputs: Labelled<BertInputs>): Judged<LogitsOutput>;
  forward(inputs: MayBeLabelled<BertInputs>): LogitsOutput;
  forward({ labels, ...inputs }: MayBeLabelled<BertInputs>): LogitsOutput {
    const { lastHiddenState, ...insights } = this.roberta.forward(inputs);
    return { ...judged(this.lm_head.forward(lastHiddenState), labels, tokenLoss), ...insights };
  }
}
