import { SteppeError } from "../../errors.js";
import { count, flag, integer, kind, or, orNull, probability, real } from "../../nn/arguments.js";
import type { Values } from "../../nn/arguments.js";
import { nullable, readConfig } from "../config.js";
import type { ConfigInput, ReadConfig } from "../config.js";

const feedForward = /^(gated-)?[a-z0-9_]+$/;
const tokens = kind<number | readonly number[]>("a token or an array of tokens", (value) => Number.isSafeInteger(value) || (Array.isArray(value) && value.every(Number.isSafeInteger)));

/** T5's configuration. Defaults are those of t5-small. */
export const t5Fields = {
  /** Number of tokens. */
  vocabSize: or(count, 32128),
  /** Width of the states. */
  dModel: or(count, 512),
  /** Width of each head's keys and values. */
  dKv: or(count, 64),
  /** Width of the feed-forward networks. */
  dFf: or(count, 2048),
  /** Layers of the encoder. */
  numLayers: or(count, 6),
  /** Layers of the decoder: numLayers if null. */
  numDecoderLayers: orNull(count),
  /** Heads of each attention. */
  numHeads: or(count, 8),
  /** Number of buckets for how far apart two tokens are: each has a bias of its own. */
  relativeAttentionNumBuckets: or(count, 32),
  /** Tokens farther apart than this share a bucket. */
  relativeAttentionMaxDistance: or(count, 128),
  /** Dropout of embeddings, attention weights and feed-forward networks, and before each sum and the head. */
  dropoutRate: or(probability, 0.1),
  /** What the norms add to mean squares. */
  layerNormEpsilon: or(real, 1e-6),
  /** Multiplies the standard deviations of fresh weights. */
  initializerFactor: or(real, 1),
  /** Activation of the feed-forward networks: "relu", or "gated-gelu" in version 1.1. */
  feedForwardProj: or(kind<string>('an activation such as "relu", or "gated-gelu"', (value) => typeof value === "string" && feedForward.test(value)), "relu"),
  /** The token of padding. */
  padTokenId: or(nullable(integer), 0),
  /** The token, or tokens, with which a text ends: generation stops there. */
  eosTokenId: or(nullable(tokens), 1),
  /** What the decoder reads before the first token: padTokenId if null. */
  decoderStartTokenId: orNull(integer),
  /** Whether the head's weights are the word embeddings: not in version 1.1. */
  tieWordEmbeddings: or(flag, true),
  /** Whether the head's input is scaled by 1/√dModel: where the weights are tied, if null. */
  scaleDecoderOutputs: orNull(flag),
};

/** mT5's configuration: T5's version 1.1, with defaults of mt5-small. */
export const mt5Fields: typeof t5Fields = {
  ...t5Fields,
  vocabSize: or(count, 250112),
  dFf: or(count, 1024),
  numLayers: or(count, 8),
  numHeads: or(count, 6),
  feedForwardProj: or(t5Fields.feedForwardProj, "gated-gelu"),
  scaleDecoderOutputs: or(nullable(flag), false),
};

/** T5's configuration, complete. */
export type T5Config = Values<typeof t5Fields>;
/** What a user gives of it, or a config.json from Hugging Face: what is left out has the default. */
export type T5ConfigInput = ConfigInput<typeof t5Fields>;

/** @throws SteppeError `ARGUMENT` for unknown options and wrong values */
export function readT5Config(owner: string, given: T5ConfigInput, modelType = "t5", fields = t5Fields): ReadConfig<T5Config> {
  const { options, file } = readConfig(owner, modelType, fields, given);
  const { scaleDecoderOutputs, tieWordEmbeddings, decoderStartTokenId, padTokenId } = options;
  const told = { scaleDecoderOutputs: scaleDecoderOutputs ?? tieWordEmbeddings, decoderStartTokenId: decoderStartTokenId ?? padTokenId };
  const entries = { scale_decoder_outputs: told.scaleDecoderOutputs, decoder_start_token_id: told.decoderStartTokenId };
  return { options: { ...options, ...told }, file: "model_type" in given ? file : { ...file, ...entries } };
}

/** The token that the decoder reads first. */
export function startToken(owner: string, { decoderStartTokenId }: T5Config): number {
  if (decoderStartTokenId === null) throw new SteppeError("ARGUMENT", `Expected decoderStartTokenId or padTokenId in the configuration of ${owner}: the decoder begins with it.`);
  return decoderStartTokenId;
}
