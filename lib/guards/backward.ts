/** What operators that compute gradients take on trust: that the other tensors come from the forward that they belong to. */
import type { Tensor } from "../tensor.js";
import {
  antialiased, beside, dims, elements, givenIf, givenUnless, length, perChannels, positive, prod, rowPerIndex, samePlanes, sameShape, tensor, where,
} from "./rules.js";
import type { Rule } from "./rules.js";
import { classesBelow, indicesBelow, integersBelow, placesIn } from "./values.js";

/** oneDNN computes by float32 of each channel, whatever the input's dtype. */
const ofOneDnn = (argument: string) => beside(argument, "input", "a tensor of dtype float32", (t, input) => input.layout !== "mkldnn" || t.dtype === "float32");
const batchNormBackward = (gradient: string, training: string, ...saved: string[]) => [
  ...[elements("input"), sameShape(gradient, "input"), givenUnless("running_mean", training), givenUnless("running_var", training)],
  ...saved.map((name) => givenIf(name, training)),
  ...perChannels("weight", "running_mean", "running_var"),
  ...["weight", ...saved].map(ofOneDnn),
  ...perChannels(...saved).map((rule) => where(training, rule)), // outside training the forward saves nothing
];
/** See the forward's guard. */
const inRows = tensor("input", "a contiguous tensor where output_mask has no gradient for it", (t, all) => (all("output_mask") as unknown[] | undefined)?.[0] === true || t.isContiguous());
const paddingBackward = (sliding: number) => [length("padding", 2 * sliding), samePlanes("grad_output", "self", sliding)];
const maxima = (sliding: number) => [samePlanes("grad_output", "self", sliding), sameShape("indices", "grad_output"), placesIn("indices", "self", sliding)];
const fractionalBackward = (sliding: number) => [
  ...[length("kernel_size", sliding), length("output_size", sliding), dims("self", sliding + 1, sliding + 2)],
  ...maxima(sliding),
];
const lookedUp = (gradient: string) => [rowPerIndex(gradient, "indices"), indicesBelow("indices", "num_weights")];

/** The mean, or the deviation, of each row that was normalized. */
const perRow = (argument: string) =>
  beside(argument, "input", "a tensor with one element per normalized row of input", (t, input, all) => {
    return t.numel() * prod(Array.from(all("normalized_shape") as ArrayLike<number | bigint>)) === input.numel();
  });

/** One number, or one per target where a loss is not reduced; targets may have dimensions of classes themselves. */
const ofLoss = (argument: string, classes: number) =>
  beside(argument, "target", "one number, or with reduction 0 one per target", (t, target, all) => {
    const { shape } = target;
    return Number(all("reduction") ?? 1) === 0 ? t.numel() === prod(shape.slice(0, Math.max(0, shape.length - classes))) : t.numel() > 0;
  });

/** A gradient for each place of a grid. */
const ofGrid = tensor("grad_output", "a tensor with the channels of input at each place of grid", (gradient, all) => {
  const [input, grid] = [all("input"), all("grid")] as [Tensor, Tensor];
  return grid.dim() < 2 || String(gradient.shape) === String([...input.shape.slice(0, 2), ...grid.shape.slice(1, -1)]);
});

/** A gradient for each place of each window. */
const ofWindows = tensor("grad_in", "a tensor of the shape that unfold gives for input_sizes", (gradient, all) => {
  const shape = Array.from(all("input_sizes") as ArrayLike<number | bigint>, Number);
  const [dim, size, step] = [all("dim"), all("size"), all("step")].map(Number) as [number, number, number];
  const at = dim < 0 ? dim + shape.length : dim;
  if (!(at in shape) || step < 1 || size < 0 || size > shape[at]!) return false;
  shape[at] = Math.floor((shape[at]! - size) / step) + 1;
  return String(gradient.shape) === String([...shape, size]);
});

export const backward: Readonly<Record<string, readonly Rule[]>> = {
  "aten::native_batch_norm_backward": batchNormBackward("grad_out", "train", "save_mean", "save_invstd"),
  "aten::batch_norm_backward": batchNormBackward("grad_out", "update", "save_mean", "save_var"),
  "aten::reflection_pad1d_backward": paddingBackward(1),
  "aten::reflection_pad2d_backward": paddingBackward(2),
  "aten::reflection_pad3d_backward": paddingBackward(3),
  "aten::replication_pad1d_backward": paddingBackward(1),
  "aten::replication_pad2d_backward": paddingBackward(2),
  "aten::replication_pad3d_backward": paddingBackward(3),
  "aten::fractional_max_pool2d_backward": fractionalBackward(2),
  "aten::fractional_max_pool3d_backward": fractionalBackward(3),
  "aten::embedding_backward": lookedUp("grad"),
  "aten::embedding_dense_backward": lookedUp("grad_output"),
  "aten::native_group_norm_backward": [positive("group"), inRows],
  "aten::_softmax_backward_data": [sameShape("output", "grad_output")],
  "aten::_log_softmax_backward_data": [sameShape("output", "grad_output")],
  "aten::_batch_norm_impl_index_backward": batchNormBackward("grad_output", "train", "save_mean", "save_var_transform"),
  "aten::nll_loss_backward": [ofLoss("grad_output", 0), classesBelow("target", "self", "ignore_index")],
  "aten::nll_loss2d_backward": [ofLoss("grad_output", 0), classesBelow("target", "self", "ignore_index")],
  "aten::multi_margin_loss_backward": [
    ...[ofLoss("grad_output", 0), integersBelow("target", "the classes of self, less one", (all) => (all("self") as Tensor).shape.at(-1) ?? 1)],
  ],
  "aten::multilabel_margin_loss_backward": [ofLoss("grad_output", 1)],
  "aten::avg_pool2d_backward": [samePlanes("grad_output", "self", 2)],
  "aten::avg_pool3d_backward": [samePlanes("grad_output", "self", 3)],
  "aten::_adaptive_avg_pool2d_backward": [samePlanes("grad_output", "self", 2)],
  "aten::_adaptive_avg_pool3d_backward": [samePlanes("grad_output", "self", 3)],
  "aten::adaptive_avg_pool3d_backward": [samePlanes("grad_output", "self", 3)],
  "aten::adaptive_max_pool2d_backward": maxima(2),
  "aten::adaptive_max_pool3d_backward": maxima(3),
  "aten::max_pool2d_with_indices_backward": maxima(2),
  "aten::max_pool3d_with_indices_backward": maxima(3),
  "aten::_upsample_bilinear2d_aa_backward": antialiased("input_size"),
  "aten::_upsample_bicubic2d_aa_backward": antialiased("input_size"),
  "aten::_upsample_lanczos2d_aa_backward": antialiased("input_size"),
  "aten::grid_sampler_2d_backward": [ofGrid],
  "aten::grid_sampler_3d_backward": [ofGrid],
  "aten::_grid_sampler_2d_cpu_fallback_backward": [ofGrid],
  "aten::unfold_backward": [ofWindows],
  "aten::native_layer_norm_backward": [sameShape("grad_out", "input"), perRow("mean"), perRow("rstd")],
  "aten::_masked_softmax_backward": [sameShape("output", "grad_output"), sameShape("mask", "grad_output")],
};
