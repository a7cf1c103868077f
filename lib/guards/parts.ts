/**
 * Operators that are parts of others and check nothing by themselves: what calls them has checked everything before. And whole
 * groups of operators, by their names.
 */
import { beside, dims, elements, fraction, oneEach, partOf, positive, tensor, unquantized } from "./rules.js";
import type { PartOf, Rule } from "./rules.js";
import { bagsOf } from "./values.js";

const compiledGraph = partOf("a compiled graph of PyTorch's, which has laid out its tensors before");

/** Rows of packed embeddings end in their scale and offset: so many bytes. */
const rowsOf = (bytes: number): Rule => tensor("weight", `a tensor with at least ${bytes} bytes in each row`, (t) => (t.shape.at(-1) ?? 0) >= bytes);
/** The least and the largest value of each row. */
const extremesOfRows = beside("rowwise_min_max", "weight", "a tensor of two numbers for each row of weight", (t, weight) => {
  return t.dim() === 2 && t.shape[0] === weight.shape[0] && t.shape[1] === 2;
});
/** The names of quantized operators' tensors, of which few kernels think that they may be empty. */
const quantizedTensors = [
  ...["W", "B", "X", "W_prepack", "qa", "qb", "qx", "b", "out", "weight", "bias", "mean", "var", "self", "input", "mat2", "indices"],
  ...["W_scale", "W_zero_point", "X_scale", "X_zero_point", "output_scale", "output_zero_point", "qGroupSize", "qScaleAndZeros"],
];

/** Groups of operators, by their names. */
export const groups: readonly (readonly [RegExp, readonly Rule[] | PartOf])[] = [
  [/^inductor::|^onednn::|^mkl::|^mkldnn::_(reorder|linear|convolution)/, compiledGraph],
  [/^_quantized::_?wrapped_|^aten::_wrapped_/, compiledGraph],
  [/^quantized::embedding_bag_byte_unpack$/, [dims("weight", 2, 3), elements("weight"), rowsOf(8)]],
  [/^quantized::embedding_bag_\w+_unpack$/, [dims("weight", 2, 3), elements("weight"), rowsOf(4)]],
  [/^quantized::embedding_bag_\w+_prepack/, [dims("weight", 2, 3), elements("weight"), extremesOfRows, positive("nbins"), fraction("ratio")]],
  [/^_?quantized::/, [...quantizedTensors.map(elements), bagsOf("offsets", "indices")]],
  [/^static_runtime::embedding_bag$/, [bagsOf("offsets", "indices")]],
  [/^aten::fbgemm_/, [elements("input"), elements("weight")]],
  [/^aten::_foreach_/, ["other", "exponent", "tensors1", "tensors2", "weights", "weight", "scalars", "src", "out"].map((name) => oneEach(name, "self"))],
  [/_copy$/, [unquantized("self")]],
];

export const parts: Readonly<Record<string, PartOf>> = {
  "aten::_add_batch_dim": partOf("functorch's vmap"),
  "aten::_remove_batch_dim": partOf("functorch's vmap"),
  "aten::_new_zeros_with_same_feature_meta": partOf("forward-mode differentiation"),
  "aten::_linalg_eigvals": partOf("aten::linalg_eigvals"),
  "aten::_fft_r2c": partOf("aten::fft_rfft and its kin"),
  "aten::_fft_c2r": partOf("aten::fft_irfft and its kin"),
  "aten::_fft_c2c": partOf("aten::fft_fft and its kin"),
  "aten::_slow_conv2d_forward": partOf("aten::conv2d"),
  "aten::_slow_conv2d_backward": partOf("the backward of aten::conv2d"),
  "aten::_nnpack_spatial_convolution": partOf("aten::conv2d"),
  "aten::_cholesky_solve_helper": partOf("aten::cholesky_solve"),
  "aten::_batch_norm_impl_index_backward": partOf("the backward of aten::batch_norm"),
  "aten::_thnn_differentiable_gru_cell_backward": partOf("the backward of aten::gru_cell"),
  "aten::_thnn_differentiable_lstm_cell_backward": partOf("the backward of aten::lstm_cell"),
  "aten::_weight_norm_interface_backward": partOf("the backward of aten::_weight_norm"),
  "aten::mkldnn_rnn_layer": partOf("aten::lstm"),
  "aten::mkldnn_rnn_layer_backward": partOf("the backward of aten::lstm"),
  "aten::_reshape_alias": partOf("aten::reshape"),
  "aten::_reshape_alias_copy": partOf("aten::reshape"),
  "aten::_convert_indices_from_csr_to_coo": partOf("aten::to_sparse"),
  "aten::_convert_indices_from_coo_to_csr": partOf("aten::to_sparse_csr"),
  "aten::_convolution_double_backward": partOf("the second derivative of aten::convolution"),
  "aten::_nested_view_from_buffer": partOf("nested tensors"),
  "aten::_nested_view_from_buffer_copy": partOf("nested tensors"),
  "aten::_ctc_loss_backward": partOf("the backward of aten::ctc_loss"),
  "aten::_cdist_backward": partOf("the backward of aten::cdist"),
  "aten::_pdist_backward": partOf("the backward of aten::pdist"),
  "aten::_segment_reduce_backward": partOf("the backward of aten::segment_reduce"),
  "aten::_embedding_bag_backward": partOf("the backward of aten::embedding_bag"),
  "aten::_embedding_bag_dense_backward": partOf("the backward of aten::embedding_bag"),
  "aten::_embedding_bag_sparse_backward": partOf("the backward of aten::embedding_bag"),
  "aten::_embedding_bag_per_sample_weights_backward": partOf("the backward of aten::embedding_bag"),
  "aten::_scaled_dot_product_flash_attention_for_cpu_backward": partOf("the backward of aten::scaled_dot_product_attention"),
  "aten::_dyn_quant_pack_4bit_weight": partOf("models of 4 bits, which pack their weights once"),
  "aten::_dyn_quant_matmul_4bit": partOf("models of 4 bits, which pack their weights once"),
};
