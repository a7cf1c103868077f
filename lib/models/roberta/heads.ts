import * as nn from "../../nn/index.js";
import type { Parameter } from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import type { BertInputs } from "../bert/model.js";
import { MultipleChoice, SequenceClassification, SpanPrediction, TokenPrediction } from "../heads.js";
import type { Encoded } from "../heads.js";
import { initialize } from "../initialize.js";
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
export class RobertaForSequenceClassification extends SequenceClassification<RobertaConfig, BertInputs> {
  roberta: RobertaModel;
  classifier: RobertaClassificationHead;

  constructor(config: RobertaConfigInput = {}) {
    super(readRobertaConfig("models.RobertaForSequenceClassification", config));
    this.roberta = new RobertaModel(this.config, { addPoolingLayer: false });
    this.classifier = new RobertaClassificationHead(this.options);
  }

  protected encode(inputs: BertInputs): Encoded {
    return this.roberta.forward(inputs);
  }

  protected score({ lastHiddenState }: Encoded): Tensor {
    return this.classifier.forward(lastHiddenState);
  }
}

/** RoBERTa that chooses one of several continuations. */
export class RobertaForMultipleChoice extends MultipleChoice<RobertaConfig, BertInputs> {
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

  protected encode(inputs: BertInputs): Encoded {
    return this.roberta.forward(inputs);
  }

  protected score({ poolerOutput }: Encoded): Tensor {
    return this.classifier.forward(this.dropout.forward(poolerOutput!));
  }
}

/** RoBERTa that classifies tokens. */
export class RobertaForTokenClassification extends TokenPrediction<RobertaConfig, BertInputs> {
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

  protected encode(inputs: BertInputs): Encoded {
    return this.roberta.forward(inputs);
  }

  protected score({ lastHiddenState }: Encoded): Tensor {
    return this.classifier.forward(this.dropout.forward(lastHiddenState));
  }
}

/** RoBERTa that finds the span of a text that answers a question. */
export class RobertaForQuestionAnswering extends SpanPrediction<RobertaConfig, BertInputs> {
  roberta: RobertaModel;
  qa_outputs: nn.Linear;

  constructor(config: RobertaConfigInput = {}) {
    super(readRobertaConfig("models.RobertaForQuestionAnswering", config));
    this.roberta = new RobertaModel(this.config, { addPoolingLayer: false });
    this.qa_outputs = new nn.Linear(this.options.hiddenSize, 2);
    initialize(this.qa_outputs, this.options.initializerRange);
  }

  protected encode(inputs: BertInputs): Encoded {
    return this.roberta.forward(inputs);
  }

  protected score({ lastHiddenState }: Encoded): Tensor {
    return this.qa_outputs.forward(lastHiddenState);
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
export class RobertaForMaskedLM extends TokenPrediction<RobertaConfig, BertInputs> {
  roberta: RobertaModel;
  lm_head: RobertaLMHead;

  constructor(config: RobertaConfigInput = {}) {
    super(readRobertaConfig("models.RobertaForMaskedLM", config));
    this.roberta = new RobertaModel(this.config, { addPoolingLayer: false });
    this.lm_head = new RobertaLMHead(this.options, this.roberta.embeddings.word_embeddings);
  }

  protected encode(inputs: BertInputs): Encoded {
    return this.roberta.forward(inputs);
  }

  protected score({ lastHiddenState }: Encoded): Tensor {
    return this.lm_head.forward(lastHiddenState);
  }
}
