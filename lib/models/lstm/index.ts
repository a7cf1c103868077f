export { LSTMLanguageModel } from "./language-model.js";
export type { LSTMLanguageModelConfig, LSTMLanguageModelConfigInput, LSTMLanguageModelInputs, LSTMLanguageModelOutput } from "./language-model.js";
export { LockedDropout } from "./recurrence.js";
export type { LayerState } from "./recurrence.js";
export { Seq2SeqLSTM } from "./seq2seq.js";
export type { Seq2SeqInputs, Seq2SeqLSTMConfig, Seq2SeqLSTMConfigInput, Seq2SeqOutput, Seq2SeqSource } from "./seq2seq.js";
