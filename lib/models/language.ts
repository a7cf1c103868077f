// The language models.
export * from "./bert/index.js";
export * from "./roberta/index.js";
export * from "./distilbert/index.js";
export * from "./gpt2/index.js";
export * from "./lstm/index.js";
export { MT5EncoderModel, MT5ForConditionalGeneration, MT5Model, T5EncoderModel, T5ForConditionalGeneration, T5Model } from "./t5/index.js";
export type { T5Config, T5ConfigInput, T5EncoderInputs, T5Inputs, T5ModelInputs, T5ModelOutput, T5Output } from "./t5/index.js";
export type { GenerateOptions } from "./generation/options.js";
export type { ConfigFile } from "./config.js";
export type { ProblemType } from "./losses.js";
export type { LogitsOutput, SpanOutput } from "./outputs.js";
