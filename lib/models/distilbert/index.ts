export type { DistilBertConfig, DistilBertConfigInput } from "./config.js";
export {
  DistilBertForMaskedLM,
  DistilBertForMultipleChoice,
  DistilBertForQuestionAnswering,
  DistilBertForSequenceClassification,
  DistilBertForTokenClassification,
} from "./heads.js";
export { DistilBertModel } from "./model.js";
