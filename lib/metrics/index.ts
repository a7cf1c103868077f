export { Accuracy } from "./classification.js";
export type { Metric } from "./metric.js";
