export {
  CELU, ELU, GELU, GLU, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyReLU, LogSigmoid, Mish, ReLU, ReLU6, RReLU, SELU,
  Sigmoid, SiLU, Softplus, Softshrink, Softsign, Tanh, Tanhshrink, Threshold,
} from "./activations.js";
export { AdaptiveLogSoftmaxWithLoss } from "./adaptive-softmax.js";
export type { Padding, Size } from "./arguments.js";
export { BatchNorm1d, BatchNorm2d, BatchNorm3d, SyncBatchNorm } from "./batch-norm.js";
export type { BatchNormOptions } from "./batch-norm.js";
export { Bilinear } from "./bilinear.js";
export {
  BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, KLDivLoss, MultiLabelMarginLoss, MultiLabelSoftMarginLoss, MultiMarginLoss,
  NLLLoss, SoftMarginLoss,
} from "./classification-losses.js";
export { ModuleDict, ModuleList, Sequential } from "./containers.js";
export type { Layer } from "./containers.js";
export { Conv1d, Conv2d } from "./conv.js";
export type { ConvOptions, PaddingMode } from "./conv.js";
export type { Destination } from "./conversion.js";
export { CTCLoss } from "./ctc-loss.js";
export { CosineSimilarity, PairwiseDistance } from "./distance.js";
export { Dropout, Dropout2d } from "./dropout.js";
export { EmbeddingBag } from "./embedding-bag.js";
export { Embedding } from "./embedding.js";
export * as functional from "./functional/index.js";
export { GroupNorm } from "./group-norm.js";
export { GRU } from "./gru.js";
export * as init from "./init.js";
export { InstanceNorm1d, InstanceNorm2d, InstanceNorm3d } from "./instance-norm.js";
export type { InstanceNormOptions } from "./instance-norm.js";
export { LayerNorm } from "./layer-norm.js";
export { Linear } from "./linear.js";
export { LocalResponseNorm } from "./local-response-norm.js";
export { LSTM } from "./lstm.js";
export type { LSTMState } from "./lstm.js";
export {
  CosineEmbeddingLoss, HingeEmbeddingLoss, MarginRankingLoss, TripletMarginLoss, TripletMarginWithDistanceLoss,
} from "./margin-losses.js";
export { Module } from "./module.js";
export { MultiheadAttention } from "./multihead-attention.js";
export { isParameter, parameter } from "./parameter.js";
export type { Parameter } from "./parameter.js";
export { AdaptiveAvgPool2d, AvgPool2d, MaxPool2d } from "./pooling.js";
export { PReLU } from "./prelu.js";
export { GaussianNLLLoss, HuberLoss, L1Loss, MSELoss, PoissonNLLLoss, SmoothL1Loss } from "./regression-losses.js";
export { RMSNorm } from "./rms-norm.js";
export { RNN } from "./rnn.js";
export { GRUCell, LSTMCell, RNNCell } from "./rnn-cells.js";
export { Flatten, Identity } from "./shape.js";
export { LogSoftmax, Softmax, Softmax2d, Softmin } from "./softmax.js";
export type { LoadResult } from "./state-dict.js";
export { Transformer, TransformerDecoder, TransformerEncoder } from "./transformer.js";
export { TransformerDecoderLayer, TransformerEncoderLayer } from "./transformer-layers.js";
export type { Activation, TransformerLayerOptions } from "./transformer-layers.js";
export * as utils from "./utils/index.js";
