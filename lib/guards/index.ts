/**
 * What LibTorch takes on trust. Nearly all of its operators check their arguments; for some arguments these read or write
 * beyond their memory, divide by zero or never end, and would take the process down: test/fuzz finds them. Programs that were
 * recorded call their operators directly: they repeat calls that went well.
 */
import { SteppeError, describe } from "./errors.js";
import {
  asLongAs,
  dims,
  elements,
  finite,
  fraction,
  given,
  givenIf,
  givenUnless,
  haveDimension,
  indicesBelow,
  isTrue,
  length,
  notEmpty,
  ofDtype,
  partOf,
  perChannel,
  positive,
  rowPerIndex,
  sameDtype,
  samePlanes,
  sameShape,
  scaleFits,
  shaped,
  tensor,
  unquantized,
  wholeStep,
  type PartOf,
  type Rule,
} from "./guard-rules.js";
import { Tensor } from "./tensor.js";

/** Throws where arguments, given in the schema's order, would bring LibTorch down. */
export type Guard = (values: readonly unknown[]) => void;

type Rules = readonly Rule[] | PartOf;

const perChannels = (...names: string[]) => names.map((name) => perChannel(name, "input"));
const statistics = [
  ...[givenUnless("running_mean", "training"), givenUnless("running_var", "training")],
  ...perChannels("weight", "bias", "running_mean", "running_var"),
];
const batchNormBackward = (training: string, ...saved: string[]) => [
  ...[elements("input"), sameShape("grad_out", "input"), givenUnless("running_mean", training), givenUnless("running_var", training)],
  ...saved.map((name) => givenIf(name, training)),
  ...perChannels("weight", "running_mean", "running_var", ...saved),
];
const paddingBackward = (sliding: number) => [length("padding", 2 * sliding), samePlanes("grad_output", "self", sliding)];
const fractionalBackward = (sliding: number) => [
  length("kernel_size", sliding),
  length("output_size", sliding),
  dims("self", sliding + 1, sliding + 2),
  samePlanes("grad_output", "self", sliding),
  sameShape("indices", "grad_output"),
];
const running = [
  ...[elements("self"), sameShape("values", "self"), sameDtype("values", "self")],
  ...[sameShape("indices", "self"), ofDtype("indices", "int64")],
];
const antialiased = [scaleFits("scales_h", "self", "output_size", 2), scaleFits("scales_w", "self", "output_size", 1)];
const lookedUp = (gradient: string) => [rowPerIndex(gradient, "indices"), indicesBelow("indices", "num_weights")];
/** One gain per slice of v along dim, or one for all with dim −1. */
const gain = tensor("g", "a tensor of v's number of dimensions, with one element per slice along dim", (g, all) => {
  const [v, dim] = [all("v") as Tensor, Number(all("dim") ?? 0)];
  return dim >= -1 && dim < v.dim() && g.dim() === v.dim() && g.shape.every((size, i) => size === (i === dim ? v.shape[i] : 1));
});

/** Whole groups of operators, by their names. */
const groups: readonly (readonly [RegExp, Rules])[] = [
  [/^mkldnn::_reorder_/, partOf("a compiled graph, whose weights are packed once")],
  [/^_quantized::wrapped_/, partOf("a compiled graph, whose weights are packed once")],
  [/^mkl::_mkl_reorder_/, partOf("a compiled graph, whose weights are packed once")],
  [/^quantized::embedding_bag_\w+_(unpack|prepack)$/, [dims("weight", 2, 3), positive("nbins"), fraction("ratio")]],
  [/^onednn::linear/, [dims("weight", 2), elements("weight")]],
  [/^onednn::/, [elements("weight"), elements("qx"), elements("qw"), positive("groups")]],
  [/^mkldnn_prepacked::.*_prepack$/, [positive("groups")]],
  [/^aten::fbgemm_/, [elements("input"), elements("weight")]],
  [/_copy$/, [unquantized("self")]],
];

/** Operators: an overload, or all of a name. */
export const guards: Readonly<Record<string, Rules>> = {
  "aten::_stack": [notEmpty("tensors")],
  "aten::cat": [notEmpty("tensors")],
  "aten::concat": [notEmpty("tensors")],
  "aten::concatenate": [notEmpty("tensors")],
  "aten::_chunk_cat": [haveDimension("tensors", "dim")],
  "aten::_foreach_copy": [asLongAs("src", "self")],
  "aten::native_batch_norm": statistics,
  "aten::native_batch_norm_backward": batchNormBackward("train", "save_mean", "save_invstd"),
  "aten::batch_norm_backward": batchNormBackward("update", "save_mean", "save_var"),
  "aten::batch_norm_update_stats": perChannels("running_mean", "running_var"),
  "aten::_batch_norm_no_update": [given("running_mean"), given("running_var"), ...perChannels("weight", "bias", "running_mean", "running_var")],
  "aten::_native_batch_norm_legit": statistics,
  "aten::_native_batch_norm_legit.no_stats": [isTrue("training")],
  "aten::_pdist_forward": [dims("self", 2), elements("self")],
  "aten::reflection_pad1d_backward": paddingBackward(1),
  "aten::reflection_pad2d_backward": paddingBackward(2),
  "aten::reflection_pad3d_backward": paddingBackward(3),
  "aten::replication_pad1d_backward": paddingBackward(1),
  "aten::replication_pad2d_backward": paddingBackward(2),
  "aten::replication_pad3d_backward": paddingBackward(3),
  "aten::adaptive_avg_pool3d_backward": [samePlanes("grad_output", "self", 3)],
  "aten::fractional_max_pool2d_backward": fractionalBackward(2),
  "aten::fractional_max_pool3d_backward": fractionalBackward(3),
  "aten::_upsample_bilinear2d_aa": antialiased,
  "aten::_upsample_bicubic2d_aa": antialiased,
  "aten::_upsample_lanczos2d_aa": antialiased,
  "aten::embedding_backward": lookedUp("grad"),
  "aten::embedding_dense_backward": lookedUp("grad_output"),
  "aten::_scaled_dot_product_flash_attention_for_cpu": [elements("query"), elements("key"), elements("value")],
  "aten::_sobol_engine_initialize_state_": [shaped("self", ["dimension", 30])],
  "aten::_sobol_engine_scramble_": [shaped("self", ["dimension", 30]), shaped("ltm", ["dimension", 30, 30])],
  "aten::_sobol_engine_ff_": [shaped("self", ["dimension"]), shaped("sobolstate", ["dimension", 30])],
  "aten::_sobol_engine_draw": [shaped("quasi", ["dimension"]), shaped("sobolstate", ["dimension", 30])],
  "aten::quantized_lstm_cell": [length("hx", 2)],
  "quantized::linear_prepack_fp16": [dims("W", 2), elements("W")],
  "_quantized::linear_prepack_fp16": [dims("W", 2), elements("W")],
  "quantized::make_quantized_cell_params": ["w_ih", "w_hh"].flatMap((name) => [dims(name, 2), elements(name), ofDtype(name, "qint8")]),
  "aten::_transform_bias_rescale_qkv": [dims("qkv", 3), elements("qkv"), positive("num_heads")],
  "aten::native_group_norm": [positive("group")],
  "aten::native_group_norm_backward": [positive("group")],
  "aten::choose_qparams_optimized": [positive("n_bins"), fraction("ratio")],
  "aten::_weight_norm": [elements("v"), gain],
  "aten::_weight_norm_interface": [elements("v"), gain],
  "aten::_saturate_weight_to_fp16": [elements("weight")],
  "aten::lstm": [positive("num_layers")],
  "aten::gru": [positive("num_layers")],
  "aten::rnn_tanh": [positive("num_layers")],
  "aten::rnn_relu": [positive("num_layers")],
  "aten::range": [wholeStep("step", "dtype")],
  "aten::_cummax_helper": running,
  "aten::_cummin_helper": running,
  "aten::_softmax_backward_data": [sameShape("output", "grad_output")],
  "aten::_log_softmax_backward_data": [sameShape("output", "grad_output")],
  "aten::_nested_from_padded": [elements("padded"), dims("cpu_nested_shape_example", 2)],
  "aten::_masked_softmax": [elements("self")],
  "aten::_logcumsumexp": [sameDtype("out", "self")],
  "aten::_dyn_quant_matmul_4bit": [positive("block_size")],
  "aten::binomial": [finite("count")],

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
};

/** The guard of an operator, or null if LibTorch checks by itself. */
export function guardOf(overload: { name: string; arguments: readonly { name: string; camel: string }[] }): Guard | null {
  const { name } = overload;
  const family = name.split(".")[0]!;
  const rules = guards[name] ?? guards[family] ?? groups.find(([names]) => names.test(family))?.[1];
  if (rules === undefined) return null;
  if ("partOf" in rules) {
    return () => {
      throw new SteppeError("ARGUMENT", `${name} is a part of ${rules.partOf} and checks nothing by itself: it cannot be called alone.`);
    };
  }
  const at = new Map(overload.arguments.map((argument, i) => [argument.name, i]));
  return (values) => {
    for (const { argument, what, holds } of rules) {
      const index = at.get(argument);
      if (index === undefined || holds(values[index], (other) => values[at.get(other)!])) continue;
      const { camel } = overload.arguments[index]!;
      throw new SteppeError("ARGUMENT", `Expected ${what} for ${camel} of ${name} but received ${describe(values[index])}. LibTorch would not check it.`);
    }
  };
}
