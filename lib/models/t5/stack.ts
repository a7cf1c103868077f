import * as nn from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { additiveMask, causalMask } from "../attention.js";
import type { KeyValueCache } from "../generation/cache.js";
import type { T5Config } from "./config.js";
import { T5CrossAttentionPart, T5FeedForwardPart, T5LayerNorm, T5SelfAttentionPart } from "./layers.js";
import type { T5AttentionSettings } from "./layers.js";

/** Keeps float16 from infinity, as Hugging Face does in training. */
function bounded(states: Tensor): Tensor {
  if (states.dtype !== "float16") return states;
  const limit = torch.where(states.isinf().any(), 64504, 65504).to("float16");
  return torch.minimum(torch.maximum(states, limit.neg()), limit);
}

/** What a decoder's block knows of the encoder's text. */
interface Source {
  states: Tensor;
  settings: T5AttentionSettings;
}

class T5Block extends nn.Module {
  /** Self-attention, in a decoder attention to the encoder's states, feed-forward network. */
  layer: nn.ModuleList;

  constructor(config: T5Config, layer: number, isDecoder: boolean) {
    super();
    const cross = isDecoder ? [new T5CrossAttentionPart(config, layer)] : [];
    this.layer = new nn.ModuleList([new T5SelfAttentionPart(config, layer), ...cross, new T5FeedForwardPart(config)]);
  }

  get selfAttention(): T5SelfAttentionPart {
    return this.layer[0] as T5SelfAttentionPart;
  }

  forward(input: Tensor, settings: T5AttentionSettings, source: Source | null): { states: Tensor; weights: Tensor | null; crossWeights: Tensor | null } {
    const { states, weights } = this.selfAttention.forward(input, settings);
    const attended = bounded(states);
    const crossed = source === null ? { states: attended, weights: null } : (this.layer[1] as T5CrossAttentionPart).forward(attended, source.states, source.settings);
    const last = this.layer[this.layer.length - 1] as T5FeedForwardPart;
    return { states: bounded(last.forward(source === null ? attended : bounded(crossed.states))), weights, crossWeights: crossed.weights };
  }
}

/** What a stack reads. */
export interface StackInputs {
  inputIds?: Tensor | null;
  inputsEmbeds?: Tensor | null;
  attentionMask?: Tensor | null;
  /** A decoder's: the encoder's states [batch, source, dModel] and their mask. */
  encoderStates?: Tensor;
  encoderMask?: Tensor | null;
  outputHiddenStates?: boolean;
  outputAttentions?: boolean;
  cache?: KeyValueCache;
}

/** What a stack returns. */
export interface StackOutput {
  /** [batch, length, dModel] */
  lastHiddenState: Tensor;
  /** The embeddings, the states between layers, and lastHiddenState. */
  hiddenStates?: Tensor[];
  attentions?: Tensor[];
  crossAttentions?: Tensor[];
}

/** An encoder or a decoder. */
export class T5Stack extends nn.Module {
  /** Shared by encoder and decoder. */
  embed_tokens: nn.Embedding;
  block: nn.ModuleList<T5Block>;
  final_layer_norm: T5LayerNorm;
  dropout: nn.Dropout;
  readonly isDecoder: boolean;

  constructor(config: T5Config, shared: nn.Embedding, isDecoder: boolean) {
    super();
    const { numLayers, numDecoderLayers, dModel, layerNormEpsilon, dropoutRate, initializerFactor } = config;
    const layers = isDecoder ? (numDecoderLayers ?? numLayers) : numLayers;
    this.embed_tokens = shared;
    this.block = new nn.ModuleList(Array.from({ length: layers }, (_, layer) => new T5Block(config, layer, isDecoder)));
    this.final_layer_norm = new T5LayerNorm(dModel, layerNormEpsilon);
    this.dropout = new nn.Dropout(dropoutRate);
    this.isDecoder = isDecoder;
    for (const module of this.modules()) if (module instanceof T5LayerNorm) nn.init.constant_(module.weight, initializerFactor);
  }

  forward(inputs: StackInputs): StackOutput {
    const { inputIds, inputsEmbeds, encoderStates, encoderMask, outputHiddenStates = false, outputAttentions = false, cache } = inputs;
    const embeddings = inputsEmbeds ?? this.embed_tokens.forward(inputIds!);
    const past = cache?.length ?? 0;
    const settings = { bias: this.#bias(embeddings, past, inputs.attentionMask), outputAttentions, cache };
    const source =
      encoderStates === undefined ? null : { states: encoderStates, settings: { bias: additiveMask(encoderMask, embeddings.dtype), outputAttentions, cache } };

    let states = this.dropout.forward(embeddings);
    const [hiddenStates, attentions, crossAttentions]: [Tensor[], Tensor[], Tensor[]] = [[], [], []];
    for (const block of this.block) {
      hiddenStates.push(states);
      const result = block.forward(states, settings, source);
      states = result.states;
      if (result.weights !== null) attentions.push(result.weights);
      if (result.crossWeights !== null) crossAttentions.push(result.crossWeights);
    }
    const lastHiddenState = this.dropout.forward(this.final_layer_norm.forward(states));
    return {
      lastHiddenState,
      ...(outputHiddenStates ? { hiddenStates: [...hiddenStates, lastHiddenState] } : {}),
      ...(outputAttentions ? { attentions } : {}),
      ...(outputAttentions && source !== null ? { crossAttentions } : {}),
    };
  }

  /** Positions and mask together, for all layers: [1 or batch, heads, length, past + length]. */
  #bias(embeddings: Tensor, past: number, mask: Tensor | null | undefined): Tensor {
    const length = embeddings.shape[1]!;
    const positions = this.block[0]!.selfAttention.SelfAttention.positionBias(length, past, !this.isDecoder);
    const hidden = this.isDecoder ? causalMask(length, past, mask, embeddings) : additiveMask(mask, embeddings.dtype);
    return hidden === null ? positions : positions.add(hidden);
  }
}
