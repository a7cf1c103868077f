export { create, Optimizer, type OptimizerState } from "./optimizer.js";
export type { CompiledStep, ProgramInfo, StepReport } from "./compile.js";
export type * from "./base-options.js";
export type { CommonOptions, GasamOptions, Method, MsamOptions, NoneOptions, OptimizerOptions, SamOptions } from "./options.js";
export { ParameterGroup, type ParameterGroupOptions, type Trained } from "./groups.js";
export { schedule, type PlateauState, type Rate, type Schedule } from "./schedules.js";
export type * from "./schedule-options.js";
export { average, Average, type AverageOptions, type AverageState, type EmaOptions, type SwaOptions } from "./averaging.js";
