import { checkKeys, SteppeError } from "../../errors.js";
import type * as nn from "../../nn/index.js";
import type { Tensor } from "../../tensor.js";
import { checkInputs } from "../inputs.js";
import { LanguageModel } from "../language-model.js";
import { mt5Fields, readT5Config, t5Fields } from "./config.js";
import type { T5Config, T5ConfigInput } from "./config.js";
import { encoderKeys, named, sharedEmbedding } from "./model.js";
import type { T5EncoderInputs, T5Output } from "./model.js";
import { T5Stack } from "./stack.js";

/** What T5 without a head reads. */
export interface T5ModelInputs extends T5EncoderInputs {
  /** Tokens that the decoder reads [batch, target], int64. */
  decoderInputIds?: Tensor | null;
  /** Vectors instead of these tokens, [batch, target, dModel]. */
  decoderInputsEmbeds?: Tensor | null;
  /** 1 for tokens and 0 for padding, [batch, target]. */
  decoderAttentionMask?: Tensor | null;
}

/** What T5 without a head returns. */
export interface T5ModelOutput extends Omit<T5Output, "loss" | "logits"> {
  /** The decoder's, [batch, target, dModel]. */
  lastHiddenState: Tensor;
}

const keys = [...encoderKeys, "decoderInputIds", "decoderInputsEmbeds", "decoderAttentionMask"];

/** T5 without a head: the states of its decoder. arXiv 1910.10683. */
export class T5Model extends LanguageModel<T5Config> {
  shared: nn.Embedding;
  encoder: T5Stack;
  decoder: T5Stack;

  /** @param config options in camelCase, or the content of a config.json */
  constructor(config: T5ConfigInput = {}, modelType = "t5", fields = t5Fields) {
    super(readT5Config("models.T5Model", config, modelType, fields));
    this.shared = sharedEmbedding(this.options);
    this.encoder = new T5Stack(this.options, this.shared, false);
    this.decoder = new T5Stack(this.options, this.shared, true);
  }

  forward(inputs: T5ModelInputs): T5ModelOutput {
    checkKeys(inputs, keys, "the inputs of models.T5Model");
    const { decoderInputIds = null, decoderInputsEmbeds = null, decoderAttentionMask = null, ...source } = inputs;
    if ((decoderInputIds === null) === (decoderInputsEmbeds === null)) {
      throw new SteppeError("ARGUMENT", "Expected one of decoderInputIds and decoderInputsEmbeds for models.T5Model.");
    }
    checkInputs("models.T5Model", source, encoderKeys);
    const { attentionMask = null, outputHiddenStates = false, outputAttentions = false } = source;
    const encoded = this.encoder.forward(source);
    const decoded = this.decoder.forward({
      inputIds: decoderInputIds,
      inputsEmbeds: decoderInputsEmbeds,
      attentionMask: decoderAttentionMask,
      encoderStates: encoded.lastHiddenState,
      encoderMask: attentionMask,
      outputHiddenStates,
      outputAttentions,
    });
    return {
      lastHiddenState: decoded.lastHiddenState,
      ...named("decoder", decoded),
      ...(decoded.crossAttentions ? { crossAttentions: decoded.crossAttentions } : {}),
      encoderLastHiddenState: encoded.lastHiddenState,
      ...named("encoder", encoded),
    };
  }
}

/** mT5 without a head. arXiv 2010.11934. */
export class MT5Model extends T5Model {
  constructor(config: T5ConfigInput = {}) {
    super(config, "mt5", mt5Fields);
  }
}
