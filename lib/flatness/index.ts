export { averageSharpness } from "./average-sharpness.js";
export { sharpness } from "./sharpness.js";
export type { AverageSharpnessOptions } from "./average-sharpness.js";
export type { BatchLoss, Batches } from "./objective.js";
export type { SharpnessOptions } from "./sharpness.js";
