export {
  CELU, ELU, GELU, GLU, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyReLU, LogSigmoid, Mish, ReLU, ReLU6, RReLU, SELU,
  Sigmoid, SiLU, Softplus, Softshrink, Softsign, Tanh, Tanhshrink, Threshold,
} from "./activations.js";
export {
  AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d,
} from "./adaptive-pool.js";
export { AdaptiveLogSoftmaxWithLoss } from "./adaptive-softmax.js";
export type { Padding, Size } from "./arguments.js";
export { AvgPool1d, AvgPool2d, AvgPool3d } from "./avg-pool.js";
export { BatchNorm1d, BatchNorm2d, BatchNorm3d, SyncBatchNorm } from "./batch-norm.js";
export type { BatchNormOptions } from "./batch-norm.js";
export { Bilinear } from "./bilinear.js";
export {
  BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, KLDivLoss, MultiLabelMarginLoss, MultiLabelSoftMarginLoss, MultiMarginLoss,
  NLLLoss, SoftMarginLoss,
} from "./classification-losses.js";
export { ModuleDict, ModuleList, Sequential } from "./containers.js";
export type { Layer } from "./containers.js";
export { Conv1d, Conv2d, Conv3d } from "./conv.js";
export { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from "./conv-transpose.js";
export type { ConvTransposeOptions } from "./conv-transpose.js";
export type { ConvOptions, PaddingMode } from "./conv.js";
export type { ClearingOptions } from "./clear-gradients.js";
export type { Destination } from "./conversion.js";
export { checkpoint } from "./checkpoint.js";
export { CTCLoss } from "./ctc-loss.js";
export { CosineSimilarity, PairwiseDistance } from "./distance.js";
export { AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout } from "./dropout.js";
export { EmbeddingBag } from "./embedding-bag.js";
export { Embedding } from "./embedding.js";
export { Fold, Unfold } from "./fold.js";
export { FractionalMaxPool2d, FractionalMaxPool3d } from "./fractional-pool.js";
export * as functional from "./functional/index.js";
export { GroupNorm } from "./group-norm.js";
export { GRU } from "./gru.js";
export type { ForwardHook, ForwardPreHook, HookHandle, HookOptions } from "./hooks.js";
export * as init from "./init.js";
export { InstanceNorm1d, InstanceNorm2d, InstanceNorm3d } from "./instance-norm.js";
export type { InstanceNormOptions } from "./instance-norm.js";
export { LayerNorm } from "./layer-norm.js";
export { LazyConv1d, LazyConv2d, LazyConv3d } from "./lazy-conv.js";
export { LazyConvTranspose1d, LazyConvTranspose2d, LazyConvTranspose3d } from "./lazy-conv-transpose.js";
export { LazyLinear } from "./lazy-linear.js";
export {
  LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d, LazyInstanceNorm1d, LazyInstanceNorm2d, LazyInstanceNorm3d,
} from "./lazy-norm.js";
export { Linear } from "./linear.js";
export { LocalResponseNorm } from "./local-response-norm.js";
export { LPPool1d, LPPool2d, LPPool3d } from "./lp-pool.js";
export { LSTM } from "./lstm.js";
export type { LSTMState } from "./lstm.js";
export {
  CosineEmbeddingLoss, HingeEmbeddingLoss, MarginRankingLoss, TripletMarginLoss, TripletMarginWithDistanceLoss,
} from "./margin-losses.js";
export { MaxPool1d, MaxPool2d, MaxPool3d } from "./max-pool.js";
export { MaxUnpool1d, MaxUnpool2d, MaxUnpool3d } from "./max-unpool.js";
export { Module } from "./module.js";
export { MultiheadAttention } from "./multihead-attention.js";
export {
  CircularPad1d, CircularPad2d, CircularPad3d, ConstantPad1d, ConstantPad2d, ConstantPad3d, ReflectionPad1d, ReflectionPad2d,
  ReflectionPad3d, ReplicationPad1d, ReplicationPad2d, ReplicationPad3d, ZeroPad1d, ZeroPad2d, ZeroPad3d,
} from "./padding.js";
export type { Widths } from "./padding.js";
export { ParameterDict, ParameterList } from "./parameter-containers.js";
export { isParameter, parameter } from "./parameter.js";
export type { Parameter } from "./parameter.js";
export { PReLU } from "./prelu.js";
export { GaussianNLLLoss, HuberLoss, L1Loss, MSELoss, PoissonNLLLoss, SmoothL1Loss } from "./regression-losses.js";
export { RMSNorm } from "./rms-norm.js";
export { RNN } from "./rnn.js";
export { GRUCell, LSTMCell, RNNCell } from "./rnn-cells.js";
export { ChannelShuffle, PixelShuffle, PixelUnshuffle } from "./shuffle.js";
export { Flatten, Identity, Unflatten } from "./shape.js";
export { LogSoftmax, Softmax, Softmax2d, Softmin } from "./softmax.js";
export type { LoadResult } from "./state-dict.js";
export { Transformer, TransformerDecoder, TransformerEncoder } from "./transformer.js";
export { TransformerDecoderLayer, TransformerEncoderLayer } from "./transformer-layers.js";
export type { Activation, TransformerLayerOptions } from "./transformer-layers.js";
export { Upsample, UpsamplingBilinear2d, UpsamplingNearest2d } from "./upsample.js";
export * as utils from "./utils/index.js";
