/**
 * What the gradients of distances, segments, CTC, attention, convolutions and cells take on trust: that the other tensors come
 * from the forward.
 */
import { Tensor } from "../tensor.js";
import { beside, dims, elements, hasShape, numbersOf, sameDtype, sameHeads, sameShape, tensor, valuesOf } from "./rules.js";
import type { Rule, Values } from "./rules.js";
import { labelsBelow, seen, segmentLengths, segmentOffsets } from "./values.js";

// Distances.
const ofPairs = beside("grad", "self", "a tensor with one element per pair of self's rows", (t, { shape }) => {
  return shape.length === 2 && hasShape(t, (shape[0]! * (shape[0]! - 1)) / 2);
});
const broadcast = (a: readonly number[], b: readonly number[]): number[] | null => {
  const sizes = Array.from({ length: Math.max(a.length, b.length) }, (_, i) => [a.at(-1 - i) ?? 1, b.at(-1 - i) ?? 1] as const).reverse();
  return sizes.some(([x, y]) => x !== y && x !== 1 && y !== 1) ? null : sizes.map(([x, y]) => (x === 1 ? y : x));
};
const ofDistances = tensor("grad", "a tensor with one element per pair of the rows of x1 and x2", (t, all) => {
  const [a, b] = [(all("x1") as Tensor).shape, (all("x2") as Tensor).shape];
  if (a.length < 2 || b.length < 2 || a.at(-1) !== b.at(-1)) return false;
  const batch = broadcast(a.slice(0, -2), b.slice(0, -2));
  return batch !== null && hasShape(t, ...batch, a.at(-2)!, b.at(-2)!);
});

/** What was made of each segment of a dimension. */
const ofSegments = beside("output", "data", "a tensor with one place per segment along axis of data", (t, data, all) => {
  const [lengths, offsets] = [all("lengths"), all("offsets")];
  const [of, extra] = lengths instanceof Tensor ? [lengths, 0] : [offsets, 1];
  if (!(of instanceof Tensor) || of.dim() === 0) return false;
  const axis = of.dim() - 1; // all dimensions before it are a batch
  if (Number(all("axis") ?? 0) !== axis || axis >= data.dim() || String(of.shape.slice(0, axis)) !== String(data.shape.slice(0, axis))) return false;
  return hasShape(t, ...of.shape.slice(0, axis), of.shape[axis]! - extra, ...data.shape.slice(axis + 1));
});

/** CTC's sums over all paths, of each sample at each step. */
const pathSums = beside("log_alpha", "log_probs", "a tensor of shape [samples, steps, 2 · the most labels + 1], as the forward gives it", (t, { shape }, all) => t.numel() > 0 && seen(t, () => {
  const [steps, labels] = ["input_lengths", "target_lengths"].map((name) => {
    const lengths = all(name);
    return lengths instanceof Tensor ? numbersOf(lengths.toTypedArray()) : numbersOf(lengths);
  }) as [number[], number[]];
  const targets = all("targets") as Tensor;
  const room = targets.dim() === 2 ? Math.max(...labels) <= targets.shape[1]! : labels.reduce((a, b) => a + b, 0) <= targets.numel();
  return shape.length === 3 && [steps, labels].every((lengths) => lengths.length === shape[1]) && shape[1]! > 0 &&
    Math.min(...steps) >= 1 && Math.max(...steps) <= shape[0]! && Math.min(...labels) >= 0 && room &&
    (targets.dim() !== 2 || targets.shape[0] === shape[1]) && targets.dim() > 0 &&
    t.dim() === 3 && t.shape[0] === shape[1] && t.shape[1]! >= Math.max(...steps) && t.shape[2]! >= 2 * Math.max(...labels) + 1;
}));
const perSample = (argument: string): Rule => beside(argument, "log_probs", "a tensor with one element per sample", (t, { shape }) => hasShape(t, shape[1] ?? -1));
const blank: Rule = {
  argument: "blank",
  what: "a class of log_probs",
  holds: (value, all) => Number(value) >= 0 && Number(value) < ((all("log_probs") as Tensor).shape.at(-1) ?? 0),
};

// Attention.
const sums = beside("logsumexp", "query", "a tensor with one element per row of query", (t, query) => hasShape(t, ...query.shape.slice(0, -1)));
const attentionMask = beside("attn_mask", "query", "a tensor that the scores of query and key can be added to", (t, query, all) => {
  const scores = [...query.shape.slice(0, -1), (all("key") as Tensor).shape.at(-2)!];
  return (t.dim() === 2 || t.dim() === 4) && t.shape.every((size, i) => size === 1 || size === scores[scores.length - t.dim() + i]);
});

const pair = (value: unknown): number[] => {
  const list = typeof value === "number" || typeof value === "bigint" ? [Number(value)] : numbersOf(value);
  return list.length === 1 ? [list[0]!, list[0]!] : list;
};

interface Convolution {
  stride: number[];
  padding: number[];
  dilation: number[];
  transposed: boolean;
  outputPadding: number[];
  groups: number;
}

/** The shape that a convolution gives; null where the arguments do not fit each other. */
function convolve(input: readonly number[], weight: readonly number[], options: Convolution): number[] | null {
  const { stride, padding, dilation, transposed, outputPadding, groups } = options;
  const sliding = weight.length - 2;
  const counts = [stride, padding, dilation, outputPadding].map((list) => list.length);
  if (sliding < 1 || input.length !== weight.length || counts.some((count) => count !== sliding) || groups < 1) return null;
  const channels = transposed ? weight[0]! : weight[1]! * groups;
  if (input[1] !== channels || weight[0]! % groups !== 0 || Math.min(...stride, ...dilation) < 1 || Math.min(...padding, ...outputPadding) < 0) return null;
  const sizes = input.slice(2).map((size, i) => {
    const window = dilation[i]! * (weight[i + 2]! - 1) + 1;
    if (transposed) return (size - 1) * stride[i]! - 2 * padding[i]! + window + outputPadding[i]!;
    return Math.floor((size + 2 * padding[i]! - window) / stride[i]!) + 1;
  });
  return Math.min(...sizes) < 1 ? null : [input[0]!, transposed ? weight[1]! * groups : weight[0]!, ...sizes];
}
const convolved = (argument: string, options: (all: Values) => Convolution): Rule =>
  tensor(argument, "a tensor of the shape that the convolution gives", (t, all) => {
    const shape = convolve((all("self") as Tensor).shape, (all("weight") as Tensor).shape, options(all));
    return shape !== null && hasShape(t, ...shape);
  });
const ownOptions = (all: Values): Convolution => ({
  ...{ stride: numbersOf(all("stride")), padding: numbersOf(all("padding")), dilation: numbersOf(all("dilation")) },
  ...{ transposed: all("transposed") === true, outputPadding: numbersOf(all("output_padding")), groups: Number(all("groups")) },
});
const planeOptions = (all: Values): Convolution => ({
  ...{ stride: pair(all("stride")), padding: pair(all("padding")), dilation: [1, 1], transposed: false, outputPadding: [0, 0], groups: 1 },
});
const perOutput = (argument: string, dim: (all: Values) => number): Rule =>
  beside(argument, "weight", "a tensor with one element per channel of the output", (t, weight, all) => hasShape(t, weight.shape[dim(all)] ?? -1));
const filters = tensor("weight", "a tensor of 4 dimensions, the last two of the sizes kernel_size", (t, all) => {
  return t.dim() === 4 && String(t.shape.slice(2)) === String(pair(all("kernel_size")));
});

// Cells.
const gates = (argument: string, of: string, count: number): Rule =>
  beside(argument, of, `a tensor of ${of}'s rows, ${count} times as wide`, (t, { shape }) => shape.length === 2 && hasShape(t, shape[0]!, count * shape[1]!));
const gateBias = (argument: string, of: string): Rule => beside(argument, of, `a tensor as wide as ${of}`, (t, { shape }) => hasShape(t, shape.at(-1)!));
const sameBiases: Rule = {
  argument: "hidden_bias",
  what: "a tensor where input_bias is one, and nothing where it is not",
  holds: (value, all) => value instanceof Tensor === all("input_bias") instanceof Tensor,
};

// Gains.
const normed = (argument: string): Rule =>
  beside(argument, "saved_v", "a tensor of saved_v's number of dimensions, with one element per slice along dim", (t, v, all) => {
    return t.dim() === v.dim() && t.shape.every((size, i) => size === (i === Number(all("dim")) ? v.shape[i] : 1));
  });
const outermost: Rule = {
  argument: "dim",
  what: "saved_v's first dimension or its last",
  holds: (dim, all) => Number(dim) === 0 || Number(dim) === (all("saved_v") as Tensor).dim() - 1,
};

const ctc = [
  ...[dims("log_probs", 3), perSample("grad"), perSample("neg_log_likelihood")],
  ...["grad", "neg_log_likelihood", "log_alpha"].map((name) => sameDtype(name, "log_probs")),
  ...[pathSums, labelsBelow("targets", "log_probs"), blank],
];

export const gradients: Readonly<Record<string, readonly Rule[]>> = {
  "aten::_pdist_backward": [ofPairs, sameShape("pdist", "grad"), sameDtype("pdist", "self"), sameDtype("grad", "self")],
  "aten::_cdist_backward": [ofDistances, sameShape("cdist", "grad"), ...["grad", "x2", "cdist"].map((name) => sameDtype(name, "x1"))],
  "aten::_segment_reduce_backward": [
    ...[ofSegments, sameShape("grad", "output"), sameDtype("grad", "data"), sameDtype("output", "data")],
    ...[segmentLengths("lengths", "data"), segmentOffsets("offsets", "data")],
  ],
  "aten::_ctc_loss_backward": ctc,
  "aten::_scaled_dot_product_flash_attention_for_cpu_backward": [
    ...[dims("query", 4), elements("query"), elements("key"), sameHeads("key"), sameHeads("value"), valuesOf("key"), sameShape("value", "key")],
    ...[sameShape("grad_out", "query"), sameShape("out", "query"), sums, attentionMask],
    ...["key", "value", "grad_out", "out"].map((name) => sameDtype(name, "query")),
  ],
  "aten::_slow_conv2d_forward": [filters, perOutput("bias", () => 0), sameDtype("weight", "self"), sameDtype("bias", "self")],
  "aten::_slow_conv2d_backward": [filters, convolved("grad_output", planeOptions), sameDtype("weight", "self"), sameDtype("grad_output", "self")],
  "aten::_nnpack_spatial_convolution": [dims("weight", 4), perOutput("bias", () => 0), dims("input", 4)],
  "aten::_convolution_double_backward": [
    ...[convolved("gO", ownOptions), sameShape("ggI", "self"), sameShape("ggW", "weight")],
    perOutput("ggb", (all) => (all("transposed") === true ? 1 : 0)),
  ],
  "aten::_thnn_differentiable_gru_cell_backward": [
    ...[dims("hx", 2), sameShape("grad_hy", "hx"), gates("input_gates", "hx", 3), gates("hidden_gates", "hx", 3)],
    ...[gateBias("input_bias", "input_gates"), gateBias("hidden_bias", "hidden_gates"), sameBiases],
  ],
  "aten::_thnn_differentiable_lstm_cell_backward": [
    ...[dims("cx", 2), sameShape("cy", "cx"), sameShape("grad_hy", "cx"), sameShape("grad_cy", "cx"), gates("input_gates", "cx", 4)],
    ...[gates("hidden_gates", "cx", 4), gateBias("input_bias", "input_gates"), gateBias("hidden_bias", "hidden_gates"), sameBiases],
  ],
  "aten::_weight_norm_interface_backward": [
    ...[elements("saved_v"), sameShape("grad_w", "saved_v"), outermost, normed("saved_g"), normed("saved_norms")],
    ...["saved_v", "saved_g"].map((name) => sameDtype(name, "grad_w")),
  ],
};
