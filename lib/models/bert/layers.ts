import * as nn from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { activation } from "../activation.js";
import { attend, mergeHeads, splitHeads } from "../attention.js";
import type { BertConfig } from "./config.js";

// The layers of BERT's encoder: post-norm transformer layers. Properties have Hugging Face's names, so that state dicts fit.

/** What each layer is told besides its input. */
export interface LayerSettings {
  /** Added to the attention scores: see `additiveMask`. */
  mask: Tensor | null;
  outputAttentions: boolean;
}

class BertSelfAttention extends nn.Module {
  query: nn.Linear;
  key: nn.Linear;
  value: nn.Linear;
  readonly heads: number;
  readonly scale: number;
  readonly attentionDropout: number;

  constructor({ hiddenSize, numAttentionHeads, attentionProbsDropoutProb }: BertConfig) {
    super();
    this.query = new nn.Linear(hiddenSize, hiddenSize);
    this.key = new nn.Linear(hiddenSize, hiddenSize);
    this.value = new nn.Linear(hiddenSize, hiddenSize);
    this.heads = numAttentionHeads;
    this.scale = (hiddenSize / numAttentionHeads) ** -0.5;
    this.attentionDropout = attentionProbsDropoutProb;
  }

  /** [batch, length, hiddenSize], and the weights [batch, heads, length, length] if wanted. */
  forward(states: Tensor, { mask, outputAttentions }: LayerSettings): { context: Tensor; weights: Tensor | null } {
    const split = (projection: nn.Linear) => splitHeads(projection.forward(states), this.heads);
    const dropout = this.training ? this.attentionDropout : 0;
    const { context, weights } = attend(split(this.query), split(this.key), split(this.value), { mask, scale: this.scale, dropout, outputAttentions });
    return { context: mergeHeads(context), weights };
  }
}

/** A projection whose result is dropped out, added to what there was, and normalised. */
class BertResidual extends nn.Module {
  dense: nn.Linear;
  LayerNorm: nn.LayerNorm;
  dropout: nn.Dropout;

  constructor(inFeatures: number, { hiddenSize, layerNormEps, hiddenDropoutProb }: BertConfig) {
    super();
    this.dense = new nn.Linear(inFeatures, hiddenSize);
    this.LayerNorm = new nn.LayerNorm(hiddenSize, layerNormEps);
    this.dropout = new nn.Dropout(hiddenDropoutProb);
  }

  forward(states: Tensor, residual: Tensor): Tensor {
    return this.LayerNorm.forward(this.dropout.forward(this.dense.forward(states)).add(residual));
  }
}

class BertAttention extends nn.Module {
  self: BertSelfAttention;
  output: BertResidual;

  constructor(config: BertConfig) {
    super();
    this.self = new BertSelfAttention(config);
    this.output = new BertResidual(config.hiddenSize, config);
  }

  forward(states: Tensor, settings: LayerSettings): { states: Tensor; weights: Tensor | null } {
    const { context, weights } = this.self.forward(states, settings);
    return { states: this.output.forward(context, states), weights };
  }
}

class BertIntermediate extends nn.Module {
  dense: nn.Linear;
  readonly #activate: (x: Tensor) => Tensor;

  constructor({ hiddenSize, intermediateSize, hiddenAct }: BertConfig) {
    super();
    this.dense = new nn.Linear(hiddenSize, intermediateSize);
    this.#activate = activation(hiddenAct, "hiddenAct");
  }

  forward(states: Tensor): Tensor {
    return this.#activate(this.dense.forward(states));
  }
}

class BertLayer extends nn.Module {
  attention: BertAttention;
  intermediate: BertIntermediate;
  output: BertResidual;

  constructor(config: BertConfig) {
    super();
    this.attention = new BertAttention(config);
    this.intermediate = new BertIntermediate(config);
    this.output = new BertResidual(config.intermediateSize, config);
  }

  forward(input: Tensor, settings: LayerSettings): { states: Tensor; weights: Tensor | null } {
    const { states, weights } = this.attention.forward(input, settings);
    return { states: this.output.forward(this.intermediate.forward(states), states), weights };
  }
}

/** What an encoder makes of a sequence. */
export interface EncoderStates {
  /** States after the last layer, [batch, length, hiddenSize]. */
  lastHiddenState: Tensor;
  /** The embeddings and the states after each layer, if asked for. */
  hiddenStates?: Tensor[];
  /** The attention weights of each layer [batch, heads, length, length], if asked for. */
  attentions?: Tensor[];
}

/** The stack of layers. */
export class BertEncoder extends nn.Module {
  layer: nn.ModuleList<BertLayer>;

  constructor(config: BertConfig) {
    super();
    this.layer = new nn.ModuleList(Array.from({ length: config.numHiddenLayers }, () => new BertLayer(config)));
  }

  /** @param embeddings [batch, length, hiddenSize] */
  forward(embeddings: Tensor, settings: LayerSettings & { outputHiddenStates: boolean }): EncoderStates {
    const hiddenStates = [embeddings];
    const attentions: Tensor[] = [];
    let lastHiddenState = embeddings;
    for (const layer of this.layer) {
      const { states, weights } = layer.forward(lastHiddenState, settings);
      lastHiddenState = states;
      hiddenStates.push(states);
      if (weights !== null) attentions.push(weights);
    }
    return {
      lastHiddenState,
      ...(settings.outputHiddenStates ? { hiddenStates } : {}),
      ...(settings.outputAttentions ? { attentions } : {}),
    };
  }
}

/** A summary of the sequence: its first token's state through a layer with tanh. */
export class BertPooler extends nn.Module {
  dense: nn.Linear;

  constructor({ hiddenSize }: BertConfig) {
    super();
    this.dense = new nn.Linear(hiddenSize, hiddenSize);
  }

  /** @param states [batch, length, hiddenSize] @returns [batch, hiddenSize] */
  forward(states: Tensor): Tensor {
    return this.dense.forward(states.select(1, 0)).tanh();
  }
}
