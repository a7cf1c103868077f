/**
 * Operators that are parts of others and check nothing by themselves: what calls them has checked everything before. And whole
 * groups of operators, by their names.
 */
import { dims, elements, fraction, partOf, positive, unquantized } from "./rules.js";
import type { PartOf, Rule } from "./rules.js";

const compiledGraph = partOf("a compiled graph of PyTorch's, which has laid out its tensors before");

/** Groups of operators, by their names. */
export const groups: readonly (readonly [RegExp, readonly Rule[] | PartOf])[] = [
  [/^inductor::|^onednn::|^mkl::|^mkldnn::_(reorder|linear|convolution)/, compiledGraph],
  [/^_quantized::_?wrapped_|^aten::_wrapped_/, compiledGraph],
  [/^quantized::embedding_bag_\w+_(unpack|prepack)/, [dims("weight", 2, 3), positive("nbins"), fraction("ratio")]],
  [/^aten::fbgemm_/, [elements("input"), elements("weight")]],
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
