import { expected } from "../../errors.js";
import * as nn from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { additiveMask } from "../attention.js";
import { BertEncoder, BertPooler } from "../bert/layers.js";
import { BertEmbeddings, bertKeys, checkLength } from "../bert/model.js";
import type { BertInputs, BertOutput } from "../bert/model.js";
import { initialize } from "../initialize.js";
import { checkInputs } from "../inputs.js";
import { LanguageModel } from "../language-model.js";
import { readRobertaConfig } from "./config.js";
import type { RobertaConfig, RobertaConfigInput } from "./config.js";

/** BERT's embeddings, but for the places: they are counted from padTokenId + 1, and padding has the place padTokenId. */
class RobertaEmbeddings extends BertEmbeddings {
  readonly padding: number;

  constructor(config: RobertaConfig) {
    super(config);
    this.padding = config.padTokenId!;
    this.position_embeddings = new nn.Embedding(config.maxPositionEmbeddings, config.hiddenSize, { paddingIdx: this.padding });
  }

  protected override places({ inputIds }: BertInputs, length: number): Tensor {
    const { weight, numEmbeddings } = this.position_embeddings;
    const first = this.padding + 1;
    checkLength(length, numEmbeddings - first);
    if (!inputIds) return weight.narrow(0, first, length);
    const real = inputIds.ne(this.padding).to("int64");
    return this.position_embeddings.forward(real.cumsum(1).mul(real).add(this.padding));
  }
}

/**
 * RoBERTa's encoder: BERT's, trained longer, with other places. arXiv 1907.11692.
 *
 * @example const { lastHiddenState } = new RobertaModel({ numHiddenLayers: 2 }).forward({ inputIds, attentionMask });
 */
export class RobertaModel extends LanguageModel<RobertaConfig> {
  embeddings: RobertaEmbeddings;
  encoder: BertEncoder;
  pooler: BertPooler | null;

  /**
   * @param config options in camelCase, or the content of a config.json
   * @param options `addPoolingLayer` (true by default): whether there is a pooler
   */
  constructor(config: RobertaConfigInput = {}, { addPoolingLayer = true } = {}) {
    super(readRobertaConfig("models.RobertaModel", config));
    if (this.options.padTokenId === null) throw expected("a token", "padTokenId of models.RobertaModel", null, "Places are counted from it.");
    this.embeddings = new RobertaEmbeddings(this.options);
    this.encoder = new BertEncoder(this.options);
    this.pooler = addPoolingLayer ? new BertPooler(this.options) : null;
    initialize(this, this.options.initializerRange);
  }

  /** @param inputs `positionIds` left out are counted, padding apart, from the tokens */
  forward(inputs: BertInputs): BertOutput {
    checkInputs("models.RobertaModel", inputs, bertKeys);
    const { attentionMask, outputAttentions = false, outputHiddenStates = false } = inputs;
    const embeddings = this.embeddings.forward(inputs);
    const states = this.encoder.forward(embeddings, { mask: additiveMask(attentionMask, embeddings.dtype), outputAttentions, outputHiddenStates });
    return this.pooler === null ? states : { ...states, poolerOutput: this.pooler.forward(states.lastHiddenState) };
  }
}
