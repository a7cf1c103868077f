export { compareConfig } from "./compare.js";
export { defineConfig } from "./config.js";
export { loadConfig } from "./load.js";
export { parameterCount, trainConfig } from "./run.js";
export { schema } from "./schema.js";
export type * from "./config.js";
export type { CompareOptions, Comparison, Difference, MethodResult } from "./compare.js";
export type { LoadedConfig } from "./load.js";
export type { RunResult, Started, TrainOptions } from "./run.js";
