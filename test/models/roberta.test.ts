import { torch } from "../../lib/index.js";
import { parityTests } from "./parity.js";
import type { Case } from "./parity.js";
import { choicesOf, integers, labels, paddedBatch } from "./texts.js";

const config = {
  vocab_size: 50, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 48, max_position_embeddings: 16,
  type_vocab_size: 1, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0,
};
const { inputIds, attentionMask } = paddedBatch(1);
const batch = { inputIds, attentionMask };
// Padding on the left, where places are counted from the first token that is none.
const left = { inputIds: integers([[1, 1, 0, 8, 2], [0, 7, 8, 9, 2]]), attentionMask: integers([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]) };

const cases: Omit<Case, "configClass">[] = [
  { name: "model", model: "RobertaModel", config, inputs: batch },
  { name: "padding on the left", model: "RobertaModel", config, inputs: left },
  { name: "two kinds of texts, all states and weights", model: "RobertaModel", config: { ...config, type_vocab_size: 2 }, eager: true, inputs: { ...paddedBatch(1), outputHiddenStates: true, outputAttentions: true } },
  { name: "vectors instead of tokens", model: "RobertaModel", config, inputs: { inputsEmbeds: torch.randn([3, 7, 32]), attentionMask } },
  { name: "classes", model: "RobertaForSequenceClassification", config: { ...config, num_labels: 3 }, inputs: { ...batch, labels: labels.classes } },
  { name: "regression", model: "RobertaForSequenceClassification", config: { ...config, num_labels: 1 }, inputs: { ...batch, labels: labels.numbers } },
  { name: "several labels", model: "RobertaForSequenceClassification", config: { ...config, num_labels: 3 }, inputs: { ...batch, labels: labels.several } },
  { name: "spans", model: "RobertaForQuestionAnswering", config, inputs: { ...batch, ...labels.spans } },
  { name: "masked tokens", model: "RobertaForMaskedLM", config, inputs: { ...batch, labels: labels.masked } },
  { name: "masked tokens, untied", model: "RobertaForMaskedLM", config: { ...config, tie_word_embeddings: false }, inputs: { ...batch, labels: labels.masked } },
  { name: "tokens", model: "RobertaForTokenClassification", config: { ...config, num_labels: 5 }, inputs: { ...batch, labels: labels.tokens } },
  { name: "choices", model: "RobertaForMultipleChoice", config, inputs: { ...choicesOf(batch), labels: labels.choice } },
];

parityTests("RoBERTa", "RobertaConfig", cases);
