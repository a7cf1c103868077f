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
  "aten::mkldnn_rnn_layer": partOf("aten::lstm"),
  "aten::mkldnn_rnn_layer_backward": partOf("the backward of aten::lstm"),
  "aten::_dyn_quant_pack_4bit_weight": partOf("models of 4 bits, which pack their weights once"),
  "aten::_dyn_quant_matmul_4bit": partOf("models of 4 bits, which pack their weights once"),
};
