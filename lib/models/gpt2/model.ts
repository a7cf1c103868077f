import * as nn from "../../nn/index.js";
import type { Parameter } from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { activation } from "../activation.js";
import { attend, causalMask, mergeHeads, splitHeads } from "../attention.js";
import { checkLength } from "../bert/model.js";
import type { EncoderStates } from "../bert/layers.js";
import type { KeyValueCache } from "../generation/cache.js";
import { initialize } from "../initialize.js";
import { checkInputs, encoderKeys } from "../inputs.js";
import type { EncoderInputs } from "../inputs.js";
import { LanguageModel } from "../language-model.js";
import { readGPT2Config } from "./config.js";
import type { GPT2Config, GPT2ConfigInput } from "./config.js";

/** What GPT-2 reads. */
export interface GPT2Inputs extends EncoderInputs {
  /** Tokens whose vectors are added to the words', [batch, length], int64: speakers, for instance. */
  tokenTypeIds?: Tensor | null;
  /** What the layers have made of the tokens before: grows by this call. */
  cache?: KeyValueCache | null;
}

export const gpt2Keys = [...encoderKeys, "tokenTypeIds", "cache"];

/** A linear layer whose weight lies the other way: [in, out]. */
class Conv1D extends nn.Module {
  weight: Parameter;
  bias: Parameter;

  constructor(from: number, to: number, std: number) {
    super();
    this.weight = nn.parameter(torch.empty([from, to]));
    nn.init.normal_(this.weight, { std });
    this.bias = nn.parameter(torch.zeros([to]));
  }

  /** @param input [batch, length, from] @returns [batch, length, to] */
  forward(input: Tensor): Tensor {
    return torch.addmm(this.bias, input.flatten(0, 1), this.weight).unflatten(0, [input.shape[0]!, input.shape[1]!]);
  }
}

interface BlockSettings {
  mask: Tensor | null;
  /** No mask is needed to tell which tokens come later. */
  isCausal: boolean;
  outputAttentions: boolean;
  cache: KeyValueCache | null;
}

class GPT2Attention extends nn.Module {
  c_attn: Conv1D;
  c_proj: Conv1D;
  resid_dropout: nn.Dropout;
  readonly heads: number;
  readonly scale: number;
  readonly attentionDropout: number;
  readonly layer: number;

  constructor(config: GPT2Config, layer: number) {
    super();
    const { nEmbd, nHead, initializerRange, nLayer, scaleAttnWeights, scaleAttnByInverseLayerIdx } = config;
    this.c_attn = new Conv1D(nEmbd, 3 * nEmbd, initializerRange);
    this.c_proj = new Conv1D(nEmbd, nEmbd, initializerRange / Math.sqrt(2 * nLayer)); // as many residual branches add up
    this.resid_dropout = new nn.Dropout(config.residPdrop);
    this.heads = nHead;
    this.scale = (scaleAttnWeights ? (nEmbd / nHead) ** -0.5 : 1) / (scaleAttnByInverseLayerIdx ? layer + 1 : 1);
    this.attentionDropout = config.attnPdrop;
    this.layer = layer;
  }

  forward(states: Tensor, { mask, isCausal, outputAttentions, cache }: BlockSettings): { states: Tensor; weights: Tensor | null } {
    const [query, newKey, newValue] = this.c_attn.forward(states).chunk(3, 2).map((part) => splitHeads(part, this.heads)) as [Tensor, Tensor, Tensor];
    const { key, value } = cache === null ? { key: newKey, value: newValue } : cache.extend(this.layer, newKey, newValue);
    const dropout = this.training ? this.attentionDropout : 0;
    const { context, weights } = attend(query, key, value, { mask, isCausal, scale: this.scale, dropout, outputAttentions });
    return { states: this.resid_dropout.forward(this.c_proj.forward(mergeHeads(context))), weights };
  }
}

class GPT2FeedForward extends nn.Module {
  c_fc: Conv1D;
  c_proj: Conv1D;
  dropout: nn.Dropout;
  readonly #activate: (x: Tensor) => Tensor;

  constructor({ nEmbd, nInner, nLayer, residPdrop, initializerRange, activationFunction }: GPT2Config) {
    super();
    const inner = nInner ?? 4 * nEmbd;
    this.c_fc = new Conv1D(nEmbd, inner, initializerRange);
    this.c_proj = new Conv1D(inner, nEmbd, initializerRange / Math.sqrt(2 * nLayer));
    this.dropout = new nn.Dropout(residPdrop);
    this.#activate = activation(activationFunction, "activationFunction");
  }

  forward(states: Tensor): Tensor {
    return this.dropout.forward(this.c_proj.forward(this.#activate(this.c_fc.forward(states))));
  }
}

class GPT2Block extends nn.Module {
  ln_1: nn.LayerNorm;
  attn: GPT2Attention;
  ln_2: nn.LayerNorm;
  mlp: GPT2FeedForward;

  constructor(config: GPT2Config, layer: number) {
    super();
    this.ln_1 = new nn.LayerNorm(config.nEmbd, config.layerNormEpsilon);
    this.attn = new GPT2Attention(config, layer);
    this.ln_2 = new nn.LayerNorm(config.nEmbd, config.layerNormEpsilon);
    this.mlp = new GPT2FeedForward(config);
  }

  forward(input: Tensor, settings: BlockSettings): { states: Tensor; weights: Tensor | null } {
    const { states, weights } = this.attn.forward(this.ln_1.forward(input), settings);
    const attended = states.add(input);
    return { states: attended.add(this.mlp.forward(this.ln_2.forward(attended))), weights };
  }
}

/**
 * GPT-2's decoder: pre-norm layers in which each token sees those before it. Radford et al. 2019, "Language Models are
 * Unsupervised Multitask Learners".
 *
 * @example const { lastHiddenState } = new GPT2Model({ nLayer: 2, nEmbd: 64, nHead: 4 }).forward({ inputIds });
 */
export class GPT2Model extends LanguageModel<GPT2Config> {
  wte: nn.Embedding;
  wpe: nn.Embedding;
  drop: nn.Dropout;
  h: nn.ModuleList<GPT2Block>;
  ln_f: nn.LayerNorm;

  /** @param config options in camelCase, or the content of a config.json */
  constructor(config: GPT2ConfigInput = {}) {
    super(readGPT2Config("models.GPT2Model", config));
    const { vocabSize, nPositions, nEmbd, nLayer, embdPdrop, layerNormEpsilon, initializerRange } = this.options;
    this.wte = new nn.Embedding(vocabSize, nEmbd);
    this.wpe = new nn.Embedding(nPositions, nEmbd);
    this.drop = new nn.Dropout(embdPdrop);
    this.h = new nn.ModuleList(Array.from({ length: nLayer }, (_, layer) => new GPT2Block(this.options, layer)));
    this.ln_f = new nn.LayerNorm(nEmbd, layerNormEpsilon);
    initialize(this, initializerRange);
  }

  /** @returns lastHiddenState after the last norm; it is the last of hiddenStates, too */
  forward(inputs: GPT2Inputs): EncoderStates {
    checkInputs("models.GPT2Model", inputs, gpt2Keys);
    const { inputIds, inputsEmbeds, positionIds, tokenTypeIds, attentionMask, outputHiddenStates = false, outputAttentions = false, cache = null } = inputs;
    const words = inputsEmbeds ?? this.wte.forward(inputIds!);
    const length = words.shape[1]!;
    const past = cache?.length ?? 0;
    if (!positionIds) checkLength(past + length, this.options.nPositions);
    const places = positionIds ? this.wpe.forward(positionIds) : this.wpe.weight.narrow(0, past, length);
    const isCausal = !attentionMask && past === 0 && !outputAttentions;
    const mask = isCausal ? null : causalMask(length, past, attentionMask, words);
    let states = words.add(places);
    if (tokenTypeIds) states = states.add(this.wte.forward(tokenTypeIds));
    states = this.drop.forward(states);

    const [hiddenStates, attentions]: [Tensor[], Tensor[]] = [[], []];
    for (const block of this.h) {
      hiddenStates.push(states);
      const result = block.forward(states, { mask, isCausal, outputAttentions, cache });
      states = result.states;
      if (result.weights !== null) attentions.push(result.weights);
    }
    const lastHiddenState = this.ln_f.forward(states);
    return {
      lastHiddenState,
      ...(outputHiddenStates ? { hiddenStates: [...hiddenStates, lastHiddenState] } : {}),
      ...(outputAttentions ? { attentions } : {}),
    };
  }
}
