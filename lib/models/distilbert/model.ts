import * as nn from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { activation } from "../activation.js";
import { additiveMask, attend, mergeHeads, splitHeads } from "../attention.js";
import { checkLength } from "../bert/model.js";
import type { EncoderStates, LayerSettings } from "../bert/layers.js";
import { initialize } from "../initialize.js";
import { checkInputs, encoderKeys } from "../inputs.js";
import type { EncoderInputs } from "../inputs.js";
import { LanguageModel } from "../language-model.js";
import { readDistilBertConfig } from "./config.js";
import type { DistilBertConfig, DistilBertConfigInput } from "./config.js";

const eps = 1e-12; // of all its norms

class Embeddings extends nn.Module {
  word_embeddings: nn.Embedding;
  position_embeddings: nn.Embedding;
  LayerNorm: nn.LayerNorm;
  dropout: nn.Dropout;

  constructor({ vocabSize, dim, padTokenId, maxPositionEmbeddings, dropout }: DistilBertConfig) {
    super();
    this.word_embeddings = new nn.Embedding(vocabSize, dim, { paddingIdx: padTokenId });
    this.position_embeddings = new nn.Embedding(maxPositionEmbeddings, dim);
    this.LayerNorm = new nn.LayerNorm(dim, eps);
    this.dropout = new nn.Dropout(dropout);
  }

  forward({ inputIds, inputsEmbeds, positionIds }: EncoderInputs): Tensor {
    const words = inputsEmbeds ?? this.word_embeddings.forward(inputIds!);
    const length = words.shape[1]!;
    const { weight, numEmbeddings } = this.position_embeddings;
    if (!positionIds) checkLength(length, numEmbeddings);
    const places = positionIds ? this.position_embeddings.forward(positionIds) : weight.narrow(0, 0, length);
    return this.dropout.forward(this.LayerNorm.forward(words.add(places)));
  }
}

class SelfAttention extends nn.Module {
  q_lin: nn.Linear;
  k_lin: nn.Linear;
  v_lin: nn.Linear;
  out_lin: nn.Linear;
  readonly heads: number;
  readonly scale: number;
  readonly attentionDropout: number;

  constructor({ dim, nHeads, attentionDropout }: DistilBertConfig) {
    super();
    this.q_lin = new nn.Linear(dim, dim);
    this.k_lin = new nn.Linear(dim, dim);
    this.v_lin = new nn.Linear(dim, dim);
    this.out_lin = new nn.Linear(dim, dim);
    this.heads = nHeads;
    this.scale = (dim / nHeads) ** -0.5;
    this.attentionDropout = attentionDropout;
  }

  forward(states: Tensor, { mask, outputAttentions }: LayerSettings): { context: Tensor; weights: Tensor | null } {
    const split = (projection: nn.Linear) => splitHeads(projection.forward(states), this.heads);
    const dropout = this.training ? this.attentionDropout : 0;
    const { context, weights } = attend(split(this.q_lin), split(this.k_lin), split(this.v_lin), { mask, scale: this.scale, dropout, outputAttentions });
    return { context: this.out_lin.forward(mergeHeads(context)), weights };
  }
}

class FeedForward extends nn.Module {
  dropout: nn.Dropout;
  lin1: nn.Linear;
  lin2: nn.Linear;
  readonly #activate: (x: Tensor) => Tensor;

  constructor({ dim, hiddenDim, dropout, activation: name }: DistilBertConfig) {
    super();
    this.dropout = new nn.Dropout(dropout);
    this.lin1 = new nn.Linear(dim, hiddenDim);
    this.lin2 = new nn.Linear(hiddenDim, dim);
    this.#activate = activation(name, "activation");
  }

  forward(states: Tensor): Tensor {
    return this.dropout.forward(this.lin2.forward(this.#activate(this.lin1.forward(states))));
  }
}

class TransformerBlock extends nn.Module {
  attention: SelfAttention;
  sa_layer_norm: nn.LayerNorm;
  ffn: FeedForward;
  output_layer_norm: nn.LayerNorm;

  constructor(config: DistilBertConfig) {
    super();
    this.attention = new SelfAttention(config);
    this.sa_layer_norm = new nn.LayerNorm(config.dim, eps);
    this.ffn = new FeedForward(config);
    this.output_layer_norm = new nn.LayerNorm(config.dim, eps);
  }

  forward(input: Tensor, settings: LayerSettings): { states: Tensor; weights: Tensor | null } {
    const { context, weights } = this.attention.forward(input, settings);
    const states = this.sa_layer_norm.forward(context.add(input));
    return { states: this.output_layer_norm.forward(this.ffn.forward(states).add(states)), weights };
  }
}

class Transformer extends nn.Module {
  layer: nn.ModuleList<TransformerBlock>;

  constructor(config: DistilBertConfig) {
    super();
    this.layer = new nn.ModuleList(Array.from({ length: config.nLayers }, () => new TransformerBlock(config)));
  }
}

/** Sines and cosines of the places, at frequencies that fall from 1 to 1/10000: [places, dim]. arXiv 1706.03762, section 3.5. */
function sinusoids(places: number, dim: number): Tensor {
  const angle = (place: number, i: number) => place / 10000 ** ((2 * Math.floor(i / 2)) / dim);
  const row = (place: number) => Array.from({ length: dim }, (_, i) => (i % 2 === 0 ? Math.sin(angle(place, i)) : Math.cos(angle(place, i))));
  return torch.tensor(Array.from({ length: places }, (_, place) => row(place)), { dtype: "float32" });
}

/**
 * DistilBERT's encoder: half of BERT's layers, no pooler, and no vectors for first and second texts. arXiv 1910.01108.
 *
 * @example const { lastHiddenState } = new DistilBertModel({ nLayers: 2 }).forward({ inputIds, attentionMask });
 */
export class DistilBertModel extends LanguageModel<DistilBertConfig> {
  embeddings: Embeddings;
  transformer: Transformer;

  /** @param config options in camelCase, or the content of a config.json */
  constructor(config: DistilBertConfigInput = {}) {
    super(readDistilBertConfig("models.DistilBertModel", config));
    this.embeddings = new Embeddings(this.options);
    this.transformer = new Transformer(this.options);
    initialize(this, this.options.initializerRange);
    const { sinusoidalPosEmbds, maxPositionEmbeddings, dim } = this.options;
    if (sinusoidalPosEmbds) this.embeddings.position_embeddings.weight.detach().copy_(sinusoids(maxPositionEmbeddings, dim));
  }

  forward(inputs: EncoderInputs): EncoderStates {
    checkInputs("models.DistilBertModel", inputs, encoderKeys);
    const { attentionMask, outputAttentions = false, outputHiddenStates = false } = inputs;
    let lastHiddenState = this.embeddings.forward(inputs);
    const settings = { mask: additiveMask(attentionMask, lastHiddenState.dtype), outputAttentions };
    const hiddenStates = [lastHiddenState];
    const attentions: Tensor[] = [];
    for (const block of this.transformer.layer) {
      const { states, weights } = block.forward(lastHiddenState, settings);
      lastHiddenState = states;
      hiddenStates.push(states);
      if (weights !== null) attentions.push(weights);
    }
    return { lastHiddenState, ...(outputHiddenStates ? { hiddenStates } : {}), ...(outputAttentions ? { attentions } : {}) };
  }
}
