import { expected } from "../../errors.js";
import { count, flag, integer, kind, oneOf, or, orNull, probability, real } from "../../nn/arguments.js";
import type { Values } from "../../nn/arguments.js";
import { labelFields, nullable, readConfig } from "../config.js";
import type { ConfigInput, ReadConfig } from "../config.js";

const word = kind<string>("a string", (value) => typeof value === "string");
const tokens = kind<number | readonly number[]>("a token or an array of tokens", (value) => Number.isSafeInteger(value) || (Array.isArray(value) && value.every(Number.isSafeInteger)));

/** GPT-2's configuration. Defaults are those of the smallest of its models. */
const gpt2Fields = {
  /** Number of tokens. */
  vocabSize: or(count, 50257),
  /** Longest sequence. */
  nPositions: or(count, 1024),
  /** Width of the states. */
  nEmbd: or(count, 768),
  /** Number of layers. */
  nLayer: or(count, 12),
  /** Divides nEmbd. */
  nHead: or(count, 12),
  /** Width of the feed-forward networks: 4 · nEmbd if null. */
  nInner: orNull(count),
  /** Activation of the feed-forward networks, by Hugging Face's name. */
  activationFunction: or(word, "gelu_new"),
  /** Dropout at the end of attentions and feed-forward networks. */
  residPdrop: or(probability, 0.1),
  /** Dropout of the embeddings. */
  embdPdrop: or(probability, 0.1),
  /** Dropout of attention weights. */
  attnPdrop: or(probability, 0.1),
  /** What the layer norms add to variances. */
  layerNormEpsilon: or(real, 1e-5),
  /** Standard deviation of fresh weights. */
  initializerRange: or(real, 0.02),
  /** Whether scores are divided by √(nEmbd / nHead). */
  scaleAttnWeights: or(flag, true),
  /** Whether they are divided by the number of the layer, too. */
  scaleAttnByInverseLayerIdx: or(flag, false),
  /** The token, or tokens, with which a text ends: generation stops there. */
  eosTokenId: or(nullable(tokens), 50256),
  /** The token of padding; none in GPT-2's own vocabulary. */
  padTokenId: orNull(integer),
  /** Whether the head's weights are the word embeddings. */
  tieWordEmbeddings: or(flag, true),
  /** Only decoders without an encoder are here. */
  addCrossAttention: or(kind<false>("false: attention to an encoder is not here", (value) => value === false), false),
  /** What the labels of a sequence classifier are: told from them if null. */
  problemType: orNull(oneOf("regression", "single_label_classification", "multi_label_classification")),
  ...labelFields,
};

/** GPT-2's configuration, complete. */
export type GPT2Config = Values<typeof gpt2Fields>;
/** What a user gives of it, or a config.json from Hugging Face: what is left out has the default. */
export type GPT2ConfigInput = ConfigInput<typeof gpt2Fields>;

/** @throws SteppeError `ARGUMENT` for unknown options and wrong values */
export function readGPT2Config(owner: string, given: GPT2ConfigInput): ReadConfig<GPT2Config> {
  const config = readConfig(owner, "gpt2", gpt2Fields, given);
  const { nEmbd, nHead } = config.options;
  if (nEmbd % nHead !== 0) throw expected(`a divisor of nEmbd (${nEmbd})`, `nHead of ${owner}`, nHead);
  return config;
}
