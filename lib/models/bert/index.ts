export type { BertConfig, BertConfigInput } from "./config.js";
export { BertForMaskedLM, BertForMultipleChoice, BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification } from "./heads.js";
export { BertModel } from "./model.js";
export type { BertInputs, BertOutput } from "./model.js";
