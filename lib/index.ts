/// <reference types="node" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />
export { torch } from "./torch.js";
export { Tensor } from "./tensor.js";
export { Generator } from "./random.js";
export type { AutocastOptions } from "./autocast.js";
export { SteppeError, type SteppeErrorCode } from "./errors.js";
export type { Device, DType, FactoryOptions, Int, Ints, Layout, MemoryFormat, Scalar } from "./types.js";
export * as nn from "./nn/index.js";
export * as optim from "./optim/index.js";
export * as data from "./data/index.js";
export * as io from "./io/index.js";
export * as models from "./models/index.js";
export * as metrics from "./metrics/index.js";
export * as train from "./train/index.js";
export * as flatness from "./flatness/index.js";
export { defineConfig } from "./experiment/config.js";
export type { Config } from "./experiment/config.js";
