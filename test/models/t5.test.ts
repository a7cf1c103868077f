import { torch } from "../../lib/index.js";
import { sameLibTorch } from "../support/python.js";
import { parityTests } from "./parity.js";
import type { Case } from "./parity.js";
import { integers } from "./texts.js";

const config = {
  vocab_size: 40, d_model: 32, d_kv: 8, d_ff: 48, num_layers: 2, num_heads: 4, dropout_rate: 0, decoder_start_token_id: 0,
  relative_attention_num_buckets: 8, relative_attention_max_distance: 6,
};
const newer = { ...config, feed_forward_proj: "gated-gelu", tie_word_embeddings: false };
const inputIds = integers([[5, 9, 12, 30, 7, 8, 21, 3, 1, 0, 0], [4, 4, 17, 22, 6, 11, 39, 2, 10, 13, 1]]);
const attentionMask = integers([[1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]]);
const read = { inputIds, attentionMask };
const labels = integers([[7, 8, 1, -100, -100, -100], [22, 5, 5, 17, 9, 1]]);
const decoderInputIds = integers([[0, 7, 8, 1, 0, 0], [0, 22, 5, 5, 17, 9]]);
const decoderAttentionMask = integers([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]]);

const t5: Omit<Case, "configClass">[] = [
  { name: "loss", model: "T5ForConditionalGeneration", config, inputs: { ...read, labels } },
  { name: "version 1.1", model: "T5ForConditionalGeneration", config: newer, inputs: { ...read, labels } },
  { name: "version 1.1 with a head of its own", model: "T5ForConditionalGeneration", config: { ...newer, num_decoder_layers: 1 }, untie: true, inputs: { ...read, labels } },
  { name: "what the decoder reads", model: "T5ForConditionalGeneration", config, inputs: { ...read, decoderInputIds, decoderAttentionMask } },
  { name: "all states and weights", model: "T5ForConditionalGeneration", config, eager: true, inputs: { ...read, labels, outputHiddenStates: true, outputAttentions: true } },
  { name: "no mask, 32 buckets", model: "T5ForConditionalGeneration", config: { ...config, relative_attention_num_buckets: 32, relative_attention_max_distance: 128 }, inputs: { inputIds, labels } },
  { name: "a long text", model: "T5EncoderModel", config: { ...config, relative_attention_num_buckets: 32, relative_attention_max_distance: 128 }, inputs: { inputIds: torch.arange(300, { dtype: "int64" }).remainder(40).view([1, 300]) } },
  { name: "without a head", model: "T5Model", config, inputs: { ...read, decoderInputIds, decoderAttentionMask } },
  { name: "without a head, all states and weights", model: "T5Model", config: newer, eager: true, inputs: { ...read, decoderInputsEmbeds: torch.randn([2, 6, 32]), outputHiddenStates: true, outputAttentions: true } },
  { name: "the encoder", model: "T5EncoderModel", config, inputs: read },
];
const mt5: Omit<Case, "configClass">[] = [
  { name: "mt5 loss", model: "MT5ForConditionalGeneration", config: { ...config, feed_forward_proj: "gated-gelu" }, inputs: { ...read, labels } },
  { name: "mt5 with a head of its own", model: "MT5ForConditionalGeneration", config: { ...config, feed_forward_proj: "gated-silu" }, untie: true, inputs: { ...read, labels } },
  { name: "mt5 without a head", model: "MT5Model", config: { ...config, feed_forward_proj: "gated-gelu" }, inputs: { ...read, decoderInputIds } },
  { name: "mt5 encoder", model: "MT5EncoderModel", config, inputs: read },
];

// The same seed on the same LibTorch drops the same places.
if (sameLibTorch) t5.push({ name: "dropout", model: "T5ForConditionalGeneration", config: { ...newer, dropout_rate: 0.2 }, inputs: { ...read, labels } });

parityTests("T5", "T5Config", t5);
parityTests("mT5", "MT5Config", mt5);
