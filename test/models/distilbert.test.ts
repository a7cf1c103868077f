import { torch } from "../../lib/index.js";
import { parityTests } from "./parity.js";
import type { Case } from "./parity.js";
import { choicesOf, integers, labels, paddedBatch } from "./texts.js";

const config = {
  vocab_size: 50, dim: 32, n_layers: 2, n_heads: 4, hidden_dim: 48, max_position_embeddings: 16,
  dropout: 0, attention_dropout: 0, qa_dropout: 0, seq_classif_dropout: 0,
};
const { inputIds, attentionMask } = paddedBatch(0);
const batch = { inputIds, attentionMask };

const cases: Omit<Case, "configClass">[] = [
  { name: "model", model: "DistilBertModel", config: { ...config, sinusoidal_pos_embds: true }, inputs: batch },
  { name: "all states and weights", model: "DistilBertModel", config, eager: true, inputs: { ...batch, outputHiddenStates: true, outputAttentions: true } },
  { name: "vectors and places", model: "DistilBertModel", config: { ...config, activation: "relu" }, inputs: { inputsEmbeds: torch.randn([3, 7, 32]), positionIds: integers([[3, 2, 1, 0, 4, 5, 6]]) } },
  { name: "classes", model: "DistilBertForSequenceClassification", config: { ...config, num_labels: 3 }, inputs: { ...batch, labels: labels.classes } },
  { name: "regression", model: "DistilBertForSequenceClassification", config: { ...config, num_labels: 1 }, inputs: { ...batch, labels: labels.numbers } },
  { name: "several labels", model: "DistilBertForSequenceClassification", config: { ...config, num_labels: 3 }, inputs: { ...batch, labels: labels.several } },
  { name: "spans", model: "DistilBertForQuestionAnswering", config, inputs: { ...batch, ...labels.spans } },
  { name: "masked tokens", model: "DistilBertForMaskedLM", config, inputs: { ...batch, labels: labels.masked } },
  { name: "masked tokens, untied", model: "DistilBertForMaskedLM", config: { ...config, tie_word_embeddings: false }, inputs: { ...batch, labels: labels.masked } },
  { name: "tokens", model: "DistilBertForTokenClassification", config: { ...config, num_labels: 5 }, inputs: { ...batch, labels: labels.tokens } },
  { name: "choices", model: "DistilBertForMultipleChoice", config, inputs: { ...choicesOf(batch), labels: labels.choice } },
];

parityTests("DistilBERT", "DistilBertConfig", cases);
