import { expected } from "../../errors.js";
import { count, flag, integer, kind, oneOf, or, orNull, probability, real } from "../../nn/arguments.js";
import type { Values } from "../../nn/arguments.js";
import { labelFields, nullable, readConfig } from "../config.js";
import type { ConfigInput, ReadConfig } from "../config.js";

const word = kind<string>("a string", (value) => typeof value === "string");

/** BERT's configuration. Defaults are those of bert-base-uncased. */
export const bertFields = {
  /** Number of tokens. */
  vocabSize: or(count, 30522),
  /** Width of the states. */
  hiddenSize: or(count, 768),
  /** Number of layers. */
  numHiddenLayers: or(count, 12),
  /** Divides hiddenSize. */
  numAttentionHeads: or(count, 12),
  /** Width of the feed-forward networks. */
  intermediateSize: or(count, 3072),
  /** Activation of the feed-forward networks, by Hugging Face's name. */
  hiddenAct: or(word, "gelu"),
  /** Dropout of the embeddings, and at the end of attentions and feed-forward networks. */
  hiddenDropoutProb: or(probability, 0.1),
  /** Dropout of attention weights. */
  attentionProbsDropoutProb: or(probability, 0.1),
  /** Longest sequence. */
  maxPositionEmbeddings: or(count, 512),
  /** Number of token types: of texts in a pair. */
  typeVocabSize: or(count, 2),
  /** Standard deviation of fresh weights. */
  initializerRange: or(real, 0.02),
  /** What the layer norms add to variances. */
  layerNormEps: or(real, 1e-12),
  /** The token of padding: its row of the embedding starts as zeros and is not trained. */
  padTokenId: or(nullable(integer), 0),
  /** Dropout before the classifier: hiddenDropoutProb if null. */
  classifierDropout: orNull(probability),
  /** Whether the masked-language head's weights are the word embeddings. */
  tieWordEmbeddings: or(flag, true),
  /** What the labels of a sequence classifier are: told from them if null. */
  problemType: orNull(oneOf("regression", "single_label_classification", "multi_label_classification")),
  /** Relative positions, which some files ask for, are not here. */
  positionEmbeddingType: or(oneOf("absolute"), "absolute"),
  /** Only encoders are here. */
  isDecoder: or(kind<false>("false: only BERT's encoder is here", (value) => value === false), false),
  ...labelFields,
};

/** BERT's configuration, complete. */
export type BertConfig = Values<typeof bertFields>;
/** What a user gives of it, or a config.json from Hugging Face: what is left out has the default. */
export type BertConfigInput = ConfigInput<typeof bertFields>;

/** @throws SteppeError `ARGUMENT` for unknown options and wrong values */
export function readBertConfig(owner: string, given: BertConfigInput, modelType = "bert", fields = bertFields): ReadConfig<BertConfig> {
  const config = readConfig(owner, modelType, fields, given);
  const { hiddenSize, numAttentionHeads } = config.options;
  if (hiddenSize % numAttentionHeads !== 0) throw expected(`a divisor of hiddenSize (${hiddenSize})`, `numAttentionHeads of ${owner}`, numAttentionHeads);
  return config;
}
