import { expected } from "../../errors.js";
import { count, flag, integer, kind, oneOf, or, orNull, probability, real } from "../../nn/arguments.js";
import type { Values } from "../../nn/arguments.js";
import { labelFields, nullable, readConfig } from "../config.js";
import type { ConfigInput, ReadConfig } from "../config.js";

/** DistilBERT's configuration, which has names of its own. Defaults are those of distilbert-base-uncased. */
const distilBertFields = {
  /** Number of tokens. */
  vocabSize: or(count, 30522),
  /** Longest sequence. */
  maxPositionEmbeddings: or(count, 512),
  /** Whether the vectors of the places start as sines and cosines. */
  sinusoidalPosEmbds: or(flag, false),
  /** Number of layers. */
  nLayers: or(count, 6),
  /** Divides dim. */
  nHeads: or(count, 12),
  /** Width of the states. */
  dim: or(count, 768),
  /** Width of the feed-forward networks. */
  hiddenDim: or(count, 3072),
  /** Dropout of the embeddings, at the end of feed-forward networks, and before the head for tokens. */
  dropout: or(probability, 0.1),
  /** Dropout of attention weights. */
  attentionDropout: or(probability, 0.1),
  /** Activation of the feed-forward networks, by Hugging Face's name. */
  activation: or(kind<string>("a string", (value) => typeof value === "string"), "gelu"),
  /** Standard deviation of fresh weights. */
  initializerRange: or(real, 0.02),
  /** Dropout before the head for spans. */
  qaDropout: or(probability, 0.1),
  /** Dropout before the heads for sequences and choices. */
  seqClassifDropout: or(probability, 0.2),
  /** The token of padding: its row of the embedding starts as zeros and is not trained. */
  padTokenId: or(nullable(integer), 0),
  /** Whether the masked-language head's weights are the word embeddings. */
  tieWordEmbeddings: or(flag, true),
  /** What the labels of a sequence classifier are: told from them if null. */
  problemType: orNull(oneOf("regression", "single_label_classification", "multi_label_classification")),
  ...labelFields,
};

/** DistilBERT's configuration, complete. */
export type DistilBertConfig = Values<typeof distilBertFields>;
/** What a user gives of it, or a config.json from Hugging Face: what is left out has the default. */
export type DistilBertConfigInput = ConfigInput<typeof distilBertFields>;

/** @throws SteppeError `ARGUMENT` for unknown options and wrong values */
export function readDistilBertConfig(owner: string, given: DistilBertConfigInput): ReadConfig<DistilBertConfig> {
  const config = readConfig(owner, "distilbert", distilBertFields, given);
  const { dim, nHeads } = config.options;
  if (dim % nHeads !== 0) throw expected(`a divisor of dim (${dim})`, `nHeads of ${owner}`, nHeads);
  return config;
}
