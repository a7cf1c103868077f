/** What operators take on trust, those that compute gradients aside: an overload, or all of a name. */
import { native } from "../native.js";
import type { Tensor } from "../tensor.js";
import { recurrentStates, recurrentWeights } from "./recurrent.js";
import {
  antialiased, array, beside, dims, elements, elementsForEach, forEach, fraction, given, givenUnless, hasShape, haveDimension,
  headsOf, isTrue, kernelOf, layoutOfZeros, length, notEmpty, ofDtype, perChannels, perLast, positive, quantizedScales, sameDtype, sameHeads,
  sameShape, shaped, sizes, takesZeros, tensor, valuesOf, wholeStep,
} from "./rules.js";
import type { Rule, Values } from "./rules.js";
import {
  bagsEnd, bagsOf, batchSizesOf, compressed, compressedAlone, coordinates, finite, labelsBelow, lengthsOf, segmentLengths, segmentOffsets,
} from "./values.js";

const channels = ["weight", "bias", "running_mean", "running_var"];
const statistics = [givenUnless("running_mean", "training"), givenUnless("running_var", "training"), ...perChannels(...channels)];
const running = [
  ...[elements("self"), sameShape("values", "self"), sameDtype("values", "self")],
  ...[sameShape("indices", "self"), ofDtype("indices", "int64")],
];
/** One gain per slice of v along dim, or one for all with dim −1. */
const gain = tensor("g", "a tensor of v's number of dimensions, with one element per slice along dim", (g, all) => {
  const [v, dim] = [all("v") as Tensor, Number(all("dim") ?? 0)];
  return dim >= -1 && dim < v.dim() && g.dim() === v.dim() && g.shape.every((size, i) => size === (i === dim ? v.shape[i] : 1));
});
/** The backward of LibTorch's group norm reads beyond its memory where the channels lie last and the input wants no gradient. */
const groupsInRows = tensor("input", "a contiguous tensor, or one that requires gradients,", (t, all) => {
  const trained = ["weight", "bias"].some((name) => (all(name) as Tensor | null | undefined)?.requiresGrad === true);
  return t.requiresGrad || t.isContiguous() || !trained || !native.gradMode();
});
const recurrent = (gates: number) => [positive("num_layers"), elements("batch_sizes"), recurrentWeights(gates), recurrentStates(gates)];

/** What was observed of all of a tensor, or of each slice of it; where nothing was yet, there is room made. */
const observed = ["running_min", "running_max", "scale", "zero_point"].map((name) =>
  tensor(name, "a tensor with one element, or with per_row_fake_quant one per slice of self along ch_axis", (t, all) => {
    const [self, axis] = [all("self") as Tensor, Number(all("ch_axis"))];
    if (all("per_row_fake_quant") !== true) return t.numel() > 0;
    return (all("running_min") as Tensor).numel() === 0 || t.numel() >= (self.shape.at(axis) ?? 1);
  }),
);

/** oneDNN takes the dimensions of one tensor for those of the other. */
const slopes = beside("weight", "self", "a tensor of self's number of dimensions", (t, self) => self.layout !== "mkldnn" || t.dim() === self.dim());

/** LibTorch looks for overlaps with self in memory that a tensor in oneDNN's layout doesn't show. */
const plain = (argument: string) => tensor(argument, 'a tensor of another layout than "mkldnn"', (t) => t.layout !== "mkldnn");

const noMoreIndices = array("indices", "no more indices than self has dimensions", ({ length }, all) => length <= (all("self") as Tensor).dim());

/** Weights of 4 bits, and for each group of a row their scale and zero. */
const packed4 = beside("mat2", "self", "a tensor half as wide as self", (t, self) => t.dim() === 2 && 2 * t.shape[1]! === self.shape.at(-1));
const scales4 = beside("qScaleAndZeros", "self", "a tensor of shape [groups, rows of mat2, 2]", (t, self, all) => {
  return hasShape(t, Math.ceil(self.shape.at(-1)! / Number(all("qGroupSize"))), (all("mat2") as Tensor).shape[0]!, 2);
});

const embeddingBag = [dims("indices", 1), bagsOf("offsets", "indices"), bagsEnd("offsets", "indices")];

/** The lists of a fused optimizer, each with when it is needed. */
function fused(...lists: [name: string, needed?: (all: Values) => boolean][]): Rule[] {
  const own = (["self", "grads"] as const).map((name) => forEach(name, "self"));
  return [...own, ...lists.map(([name, needed]) => forEach(name, "self", needed)), elements("grad_scale"), elements("found_inf")];
}

/** Sums of a tensor's slices. */
const combined = tensor("out", "a tensor of the shape and dtype of the result", (out, all) => {
  const [input, coefficients] = [all("input"), all("coefficients")] as [Tensor, Tensor];
  return out.dtype === input.dtype && String(out.shape) === String([coefficients.shape[0], ...input.shape.slice(1)]);
});

export const forward: Readonly<Record<string, readonly Rule[]>> = {
  "aten::_stack": [notEmpty("tensors")],
  "aten::cat": [notEmpty("tensors")],
  "aten::concat": [notEmpty("tensors")],
  "aten::concatenate": [notEmpty("tensors")],
  "aten::_chunk_cat": [haveDimension("tensors", "dim")],
  "aten::native_batch_norm": statistics,
  "aten::batch_norm_update_stats": perChannels("running_mean", "running_var"),
  "aten::_batch_norm_no_update": [given("running_mean"), given("running_var"), ...perChannels("weight", "bias", "running_mean", "running_var")],
  "aten::_native_batch_norm_legit": statistics,
  "aten::_native_batch_norm_legit.no_stats": [isTrue("training")],
  "aten::_pdist_forward": [dims("self", 2), elements("self")],
  "aten::_upsample_bilinear2d_aa": antialiased("self"),
  "aten::_upsample_bicubic2d_aa": antialiased("self"),
  "aten::_upsample_lanczos2d_aa": antialiased("self"),
  "aten::_sobol_engine_initialize_state_": [shaped("self", ["dimension", 30])],
  "aten::_sobol_engine_scramble_": [shaped("self", ["dimension", 30]), shaped("ltm", ["dimension", 30, 30])],
  "aten::_sobol_engine_ff_": [shaped("self", ["dimension"]), shaped("sobolstate", ["dimension", 30])],
  "aten::_sobol_engine_draw": [shaped("quasi", ["dimension"]), shaped("sobolstate", ["dimension", 30])],
  "aten::quantized_lstm_cell": [length("hx", 2)],
  "aten::native_group_norm": [positive("group"), groupsInRows],
  "aten::group_norm": [groupsInRows],
  "aten::choose_qparams_optimized": [positive("n_bins"), fraction("ratio")],
  "aten::_weight_norm": [elements("v"), gain],
  "aten::_weight_norm_interface": [elements("v"), gain],
  "aten::_saturate_weight_to_fp16": [elements("weight")],
  "aten::_cummax_helper": running,
  "aten::_cummin_helper": running,
  "aten::_nested_from_padded": [elements("padded"), dims("cpu_nested_shape_example", 2)],
  "aten::_masked_softmax": [elements("self")],
  "aten::_logcumsumexp": [sameDtype("out", "self")],
  "aten::binomial": [finite("count")],
  "aten::_native_batch_norm_legit_functional": statistics,
  "aten::_native_batch_norm_legit_no_training": perChannels(...channels),
  "aten::_batch_norm_with_update": perChannels(...channels),
  "aten::_batch_norm_with_update_functional": perChannels(...channels),
  "aten::_adaptive_avg_pool2d": [sizes("output_size", 2)],
  "aten::adaptive_avg_pool2d": [sizes("output_size", 2)],
  "aten::_adaptive_avg_pool3d": [sizes("output_size", 3)],
  "aten::adaptive_avg_pool3d": [sizes("output_size", 3)],
  ...Object.fromEntries(
    ["upsample_bilinear2d", "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d"].map((name) => {
      return [`aten::${name}`, quantizedScales("self", name.endsWith("3d"))];
    }),
  ),
  "aten::slow_conv3d": [kernelOf("weight", 3)],
  "aten::slow_conv3d_forward": [kernelOf("weight", 3)],
  "aten::slow_conv_transpose2d": [kernelOf("weight", 2)],
  "aten::slow_conv_transpose3d": [kernelOf("weight", 3)],
  "aten::scaled_dot_product_attention": [valuesOf("key"), ...headsOf("key", "value")],
  "aten::_scaled_dot_product_attention_math": [valuesOf("key"), ...headsOf("key", "value")],
  "aten::_scaled_dot_product_flash_attention_for_cpu": [
    ...[elements("query"), elements("key"), elements("value")],
    ...[sameHeads("key"), sameHeads("value"), valuesOf("key")],
  ],
  "aten::_native_multi_head_attention": [positive("num_head")],
  "aten::_transformer_encoder_layer_fwd": [positive("num_heads")],
  "aten::_transform_bias_rescale_qkv": [dims("qkv", 3), elements("qkv"), positive("num_heads"), perLast("qkv_bias", "qkv")],
  "aten::embedding_bag": embeddingBag,
  "aten::_embedding_bag": embeddingBag,
  "aten::_embedding_bag_forward_only": embeddingBag,
  "aten::fused_moving_avg_obs_fake_quant": observed,
  "aten::_fused_moving_avg_obs_fq_helper": observed,
  "aten::_fused_moving_avg_obs_fq_helper_functional": observed,
  "aten::_pad_packed_sequence": [batchSizesOf("batch_sizes", "data")],
  "aten::_prelu_kernel": [slopes],
  "aten::_prelu_kernel_backward": [slopes],
  "aten::_unsafe_masked_index": [noMoreIndices],
  "aten::_unsafe_masked_index_put_accumulate": [noMoreIndices],
  "aten::_weight_int8pack_mm": [
    ...[dims("mat2", 2), elements("mat2")],
    beside("scales", "mat2", "a tensor with one element per row of mat2", (t, { shape }) => hasShape(t, shape[0]!)),
  ],
  "aten::_weight_int4pack_mm_for_cpu": [elements("mat2"), packed4, scales4],
  ...Object.fromEntries(["index_add_", "index_copy_", "index_reduce_"].map((name) => [`aten::${name}`, [plain("source")]])),
  ...Object.fromEntries(["scatter_", "scatter_add_", "scatter_reduce_"].map((name) => [`aten::${name}`, [plain("src")]])),
  "aten::segment_reduce": [segmentLengths("lengths", "data"), segmentOffsets("offsets", "data")],
  "aten::ctc_loss": [labelsBelow("targets", "log_probs")],
  "aten::_ctc_loss": [labelsBelow("targets", "log_probs")],
  "aten::_pack_padded_sequence": [lengthsOf("lengths", "input")],
  "aten::lstm": recurrent(4),
  "aten::gru": recurrent(3),
  "aten::rnn_tanh": recurrent(1),
  "aten::rnn_relu": recurrent(1),
  "aten::_nested_compute_contiguous_strides_offsets": [dims("nested_size", 2), elements("nested_size")],
  "aten::linalg_eigvals": [finite("self")], // LAPACK's routine ends anywhere otherwise; that of linalg_eig is guarded by LibTorch
  "aten::zeros": [layoutOfZeros("layout", (all) => all("dtype"))],
  "aten::new_zeros": [layoutOfZeros("layout", (all) => all("dtype") ?? (all("self") as Tensor).dtype)],
  "aten::zeros_like": [layoutOfZeros("layout", (all) => all("dtype") ?? (all("self") as Tensor).dtype)],
  "aten::zero": [takesZeros("self")],
  "aten::zero_": [takesZeros("self")],
  "aten::_compute_linear_combination": [dims("input", 1, 64), dims("coefficients", 2), combined],
  "aten::range": [wholeStep("step")],
  ...Object.fromEntries(["_fused_sgd", "_fused_sgd_"].map((name) => [`aten::${name}`, fused(["momentum_buffer_list", (all) => all("momentum") !== 0])])),
  ...Object.fromEntries(
    ["_fused_adam", "_fused_adam_", "_fused_adamw", "_fused_adamw_"].map((name) => [
      `aten::${name}`,
      [...fused(["exp_avgs"], ["exp_avg_sqs"], ["max_exp_avg_sqs", (all) => all("amsgrad") === true]), elementsForEach("state_steps", "self")],
    ]),
  ),
  ...Object.fromEntries(["_fused_adagrad", "_fused_adagrad_"].map((name) => [`aten::${name}`, [...fused(["state_sums"]), elementsForEach("state_steps", "self")]])),

  // Of sparse tensors LibTorch checks the shapes, and the places only where one of its debugging flags is set.
  "aten::_sparse_coo_tensor_unsafe": [coordinates("indices")],
  "aten::_sparse_coo_tensor_with_dims_and_tensors": [coordinates("indices")],
  "aten::sparse_compressed_tensor.comp_plain_value_size": [compressed("compressed_indices", "plain_indices", null)],
  "aten::_sparse_compressed_tensor_unsafe": [compressed("compressed_indices", "plain_indices", null)],
  "aten::sparse_csr_tensor.crow_col_value_size": [compressed("crow_indices", "col_indices", "sparse_csr")],
  "aten::_sparse_csr_tensor_unsafe": [compressed("crow_indices", "col_indices", "sparse_csr")],
  "aten::sparse_bsr_tensor.crow_col_value_size": [compressed("crow_indices", "col_indices", "sparse_bsr")],
  "aten::_sparse_bsr_tensor_unsafe": [compressed("crow_indices", "col_indices", "sparse_bsr")],
  "aten::sparse_csc_tensor.ccol_row_value_size": [compressed("ccol_indices", "row_indices", "sparse_csc")],
  "aten::_sparse_csc_tensor_unsafe": [compressed("ccol_indices", "row_indices", "sparse_csc")],
  "aten::sparse_bsc_tensor.ccol_row_value_size": [compressed("ccol_indices", "row_indices", "sparse_bsc")],
  "aten::_sparse_bsc_tensor_unsafe": [compressed("ccol_indices", "row_indices", "sparse_bsc")],
  "aten::sparse_compressed_tensor.comp_plain_value": [compressedAlone("compressed_indices", "plain_indices")],
  "aten::sparse_csr_tensor.crow_col_value": [compressedAlone("crow_indices", "col_indices")],
  "aten::sparse_bsr_tensor.crow_col_value": [compressedAlone("crow_indices", "col_indices")],
  "aten::sparse_csc_tensor.ccol_row_value": [compressedAlone("ccol_indices", "row_indices")],
  "aten::sparse_bsc_tensor.ccol_row_value": [compressedAlone("ccol_indices", "row_indices")],
};
