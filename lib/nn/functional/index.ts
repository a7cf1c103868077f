export { elu, gelu, leakyRelu, logSoftmax, relu, sigmoid, silu, softmax, tanh } from "./activations.js";
export { dropout, dropout2d } from "./dropout.js";
export { conv1d, conv2d, embedding, linear, pad } from "./layers.js";
export { binaryCrossEntropyWithLogits, crossEntropy, l1Loss, mseLoss, nllLoss } from "./losses.js";
export type { Reduction } from "./losses.js";
export { batchNorm, groupNorm, layerNorm } from "./normalization.js";
export { adaptiveAvgPool2d, avgPool2d, maxPool2d, maxPool2dWithIndices } from "./pooling.js";
