import { torch } from "../../lib/index.js";
import { sameLibTorch } from "../support/python.js";
import { parityTests } from "./parity.js";
import type { Case } from "./parity.js";
import { choicesOf, integers, labels, paddedBatch } from "./texts.js";

const config = {
  vocab_size: 50, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 48, max_position_embeddings: 16,
  hidden_dropout_prob: 0, attention_probs_dropout_prob: 0,
};
const batch = paddedBatch(0);
const { inputIds, attentionMask } = batch;

const cases: Omit<Case, "configClass">[] = [
  { name: "model", model: "BertModel", config, inputs: batch },
  { name: "all states and weights", model: "BertModel", config, eager: true, inputs: { ...batch, outputHiddenStates: true, outputAttentions: true } },
  { name: "places and no mask", model: "BertModel", config: { ...config, hidden_act: "gelu_new", layer_norm_eps: 1e-6 }, inputs: { inputIds, positionIds: integers([[3, 2, 1, 0, 4, 5, 6]]) } },
  { name: "vectors instead of tokens", model: "BertModel", config: { ...config, hidden_act: "silu" }, inputs: { inputsEmbeds: torch.randn([3, 7, 32]), attentionMask } },
  { name: "a mask for each query", model: "BertModel", config, inputs: { inputIds, attentionMask: torch.ones([3, 1, 7, 7], { dtype: "bool" }).tril() } },
  { name: "classes", model: "BertForSequenceClassification", config: { ...config, num_labels: 3, classifier_dropout: 0 }, inputs: { ...batch, labels: labels.classes } },
  { name: "logits alone", model: "BertForSequenceClassification", config, inputs: batch },
  { name: "regression", model: "BertForSequenceClassification", config: { ...config, num_labels: 1 }, inputs: { ...batch, labels: labels.numbers } },
  { name: "regression of two numbers", model: "BertForSequenceClassification", config: { ...config, problem_type: "regression" }, inputs: { ...batch, labels: torch.tensor([[0.5, 1], [-1, 0], [2, 0.25]]) } },
  { name: "several labels", model: "BertForSequenceClassification", config: { ...config, num_labels: 3 }, inputs: { ...batch, labels: labels.several } },
  { name: "spans", model: "BertForQuestionAnswering", config, inputs: { ...batch, ...labels.spans } },
  { name: "masked tokens", model: "BertForMaskedLM", config, inputs: { ...batch, labels: labels.masked } },
  { name: "masked tokens, untied", model: "BertForMaskedLM", config: { ...config, tie_word_embeddings: false }, inputs: { ...batch, labels: labels.masked } },
  { name: "tokens", model: "BertForTokenClassification", config: { ...config, num_labels: 5 }, inputs: { ...batch, labels: labels.tokens } },
  { name: "choices", model: "BertForMultipleChoice", config, inputs: { ...choicesOf(batch), labels: labels.choice } },
];

// The same seed on the same LibTorch drops the same places.
const dropping = { ...config, hidden_dropout_prob: 0.2, attention_probs_dropout_prob: 0.3, classifier_dropout: 0.4, num_labels: 3 };
if (sameLibTorch) cases.push({ name: "dropout", model: "BertForSequenceClassification", config: dropping, inputs: { ...batch, labels: labels.classes } });

parityTests("BERT", "BertConfig", cases);
