export { Bleu } from "./bleu.js";
export { CalibrationError } from "./calibration.js";
export { Accuracy } from "./classification.js";
export { F1, MatthewsCorrelation } from "./confusion.js";
export { Perplexity } from "./perplexity.js";
export { ExactMatch, TokenF1, normalizeAnswer } from "./question-answering.js";
export { PearsonCorrelation, SpearmanCorrelation } from "./regression.js";
export type { Metric } from "./metric.js";
