export { MT5Model, T5Model } from "./base.js";
export type { T5ModelInputs, T5ModelOutput } from "./base.js";
export type { T5Config, T5ConfigInput } from "./config.js";
export { MT5EncoderModel, MT5ForConditionalGeneration, T5EncoderModel, T5ForConditionalGeneration, untiedByFile } from "./model.js";
export type { T5EncoderInputs, T5Inputs, T5Output } from "./model.js";
