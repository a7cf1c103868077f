export type { GPT2Config, GPT2ConfigInput } from "./config.js";
export { GPT2ForSequenceClassification, GPT2LMHeadModel } from "./heads.js";
export type { GPT2Prompt } from "./heads.js";
export { GPT2Model } from "./model.js";
export type { GPT2Inputs } from "./model.js";
