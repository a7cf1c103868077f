// The language models.
export * from "./bert/index.js";
export * from "./roberta/index.js";
export * from "./distilbert/index.js";
export type { ConfigFile } from "./config.js";
export type { ProblemType } from "./losses.js";
export type { LogitsOutput, SpanOutput } from "./outputs.js";
