import { checkKeys, expectedTensor, SteppeError } from "../../errors.js";
import * as nn from "../../nn/index.js";
import { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import type { ConfigFile } from "../config.js";
import { KeyValueCache } from "../generation/cache.js";
import { readGenerateOptions } from "../generation/options.js";
import type { GenerateOptions } from "../generation/options.js";
import { generate } from "../generation/search.js";
import type { Reader } from "../generation/reader.js";
import { checkInputs } from "../inputs.js";
import { LanguageModel } from "../language-model.js";
import { tokenLoss } from "../losses.js";
import type { Judged, Labelled } from "../outputs.js";
import { mt5Fields, readT5Config, startToken, t5Fields } from "./config.js";
import type { T5Config, T5ConfigInput } from "./config.js";
import { T5Stack } from "./stack.js";
import type { StackOutput } from "./stack.js";

/** What T5's encoder reads. Of `inputIds` and `inputsEmbeds`, one is given. */
export interface T5EncoderInputs {
  /** Tokens [batch, source], int64. */
  inputIds?: Tensor | null;
  /** 1 for tokens and 0 for padding, [batch, source]. */
  attentionMask?: Tensor | null;
  /** Vectors instead of tokens, [batch, source, dModel]. */
  inputsEmbeds?: Tensor | null;
  /** Whether the states of all layers are returned as well; default false. */
  outputHiddenStates?: boolean;
  /** Whether the attention weights of all layers are returned as well; default false. */
  outputAttentions?: boolean;
}

/** What T5 reads: `labels`, or else what the decoder is to read. */
export interface T5Inputs extends T5EncoderInputs {
  /** Tokens that are to be written [batch, target], int64; -100 for places that do not count. The decoder reads them shifted by one. */
  labels?: Tensor | null;
  /** Tokens that the decoder reads [batch, target], int64. */
  decoderInputIds?: Tensor | null;
  /** 1 for tokens and 0 for padding, [batch, target]. */
  decoderAttentionMask?: Tensor | null;
  /** What the encoder has made of the source before: then it does not read it again. */
  encoderLastHiddenState?: Tensor | null;
}

/** What T5 returns. */
export interface T5Output {
  /** With labels: a scalar. */
  loss?: Tensor;
  /** [batch, target, vocabSize] */
  logits: Tensor;
  /** [batch, source, dModel] */
  encoderLastHiddenState: Tensor;
  /** The embeddings and the states after each layer, [batch, source, dModel] each. */
  encoderHiddenStates?: Tensor[];
  /** Weights of each layer, [batch, heads, source, source]. */
  encoderAttentions?: Tensor[];
  /** [batch, target, dModel] each. */
  decoderHiddenStates?: Tensor[];
  /** [batch, heads, target, target] each. */
  decoderAttentions?: Tensor[];
  /** What the decoder looks at in the source, [batch, heads, target, source] each. */
  crossAttentions?: Tensor[];
}

export const encoderKeys = ["inputIds", "attentionMask", "inputsEmbeds", "outputHiddenStates", "outputAttentions"];
const keys = [...encoderKeys, "labels", "decoderInputIds", "decoderAttentionMask", "encoderLastHiddenState"];

/** The embedding that encoder and decoder share. */
export function sharedEmbedding({ vocabSize, dModel, initializerFactor }: T5Config): nn.Embedding {
  const shared = new nn.Embedding(vocabSize, dModel);
  nn.init.normal_(shared.weight, { std: initializerFactor });
  return shared;
}

/** T5's encoder alone. arXiv 1910.10683. */
export class T5EncoderModel extends LanguageModel<T5Config> {
  shared: nn.Embedding;
  encoder: T5Stack;

  /** @param config options in camelCase, or the content of a config.json */
  constructor(config: T5ConfigInput = {}, modelType = "t5", fields = t5Fields) {
    super(readT5Config("models.T5EncoderModel", config, modelType, fields));
    this.shared = sharedEmbedding(this.options);
    this.encoder = new T5Stack(this.options, this.shared, false);
  }

  forward(inputs: T5EncoderInputs): Omit<StackOutput, "crossAttentions"> {
    checkInputs("models.T5EncoderModel", inputs, encoderKeys);
    return this.encoder.forward(inputs);
  }
}

/**
 * T5: reads a text and writes another. arXiv 1910.10683.
 *
 * @example
 * const { loss } = t5.forward({ inputIds, attentionMask, labels });
 * const ids = await t5.generate({ inputIds, attentionMask }, { maxNewTokens: 12, numBeams: 3 });
 */
export class T5ForConditionalGeneration extends LanguageModel<T5Config> {
  shared: nn.Embedding;
  encoder: T5Stack;
  decoder: T5Stack;
  lm_head: nn.Linear;

  /** @param config options in camelCase, or the content of a config.json */
  constructor(config: T5ConfigInput = {}, modelType = "t5", fields = t5Fields) {
    super(readT5Config("models.T5ForConditionalGeneration", config, modelType, fields));
    const { dModel, vocabSize, tieWordEmbeddings, initializerFactor } = this.options;
    this.shared = sharedEmbedding(this.options);
    this.encoder = new T5Stack(this.options, this.shared, false);
    this.decoder = new T5Stack(this.options, this.shared, true);
    this.lm_head = new nn.Linear(dModel, vocabSize, { bias: false });
    if (tieWordEmbeddings) this.lm_head.weight = this.shared.weight;
    else nn.init.normal_(this.lm_head.weight, { std: initializerFactor });
  }

  forward(inputs: Labelled<T5Inputs>): Judged<T5Output>;
  forward(inputs: T5Inputs): T5Output;
  forward(inputs: T5Inputs): T5Output {
    checkKeys(inputs, keys, "the inputs of models.T5ForConditionalGeneration");
    const { labels, attentionMask, decoderAttentionMask, outputHiddenStates = false, outputAttentions = false } = inputs;
    const decoderInputIds = inputs.decoderInputIds ?? (labels ? this.shiftRight(labels) : null);
    if (decoderInputIds === null) throw new SteppeError("ARGUMENT", "Expected labels or decoderInputIds for models.T5ForConditionalGeneration but received neither.");
    const encoded = this.#encode(inputs);
    const decoded = this.decoder.forward({
      inputIds: decoderInputIds,
      attentionMask: decoderAttentionMask ?? null,
      encoderStates: encoded.lastHiddenState,
      encoderMask: attentionMask ?? null,
      outputHiddenStates,
      outputAttentions,
    });
    const logits = this.#head(decoded.lastHiddenState);
    return {
      ...(labels ? { loss: tokenLoss(logits, labels) } : {}),
      logits,
      ...named("decoder", decoded),
      ...(decoded.crossAttentions ? { crossAttentions: decoded.crossAttentions } : {}),
      encoderLastHiddenState: encoded.lastHiddenState,
      ...named("encoder", encoded),
    };
  }

  #encode(inputs: T5Inputs): StackOutput {
    if (inputs.encoderLastHiddenState) return { lastHiddenState: inputs.encoderLastHiddenState };
    checkInputs("models.T5ForConditionalGeneration", inputs, keys);
    const { inputIds, attentionMask, inputsEmbeds, outputHiddenStates = false, outputAttentions = false } = inputs;
    return this.encoder.forward({ inputIds: inputIds ?? null, inputsEmbeds: inputsEmbeds ?? null, attentionMask: attentionMask ?? null, outputHiddenStates, outputAttentions });
  }

  #head(states: Tensor): Tensor {
    const { scaleDecoderOutputs, dModel } = this.options;
    return this.lm_head.forward(scaleDecoderOutputs === true ? states.mul(dModel ** -0.5) : states);
  }

  /** What the decoder reads to write `labels`: one place later, after the start token; padding where a label does not count. */
  shiftRight(labels: Tensor): Tensor {
    if (labels.dim() !== 2) throw expectedTensor("2 dimensions", "labels of models.T5ForConditionalGeneration", labels);
    const start = startToken("models.T5ForConditionalGeneration", this.options);
    const first = torch.full([labels.shape[0]!, 1], start, { dtype: labels.dtype, device: labels.device });
    const shifted = torch.cat([first, labels.narrow(1, 0, labels.shape[1]! - 1)], 1);
    return shifted.maskedFill(shifted.eq(-100), this.options.padTokenId ?? start);
  }

  /**
   * Writes a text, greedily unless the options say otherwise. The model should be in evaluation mode.
   *
   * @param inputs what the encoder reads
   * @returns tokens [batch · numReturnSequences, length], int64: the start token first, padding after a sequence's end
   */
  async generate(inputs: T5EncoderInputs, options: GenerateOptions = {}): Promise<Tensor> {
    const owner = "models.T5ForConditionalGeneration";
    checkInputs(owner, inputs, encoderKeys);
    const generation = readGenerateOptions(owner, options, this.options);
    const start = startToken(owner, this.options);
    const main = inputs.inputIds ?? inputs.inputsEmbeds!;
    const prompt = Array.from({ length: main.shape[0]! }, () => [start]);
    return generate(prompt, (times) => this.#reader(inputs, times), generation, main.device);
  }

  #reader(inputs: T5EncoderInputs, times: number): Reader {
    const repeat = (tensor: Tensor) => (times === 1 ? tensor : tensor.repeatInterleave(times, 0));
    const encoderStates = repeat(this.#encode(inputs).lastHiddenState);
    const encoderMask = inputs.attentionMask ? repeat(inputs.attentionMask) : null;
    const cache = new KeyValueCache();
    const device = encoderStates.device;
    return {
      next: (rows) => {
        const inputIds = torch.tensor(rows.map((row) => [row.at(-1)!]), { dtype: "int64", device });
        const { lastHiddenState } = this.decoder.forward({ inputIds, encoderStates, encoderMask, cache });
        return this.#head(lastHiddenState.select(1, -1));
      },
      // The rows of one source stay together, so its mask fits every order.
      reorder: (rows) => cache.reorder(torch.tensor([...rows], { dtype: "int64", device })),
    };
  }
}

/** What a stack tells, under the names of encoder or decoder. */
export function named(prefix: "encoder" | "decoder", { hiddenStates, attentions }: StackOutput): object {
  return { ...(hiddenStates ? { [`${prefix}HiddenStates`]: hiddenStates } : {}), ...(attentions ? { [`${prefix}Attentions`]: attentions } : {}) };
}

/** mT5's encoder alone. arXiv 2010.11934. */
export class MT5EncoderModel extends T5EncoderModel {
  constructor(config: T5ConfigInput = {}) {
    super(config, "mt5", mt5Fields);
  }
}

/** mT5: T5's version 1.1 for 101 languages. arXiv 2010.11934. */
export class MT5ForConditionalGeneration extends T5ForConditionalGeneration {
  constructor(config: T5ConfigInput = {}) {
    super(config, "mt5", mt5Fields);
  }
}

/**
 * A T5 `config.json` for files with these tensors. Hugging Face ties the head unless a file holds weights of its own for it,
 * whatever the file says of tying: version 1.1 and mT5 are untied in this way.
 *
 * @param names of the tensors in the files
 */
export function untiedByFile(config: ConfigFile, names: { has(name: string): boolean }): ConfigFile {
  const both = names.has("lm_head.weight") && names.has("shared.weight");
  const plain = config.model_type === "mt5" || config.scale_decoder_outputs === false;
  return both && plain ? { ...config, tie_word_embeddings: false, scale_decoder_outputs: false } : config;
}
