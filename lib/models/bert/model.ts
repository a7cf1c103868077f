import { expected } from "../../errors.js";
import * as nn from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { additiveMask } from "../attention.js";
import { initialize } from "../initialize.js";
import { checkInputs, encoderKeys } from "../inputs.js";
import type { EncoderInputs } from "../inputs.js";
import { LanguageModel } from "../language-model.js";
import { readBertConfig } from "./config.js";
import type { BertConfig, BertConfigInput } from "./config.js";
import { BertEncoder, BertPooler } from "./layers.js";
import type { EncoderStates } from "./layers.js";

/** What BERT reads. */
export interface BertInputs extends EncoderInputs {
  /** 0 for tokens of the first text and 1 for those of the second, [batch, length], int64; all 0 if left out. */
  tokenTypeIds?: Tensor | null;
}

/** What BERT makes of a sequence. */
export interface BertOutput extends EncoderStates {
  /** The first token's state through the pooler, [batch, hiddenSize]; absent in models without one. */
  poolerOutput?: Tensor;
}

export const bertKeys = [...encoderKeys, "tokenTypeIds"];

/** The sum of a token's, a place's and a text's vector. */
export class BertEmbeddings extends nn.Module {
  word_embeddings: nn.Embedding;
  position_embeddings: nn.Embedding;
  token_type_embeddings: nn.Embedding;
  LayerNorm: nn.LayerNorm;
  dropout: nn.Dropout;

  constructor(config: BertConfig) {
    super();
    const { hiddenSize } = config;
    this.word_embeddings = new nn.Embedding(config.vocabSize, hiddenSize, { paddingIdx: config.padTokenId });
    this.position_embeddings = new nn.Embedding(config.maxPositionEmbeddings, hiddenSize);
    this.token_type_embeddings = new nn.Embedding(config.typeVocabSize, hiddenSize);
    this.LayerNorm = new nn.LayerNorm(hiddenSize, config.layerNormEps);
    this.dropout = new nn.Dropout(config.hiddenDropoutProb);
  }

  /** @returns [batch, length, hiddenSize] */
  forward(inputs: BertInputs): Tensor {
    const { inputIds, inputsEmbeds, tokenTypeIds, positionIds } = inputs;
    const words = inputsEmbeds ?? this.word_embeddings.forward(inputIds!);
    const types = tokenTypeIds ? this.token_type_embeddings.forward(tokenTypeIds) : this.token_type_embeddings.weight.select(0, 0);
    const positions = positionIds ? this.position_embeddings.forward(positionIds) : this.places(inputs, words.shape[1]!);
    return this.dropout.forward(this.LayerNorm.forward(words.add(types).add(positions)));
  }

  /** The vectors of the places of tokens, counted from 0: [length, hiddenSize]. */
  protected places(_inputs: BertInputs, length: number): Tensor {
    const { weight, numEmbeddings } = this.position_embeddings;
    checkLength(length, numEmbeddings);
    return weight.narrow(0, 0, length);
  }
}

/** @throws SteppeError `ARGUMENT` for a sequence that is longer than the model's places */
export function checkLength(length: number, most: number): void {
  if (length > most) throw expected(`at most ${most} tokens (maxPositionEmbeddings)`, "the length of the sequence", length);
}

/**
 * BERT's encoder. arXiv 1810.04805.
 *
 * @example
 * const bert = new BertModel({ vocabSize: 1000, hiddenSize: 128, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 512 });
 * const { lastHiddenState, poolerOutput } = bert.forward({ inputIds, attentionMask });
 */
export class BertModel extends LanguageModel<BertConfig> {
  embeddings: BertEmbeddings;
  encoder: BertEncoder;
  pooler: BertPooler | null;

  /**
   * @param config options in camelCase, or the content of a config.json
   * @param options `addPoolingLayer` (true by default): whether there is a pooler
   */
  constructor(config: BertConfigInput = {}, { addPoolingLayer = true } = {}) {
    super(readBertConfig("models.BertModel", config));
    this.embeddings = new BertEmbeddings(this.options);
    this.encoder = new BertEncoder(this.options);
    this.pooler = addPoolingLayer ? new BertPooler(this.options) : null;
    initialize(this, this.options.initializerRange);
  }

  forward(inputs: BertInputs): BertOutput {
    checkInputs("models.BertModel", inputs, bertKeys);
    const { attentionMask, outputAttentions = false, outputHiddenStates = false } = inputs;
    const embeddings = this.embeddings.forward(inputs);
    const states = this.encoder.forward(embeddings, { mask: additiveMask(attentionMask, embeddings.dtype), outputAttentions, outputHiddenStates });
    return this.pooler === null ? states : { ...states, poolerOutput: this.pooler.forward(states.lastHiddenState) };
  }
}
