export {
  celu, elu, gelu, glu, hardshrink, hardsigmoid, hardswish, hardtanh, leakyRelu, logsigmoid, mish, prelu, relu, relu6, rrelu,
  selu, sigmoid, silu, softplus, softshrink, softsign, tanh, tanhshrink, threshold,
} from "./activations.js";
export { scaledDotProductAttention } from "./attention.js";
export {
  binaryCrossEntropy, binaryCrossEntropyWithLogits, crossEntropy, klDiv, multilabelMarginLoss, multilabelSoftMarginLoss,
  multiMarginLoss, nllLoss, softMarginLoss,
} from "./classification-losses.js";
export { ctcLoss } from "./ctc-loss.js";
export { cosineSimilarity, normalize, pairwiseDistance, pdist } from "./distance.js";
export { dropout, dropout2d } from "./dropout.js";
export { embedding, embeddingBag } from "./embedding.js";
export type { BagMode } from "./embedding.js";
export { bilinear, conv1d, conv2d, linear, pad } from "./layers.js";
export {
  cosineEmbeddingLoss, hingeEmbeddingLoss, marginRankingLoss, tripletMarginLoss, tripletMarginWithDistanceLoss,
} from "./margin-losses.js";
export type { Distance } from "./margin-losses.js";
export { batchNorm, groupNorm, instanceNorm, layerNorm, localResponseNorm, rmsNorm } from "./normalization.js";
export { adaptiveAvgPool2d, avgPool2d, maxPool2d, maxPool2dWithIndices } from "./pooling.js";
export type { Reduction } from "./reduction.js";
export { gaussianNllLoss, huberLoss, l1Loss, mseLoss, poissonNllLoss, smoothL1Loss } from "./regression-losses.js";
export { gumbelSoftmax, logSoftmax, softmax, softmin } from "./softmax.js";
