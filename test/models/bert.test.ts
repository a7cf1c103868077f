import { torch } from "../../lib/index.js";
import { parityTests } from "./parity.js";
import type { Case } from "./parity.js";

const config = {
  vocab_size: 50, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 48, max_position_embeddings: 16,
  hidden_dropout_prob: 0, attention_probs_dropout_prob: 0,
};
const integers = (rows: number[][]) => torch.tensor(rows, { dtype: "int64" });

const inputIds = integers([[2, 7, 9, 13, 3, 0, 0], [2, 30, 41, 5, 6, 49, 3], [2, 8, 3, 11, 3, 0, 0]]);
const attentionMask = integers([[1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0]]);
const tokenTypeIds = integers([[0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0]]);
const read = { inputIds, attentionMask, tokenTypeIds };
const choices = { inputIds: inputIds.reshape([1, 3, 7]), attentionMask: attentionMask.reshape([1, 3, 7]), tokenTypeIds: tokenTypeIds.reshape([1, 3, 7]) };

const cases: Case[] = [
  { name: "model", model: "BertModel", configClass: "BertConfig", config, inputs: read },
  { name: "all states and weights", model: "BertModel", configClass: "BertConfig", config, eager: true, inputs: { ...read, outputHiddenStates: true, outputAttentions: true } },
  { name: "places and no mask", model: "BertModel", configClass: "BertConfig", config: { ...config, hidden_act: "gelu_new", layer_norm_eps: 1e-6 }, inputs: { inputIds, positionIds: integers([[3, 2, 1, 0, 4, 5, 6]]) } },
  { name: "vectors instead of tokens", model: "BertModel", configClass: "BertConfig", config: { ...config, hidden_act: "silu" }, inputs: { inputsEmbeds: torch.randn([3, 7, 32]), attentionMask } },
  { name: "a mask for each query", model: "BertModel", configClass: "BertConfig", config, inputs: { inputIds, attentionMask: torch.ones([3, 1, 7, 7], { dtype: "bool" }).tril() } },
  { name: "classes", model: "BertForSequenceClassification", configClass: "BertConfig", config: { ...config, num_labels: 3, classifier_dropout: 0 }, inputs: { ...read, labels: torch.tensor([2, 0, 1]) } },
  { name: "logits alone", model: "BertForSequenceClassification", configClass: "BertConfig", config, inputs: read },
  { name: "regression", model: "BertForSequenceClassification", configClass: "BertConfig", config: { ...config, num_labels: 1 }, inputs: { ...read, labels: torch.tensor([0.5, -1, 2]) } },
  { name: "regression of two numbers", model: "BertForSequenceClassification", configClass: "BertConfig", config: { ...config, problem_type: "regression" }, inputs: { ...read, labels: torch.tensor([[0.5, 1], [-1, 0], [2, 0.25]]) } },
  { name: "several labels", model: "BertForSequenceClassification", configClass: "BertConfig", config: { ...config, num_labels: 3 }, inputs: { ...read, labels: torch.tensor([[1, 0, 1], [0, 0, 0], [0, 1, 0]], { dtype: "float32" }) } },
  { name: "spans", model: "BertForQuestionAnswering", configClass: "BertConfig", config, inputs: { ...read, startPositions: torch.tensor([1, 2, 12]), endPositions: torch.tensor([3, 6, 0]) } },
  { name: "masked tokens", model: "BertForMaskedLM", configClass: "BertConfig", config, inputs: { ...read, labels: integers([[-100, 7, -100, -100, 5, -100, -100], [-100, -100, 4, -100, -100, -100, -100], [-100, 9, -100, -100, -100, -100, -100]]) } },
  { name: "masked tokens, untied", model: "BertForMaskedLM", configClass: "BertConfig", config: { ...config, tie_word_embeddings: false }, inputs: { ...read, labels: inputIds.clone() } },
  { name: "tokens", model: "BertForTokenClassification", configClass: "BertConfig", config: { ...config, num_labels: 5 }, inputs: { ...read, labels: integers([[-100, 1, 2, 3, 4, -100, -100], [0, 0, 0, 1, 1, 2, -100], [4, 3, 2, 1, 0, -100, -100]]) } },
  { name: "choices", model: "BertForMultipleChoice", configClass: "BertConfig", config, inputs: { ...choices, labels: torch.tensor([2]) } },
];

parityTests("BERT", cases);
