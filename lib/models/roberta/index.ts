export type { RobertaConfig, RobertaConfigInput } from "./config.js";
export {
  RobertaForMaskedLM,
  RobertaForMultipleChoice,
  RobertaForQuestionAnswering,
  RobertaForSequenceClassification,
  RobertaForTokenClassification,
} from "./heads.js";
export { RobertaModel } from "./model.js";
