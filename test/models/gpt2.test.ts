import { torch } from "../../lib/index.js";
import { sameLibTorch } from "../support/python.js";
import { parityTests } from "./parity.js";
import type { Case } from "./parity.js";
import { integers, labels, paddedBatch } from "./texts.js";

const config = {
  vocab_size: 50, n_positions: 16, n_embd: 32, n_layer: 2, n_head: 4, resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0,
  bos_token_id: 49, eos_token_id: 49, pad_token_id: 0,
};
const { inputIds, attentionMask, tokenTypeIds } = paddedBatch(0);
const batch = { inputIds, attentionMask };
const targets = inputIds.maskedFill(inputIds.eq(0), -100);

const cases: Omit<Case, "configClass">[] = [
  { name: "model", model: "GPT2Model", config, inputs: { ...batch, tokenTypeIds } },
  { name: "all states and weights", model: "GPT2Model", config, eager: true, inputs: { ...batch, outputHiddenStates: true, outputAttentions: true } },
  { name: "places and scales", model: "GPT2Model", config: { ...config, scale_attn_by_inverse_layer_idx: true, n_inner: 40, activation_function: "relu" }, inputs: { inputIds, positionIds: integers([[3, 2, 1, 0, 4, 5, 6]]) } },
  { name: "vectors instead of tokens", model: "GPT2Model", config: { ...config, scale_attn_weights: false }, inputs: { inputsEmbeds: torch.randn([3, 7, 32]) } },
  { name: "next tokens", model: "GPT2LMHeadModel", config, inputs: { ...batch, labels: targets } },
  { name: "next tokens, untied", model: "GPT2LMHeadModel", config: { ...config, tie_word_embeddings: false }, inputs: { ...batch, labels: targets } },
  { name: "classes", model: "GPT2ForSequenceClassification", config: { ...config, num_labels: 3 }, inputs: { ...batch, labels: labels.classes } },
  { name: "regression", model: "GPT2ForSequenceClassification", config: { ...config, num_labels: 1 }, inputs: { ...batch, labels: labels.numbers } },
  { name: "one sequence, no padding", model: "GPT2ForSequenceClassification", config: { ...config, pad_token_id: null }, inputs: { inputIds: integers([[4, 5, 6]]) } },
];

// The same seed on the same LibTorch drops the same places.
const dropping = { ...config, resid_pdrop: 0.2, embd_pdrop: 0.3, attn_pdrop: 0.4 };
if (sameLibTorch) cases.push({ name: "dropout", model: "GPT2LMHeadModel", config: dropping, inputs: { ...batch, labels: targets } });

parityTests("GPT-2", "GPT2Config", cases);
