export { clipGradNorm_, clipGradValue_, clipGradsWithNorm_, getTotalNorm } from "./clip-grad.js";
export { functionalCall } from "./functional-call.js";
export * as fusion from "./fusion.js";
export * as parametrizations from "./parametrizations.js";
export * as parametrize from "./parametrize.js";
export * as rnn from "./rnn.js";
export { parametersToVector, vectorToParameters } from "./vector.js";
