export { clipGradNorm_, clipGradValue_, getTotalNorm } from "./clip-grad.js";
export * as parametrizations from "./parametrizations.js";
export * as rnn from "./rnn.js";
export { parametersToVector, vectorToParameters } from "./vector.js";
