export {
  celu, elu, gelu, glu, hardshrink, hardsigmoid, hardswish, hardtanh, leakyRelu, logsigmoid, mish, prelu, relu, relu6, rrelu,
  selu, sigmoid, silu, softplus, softshrink, softsign, tanh, tanhshrink, threshold,
} from "./activations.js";
export {
  adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d, adaptiveMaxPool1d, adaptiveMaxPool1dWithIndices, adaptiveMaxPool2d,
  adaptiveMaxPool2dWithIndices, adaptiveMaxPool3d, adaptiveMaxPool3dWithIndices,
} from "./adaptive-pooling.js";
export { scaledDotProductAttention } from "./attention.js";
export { avgPool1d, avgPool2d, avgPool3d, lpPool1d, lpPool2d, lpPool3d } from "./avg-pooling.js";
export {
  binaryCrossEntropy, binaryCrossEntropyWithLogits, crossEntropy, klDiv, multilabelMarginLoss, multilabelSoftMarginLoss,
  multiMarginLoss, nllLoss, softMarginLoss,
} from "./classification-losses.js";
export { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d, fold, unfold } from "./conv.js";
export { ctcLoss } from "./ctc-loss.js";
export { cosineSimilarity, normalize, pairwiseDistance, pdist } from "./distance.js";
export { alphaDropout, dropout, dropout1d, dropout2d, dropout3d, featureAlphaDropout } from "./dropout.js";
export { embedding, embeddingBag } from "./embedding.js";
export type { BagMode } from "./embedding.js";
export {
  fractionalMaxPool2d, fractionalMaxPool2dWithIndices, fractionalMaxPool3d, fractionalMaxPool3dWithIndices,
} from "./fractional-pooling.js";
export { affineGrid, gridSample, interpolate } from "./interpolate.js";
export type { InterpolationMode } from "./interpolate.js";
export { bilinear, linear } from "./linear.js";
export {
  cosineEmbeddingLoss, hingeEmbeddingLoss, marginRankingLoss, tripletMarginLoss, tripletMarginWithDistanceLoss,
} from "./margin-losses.js";
export type { Distance } from "./margin-losses.js";
export {
  maxPool1d, maxPool1dWithIndices, maxPool2d, maxPool2dWithIndices, maxPool3d, maxPool3dWithIndices,
} from "./max-pooling.js";
export { multiHeadAttentionForward } from "./multi-head-attention.js";
export { batchNorm, groupNorm, instanceNorm, layerNorm, localResponseNorm, rmsNorm } from "./normalization.js";
export { pad } from "./pad.js";
export type { Reduction } from "./reduction.js";
export { gaussianNllLoss, huberLoss, l1Loss, mseLoss, poissonNllLoss, smoothL1Loss } from "./regression-losses.js";
export { gumbelSoftmax, logSoftmax, softmax, softmin } from "./softmax.js";
export { channelShuffle, oneHot, pixelShuffle, pixelUnshuffle } from "./shuffle.js";
export { maxUnpool1d, maxUnpool2d, maxUnpool3d } from "./unpooling.js";
