import { describe, expect, test } from "vitest";
import { SteppeError, torch, type Tensor } from "../../lib/index.js";
import { guards } from "../../lib/guards/index.js";
import { native } from "../../lib/native.js";
import { DEFAULT_VERSION } from "../../scripts/setup/libtorch.js";

// Calls that LibTorch does not check and that would end the process, each beside one that is right.

const x = torch.ones([2, 3, 4]);
const c = torch.ones([3]);
const minor = (version: string) => version.split(".").slice(0, 2).join(".");
const call = (name: string, ...args: unknown[]) => torch.ops.call(name, ...args);

/** The message, in one line. */
function refusal(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    expect(error).toBeInstanceOf(SteppeError);
    expect((error as SteppeError).code).toBe("ARGUMENT");
    return (error as SteppeError).message;
  }
  throw new Error("Expected it to be refused.");
}

describe("refused, and its right neighbour", () => {
  test("an empty list", () => {
    expect(refusal(() => call("aten::_stack", []))).toBe(
      "Expected at least one tensor for tensors of aten::_stack but received an array of 0. LibTorch would not check it.",
    );
    expect((call("aten::_stack", [c, c]) as Tensor).shape).toEqual([2, 3]);
  });

  test("lists of different lengths", () => {
    expect(refusal(() => call("aten::_foreach_copy", [c], [c, c]))).toMatch(/^Expected an array as long as self for src /);
    expect(call("aten::_foreach_copy", [c], [c.mul(2)])).toHaveLength(1);
  });

  test("batch norm by statistics that are not there, or of another number of channels", () => {
    const norm = (mean: Tensor | null, variance: Tensor | null, training: boolean) => torch.nativeBatchNorm(x, null, null, mean, variance, training, 0.1, 1e-5);
    expect(refusal(() => norm(null, null, false))).toMatch(/^Expected a tensor where training is false for runningMean /);
    expect(refusal(() => norm(torch.ones([2]), torch.ones([2]), false))).toMatch(/^Expected a tensor with one element per channel of input for runningMean /);
    expect(norm(c, c, false)[0].shape).toEqual([2, 3, 4]);
    expect(norm(null, null, true)[0].shape).toEqual([2, 3, 4]);
  });

  test("padding of the wrong length, gradients of the wrong shape", () => {
    const backward = (grad: Tensor, padding: number[]) => torch.reflectionPad1dBackward(grad, x, padding);
    expect(refusal(() => backward(torch.ones([2, 3, 6]), []))).toMatch(/^Expected an array of 2 for padding /);
    expect(refusal(() => backward(torch.ones([6]), [1, 1]))).toMatch(/^Expected a tensor with the same batch and channels as self for gradOutput /);
    expect(backward(torch.ones([2, 3, 6]), [1, 1]).toArray()).toEqual(torch.tensor([1, 2, 2, 1], { dtype: "float32" }).expand([2, 3, 4]).toArray());
  });

  test("counts without end", () => {
    expect(refusal(() => torch.binomial(torch.tensor([Infinity]), torch.tensor([0.5])))).toMatch(/^Expected a tensor of finite numbers for count /);
    expect(torch.binomial(torch.tensor([4, 4], { dtype: "float32" }), torch.tensor([0, 1], { dtype: "float32" })).toArray()).toEqual([0, 4]);
  });

  test("an output of another dtype", () => {
    expect(refusal(() => call("aten::_logcumsumexp.out", c, 0, { out: torch.ones([3], { dtype: "int16" }) }))).toMatch(/^Expected a tensor of the dtype of self for out /);
    expect((call("aten::_logcumsumexp.out", c, 0, { out: torch.ones([3]) }) as Tensor).shape).toEqual([3]);
  });

  test("gains that do not fit", () => {
    expect(refusal(() => call("aten::_weight_norm", torch.ones([4, 1]), torch.ones([2, 5, 4, 0])))).toMatch(/for g of aten::_weight_norm /);
    expect((call("aten::_weight_norm", torch.ones([4, 1]), torch.full([4, 1], 3, { dtype: "float32" })) as Tensor).toArray()).toEqual([[3], [3], [3], [3]]);
  });

  test("rows that are not there", () => {
    const backward = (indices: number[]) => torch.embeddingDenseBackward(torch.ones([2, 3]), torch.tensor(indices), 4, -1, false);
    expect(refusal(() => backward([1, 4]))).toMatch(/^Expected a tensor of integers from 0 to num_weights − 1 for indices /);
    expect(refusal(() => backward([1]))).toMatch(/^Expected a tensor with the shape of indices and one dimension more for gradOutput /);
    expect(backward([1, 1]).sum(1).toArray()).toEqual([0, 6, 0, 0]);
  });

  test("scales that do not lead from one size to the other", () => {
    const resize = (scale: number) => call("aten::_upsample_bilinear2d_aa", torch.ones([1, 1, 4, 4]), [2, 2], false, scale, 0.5) as Tensor;
    expect(refusal(() => resize(1e-5))).toMatch(/^Expected what leads from self's size to output_size's for scalesH /);
    expect(resize(0.5).shape).toEqual([1, 1, 2, 2]);
  });

  test("parts of other operators", () => {
    expect(refusal(() => call("aten::_remove_batch_dim", x, -1, 4, -7))).toBe(
      "aten::_remove_batch_dim is a part of functorch's vmap and checks nothing by itself: it cannot be called alone.",
    );
  });
});

describe("refused, each beside one that goes through", () => {
  const f = (...shape: number[]) => torch.ones(shape);
  const places = (values: number[], ...shape: number[]) => torch.tensor(values, { dtype: "int64" }).reshape(shape);
  const far = 10_000_000;
  const sgd = { weight_decay: 0, momentum: 0.9, lr: 0.1, dampening: 0, nesterov: false, maximize: false, is_first_step: false };
  const lstm = (state: number[], input: number, weight = 16) => [f(5, 2, input), [f(...state), f(...state)], [f(weight, 3), f(16, 4), f(16), f(16)], true, 1, 0, false, false, false];
  const norm = (means: number) => [f(2, 3), f(2, 3), [3], f(means, 1), f(means, 1), null, null, [true, false, false]];
  const bag = (offsets: number[]) => [f(3, 4), places([0, 1, 2], 3), places(offsets, offsets.length)];
  const transposed = (kernel: number) => [f(1, 4, 8, 8), f(4, 4, 3, 3), [kernel, kernel]];
  const pooled = (place: number) => [f(1, 1, 2, 2), f(1, 1, 4, 4), places([0, 2, 8, place], 1, 1, 2, 2)];
  const windowed = (place: number) => [f(1, 1, 2, 2), f(1, 1, 4, 4), [2, 2], [2, 2], [0, 0], [1, 1], false, places([0, 2, 8, place], 1, 1, 2, 2)];
  const ctc = (label: number) => [f(5, 2, 4).logSoftmax(-1), places([1, 2, 3, 1, label, far], 2, 3), [5, 5], [3, 2]];
  const attention = (keys: number, heads = 3) => [f(2, 6, 5, 8), f(2, heads, keys, 8), f(2, 3, 7, 8), null, 0, false, { enable_gqa: true }];

  const nested = (second: number) => [f(12), places([2, 3, 2, 3], 2, 2), places([3, 1, 3, 1], 2, 2), places([0, second], 2)];
  const ofBags = (bags: number[]) => [f(2, 4), places([0, 1, 2], 3), places(bags, 3), places([2, 1], 2), places([0, 0], 2), 3, false, 0, null];
  const ofSegments = (count: number) => [f(count, 2), f(count, 2), f(6, 2), "sum", { lengths: places([2, 4], 2) }];
  const ofPaths = (width: number) => [f(2), f(5, 2, 4).logSoftmax(-1), places([1, 2, 3, 1, 2, 3], 2, 3), [5, 5], [3, 3], f(2), f(2, 5, width), 0];
  const attended = (rows: number) => [f(2, 3, 5, 8), f(2, 3, 5, 8), f(2, 3, 7, 8), f(2, 3, 7, 8), f(2, 3, 5, 8), f(2, 3, rows), 0, false];
  const slow = (size: number) => [f(2, 3, size, size), f(2, 4, 6, 6), f(3, 4, 3, 3), [3, 3], [1, 1], [1, 1], [true, true, true]];
  const averaged = (batch: number) => [f(batch, 2, 1, 1), f(1, 2, 1, 9), [1, 7], [1, 3], [0, 0], false, true, null];
  const packed = (sizes: Tensor) => [f(5, 3), sizes, f(1, 2, 4), [f(12, 3), f(12, 4), f(12), f(12)], true, 1, 0, false, false];
  const moving = (rows: number) => [f(3, 4), places([1], 1), places([1], 1), f(rows), f(rows), f(rows), places(Array(rows).fill(0), rows).int(), 0.1, 0, 255, 0, true];
  const four = (width: number) => [f(4, 64).bfloat16(), torch.zeros([32, width], { dtype: "uint8" }), 32, f(2, 32, 2).bfloat16()];
  const masked = (count: number) => [f(0), torch.ones([3], { dtype: "bool" }), Array.from({ length: count }, () => places([0, 1, 2], 3)), 7];
  const eight = (...shape: number[]) => [f(4, 64).bfloat16(), torch.zeros(shape, { dtype: "int8" }), f(32).bfloat16()];
  const quantized = torch.quantizePerTensor(f(1, 2, 4, 4, 4), 0.1, 2, "quint8");
  const ofNorm = [f(2, 3, 4), f(2, 3, 4), f(3), f(3), f(3)];

  test.each<[name: string, wrong: unknown[], right: unknown[]]>([
    ["aten::max_pool2d_with_indices_backward", windowed(far), windowed(10)],
    ["aten::adaptive_max_pool2d_backward", pooled(-1), pooled(10)],
    ["aten::_adaptive_avg_pool2d_backward", [f(1, 1, 2, 2), f(2, 3, 4, 4)], [f(2, 3, 2, 2), f(2, 3, 4, 4)]],
    ["aten::adaptive_avg_pool2d", [f(1, 4, 8, 8), [2]], [f(1, 4, 8, 8), [2, 2]]],
    ["aten::grid_sampler_2d_backward", [f(1, 1, 1, 1), f(2, 3, 4, 4), f(2, 9, 9, 2), 0, 0, false, [true, true]], [f(2, 3, 9, 9), f(2, 3, 4, 4), f(2, 9, 9, 2), 0, 0, false, [true, true]]],
    ["aten::unfold_backward", [f(4, 2), [4], 0, 2, 1], [f(3, 2), [4], 0, 2, 1]],
    ["aten::native_layer_norm_backward", norm(1), norm(2)],
    ["aten::_masked_softmax_backward", [f(2, 9), f(2, 3), f(2, 9).bool(), 1], [f(2, 3), f(2, 3), f(2, 3).bool(), 1]],
    ["aten::_batch_norm_with_update", [f(2, 300), f(1), f(1), f(1), f(1), 0.1, 1e-5], [f(2, 3), c, c, f(3), f(3), 0.1, 1e-5]],
    ["aten::slow_conv_transpose2d", transposed(5), transposed(3)],
    ["aten::scaled_dot_product_attention", attention(5), attention(7)],
    ["aten::scaled_dot_product_attention", attention(7, 0), attention(7, 1)],
    ["aten::_scaled_dot_product_flash_attention_for_cpu", [f(2, 3, 5, 8), f(1, 1, 5, 8), f(2, 3, 5, 8)], [f(2, 3, 5, 8), f(2, 3, 5, 8), f(2, 3, 5, 8)]],
    ["aten::_transform_bias_rescale_qkv", [f(2, 3, 24), f(1), 2], [f(2, 3, 24), f(24), 2]],
    ["aten::embedding_bag", bag([0, 2_000_000]), bag([0, 2])],
    ["aten::embedding_bag", bag([0, 2, 1]), bag([0, 1, 3])],
    ["aten::segment_reduce", [f(6), "sum", { lengths: places([far, 2], 2), unsafe: true }], [f(6), "sum", { lengths: places([4, 2], 2), unsafe: true }]],
    ["aten::segment_reduce", [f(6), "max", { offsets: places([0, far], 2) }], [f(6), "max", { offsets: places([0, 6], 2) }]],
    ["aten::ctc_loss", ctc(far), ctc(2)],
    ["aten::_pack_padded_sequence", [f(3, 2, 4), places([far, 3], 2), false], [f(3, 2, 4), places([3, 2], 2), false]],
    ["aten::lstm", lstm([1, 1, 4], 3), lstm([1, 2, 4], 3)],
    ["aten::lstm", lstm([1, 2, 4], 3, 1), lstm([1, 2, 4], 3)],
    ["aten::lstm", lstm([1, 2, 4], 5), lstm([1, 2, 4], 3)],
    ["aten::gru", [f(5, 2, 3), f(1, 2, 4), [f(12, 3)], true, 1, 0, false, false, false], [f(5, 2, 3), f(1, 2, 4), [f(12, 3), f(12, 4), f(12), f(12)], true, 1, 0, false, false, false]],
    ["aten::_fused_sgd_", [[f(4)], [f(4)], [f(2)], sgd], [[f(4)], [f(4)], [f(4)], sgd]],
    ["aten::_fused_sgd_", [[f(4)], [f(1).expand([4])], [f(4)], sgd], [[f(4)], [f(4)], [], { ...sgd, momentum: 0 }]],
    ["aten::sparse_csr_tensor", [places([0, far], 2), places([0], 1), f(1), [1, 1]], [places([0, 1], 2), places([0], 1), f(1), [1, 1]]],
    ["aten::sparse_csr_tensor.crow_col_value", [places([0, far], 2), places([0], 1), f(1)], [places([0, 1], 2), places([3], 1), f(1)]],
    ["aten::sparse_csc_tensor.ccol_row_value", [places([0, 1], 2), places([-1], 1), f(1)], [places([0, 1], 2), places([3], 1), f(1)]],
    ["aten::_sparse_coo_tensor_unsafe", [places([far], 1, 1), f(1), [3]], [places([2], 1, 1), f(1), [3]]],
    ["aten::_upsample_bilinear2d_aa_backward", [f(1, 1, 3, 3), 3, [1, 1, 6, 6], false, 1e-9, 0.5], [f(1, 1, 3, 3), 3, [1, 1, 6, 6], false, 0.5, 0.5]],
    ["aten::new_zeros", [f(2).bfloat16(), [1], { layout: "mkldnn" }], [f(2), [1], { layout: "mkldnn" }]],
    ["aten::_compute_linear_combination.out", [f(2, 3), f(1, 2), { out: f(3, 2) }], [f(2, 3), f(1, 2), { out: f(1, 3) }]],
    ["aten::_foreach_lerp.ScalarList", [[c, c], [c, c], []], [[c, c], [c, c], [0.5, 1]]],
    ["aten::_foreach_pow.List", [[c, c], [c]], [[c, c], [c, c]]],
    ["aten::linalg_eigvals", [torch.tensor([[NaN, 1], [0, 1]])], [torch.tensor([[2, 1], [0.5, 1]])]],
    ["quantized::embedding_bag_4bit_unpack", [torch.zeros([2, 3], { dtype: "uint8" })], [torch.zeros([2, 6], { dtype: "uint8" })]],
    ["quantized::embedding_bag_byte_prepack_with_rowwise_min_max", [f(3, 4), f(1, 2)], [f(3, 4), f(3, 2)]],
    ["aten::lu_unpack", [f(3, 4, 5), places([1, 2, 3, 1, 2, 3], 3, 2).int()], [f(3, 4, 5), places(Array(12).fill(1), 3, 4).int()]],
    ["aten::_fft_r2c", [f(4, 6), [2], 0, true], [f(4, 6), [1, 0], 0, true]],
    ["aten::_fft_c2r", [f(4, 6).to("complex64"), [1], 0, 12], [f(4, 6).to("complex64"), [1], 0, 10]],
    ["aten::_cholesky_solve_helper", [f(4, 2), torch.eye(3), false], [f(3, 2), torch.eye(3), false]],
    ["aten::_reshape_alias", [f(3, 4), [4, 3], [4, 1]], [f(3, 4), [4, 3], [3, 1]]],
    ["aten::_nested_view_from_buffer", nested(7), nested(6)],
    ["aten::_convert_indices_from_csr_to_coo", [places([0, 9, 3], 3), places([0, 1, 1], 3)], [places([0, 2, 3], 3), places([0, 1, 1], 3)]],
    ["aten::_convert_indices_from_coo_to_csr", [places([0, far], 2), 3], [places([0, 2], 2), 3]],
    ["aten::_convert_indices_from_coo_to_csr", [places([1], 1).expand([5]), 3], [places([0, 2], 2), 3]],
    ["aten::_embedding_bag_dense_backward", ofBags([0, 0, 2]), ofBags([0, 0, 1])],
    ["aten::_embedding_bag", [f(3, 4), places([0, 1, 2], 3), places([], 0), false, 2], [f(3, 4), places([0, 1, 2], 3), places([0], 1), false, 2]],
    ["aten::_embedding_bag", [f(3, 4), places([0, 1], 2, 1), places([0], 1), false, 2], [f(3, 4), places([], 0), places([], 0), false, 2]],
    ["aten::_embedding_bag", [...bag([0, 2]), false, 2, false, null, true], [...bag([0, 3]), false, 2, false, null, true]],
    ["aten::_embedding_bag", [...bag([0, 2]), false, 0, false, null, true, 1], [...bag([0, 2]), false, 0, false, null, true]],
    ["aten::_pdist_backward", [f(2), f(4, 3), 2, f(2)], [f(6), f(4, 3), 2, f(6)]],
    ["aten::_cdist_backward", [f(2, 3), f(4, 5), f(3, 5), 2, f(2, 3)], [f(2, 4, 3), f(2, 4, 5), f(3, 5), 2, f(2, 4, 3)]],
    ["aten::_segment_reduce_backward", ofSegments(3), ofSegments(2)],
    ["aten::_ctc_loss_backward", ofPaths(5), ofPaths(7)],
    ["aten::_scaled_dot_product_flash_attention_for_cpu_backward", attended(1), attended(5)],
    ["aten::_slow_conv2d_backward.output_mask", slow(5), slow(6)],
    ["aten::_thnn_differentiable_gru_cell_backward", [f(2, 3), f(2, 9), f(2, 6), f(2, 3), null, null], [f(2, 3), f(2, 9), f(2, 9), f(2, 3), f(9), f(9)]],
    ["aten::_weight_norm_interface_backward", [f(4, 3), f(4, 3), f(1, 1), f(4, 1), 0], [f(4, 3), f(4, 3), f(4, 1), f(4, 1), 0]],
    ["aten::nll_loss_backward", [f(2), f(2, 3), places([-1, 0], 2), null, 0, -100, f(1)], [f(2), f(2, 3), places([-100, 2], 2), null, 0, -100, f(1)]],
    ["aten::multi_margin_loss_backward", [f(0), f(2, 3), places([0, 1], 2), 1, 1, null, 1], [f(1), f(2, 3), places([0, 1], 2), 1, 1, null, 1]],
    ["aten::avg_pool2d_backward", averaged(5), averaged(1)],
    ["aten::_adaptive_avg_pool3d_backward", [f(3, 5, 8, 2), f(3, 8, 3, 0)], [f(3, 5, 8, 2), f(3, 8, 3, 4)]],
    ["aten::_pad_packed_sequence", [f(8, 3), places([1, 2, 2, 2, 1], 5), false, 0, 0], [f(8, 3), places([2, 2, 2, 1, 1], 5), false, 0, 0]],
    ["aten::gru.data", packed(places([], 0)), packed(places([2, 2, 1], 3))],
    ["aten::fused_moving_avg_obs_fake_quant", moving(1), moving(3)],
    ["aten::_unsafe_masked_index", masked(2), masked(1)],
    ["aten::_weight_int8pack_mm", eight(32, 64, 0), eight(32, 64)],
    ["aten::_weight_int4pack_mm_for_cpu", four(0), four(32)],
    ["aten::_prelu_kernel", [f(3).toMkldnn(), f(1, 3)], [f(2, 3).toMkldnn(), f(1, 3)]],
    ["aten::index_add_", [f(5), 0, places([0, 1, 2], 3), f(3).toMkldnn()], [f(5), 0, places([0, 1, 2], 3), f(3)]],
    ["aten::scatter_.src", [f(5), 0, places([0, 1, 2], 3), f(3).toMkldnn()], [f(5), 0, places([0, 1, 2], 3), f(3)]],
    ["aten::new_zeros", [f(2).toMkldnn(), [1], { dtype: "float16" }], [f(2).toMkldnn(), [1]]],
    ["aten::upsample_nearest3d", [quantized, [2, 2, 2], 0.5, 1e-30, 0.5], [quantized, [2, 2, 2], 0.5, 0.5, 0.5]],
    ["aten::_upsample_bilinear2d_aa", [f(1, 1, 4, 4), [2, 2], false, 1e-30, 0.5], [f(1, 1, 4, 4), [2, 2], false, 1.7, 0.9]],
    ["aten::native_batch_norm_backward", [...ofNorm, torch.ones([2]), torch.ones([2]), true, 1e-5, [true, true, true]], [...ofNorm, f(0), f(0), false, 1e-5, [true, true, true]]],
    ["aten::range.out", [0, 4, { re: 0.5, im: 0 }, { out: torch.empty([0], { dtype: "int64" }) }], [0, 4, 2, { out: torch.empty([0], { dtype: "int64" }) }]],
  ])("%s", (name, wrong, right) => {
    expect(refusal(() => call(name, ...wrong))).toMatch(/LibTorch would not check it\.$/);
    call(name, ...right);
  });

  test("a scalar beside a list", () => {
    expect(call("aten::_foreach_pow.ScalarAndTensor", 2, [c, c])).toHaveLength(2);
    expect(call("aten::_foreach_add.Scalar", [c, c], 1)).toHaveLength(2);
  });

  test("fused kernels over tensors in another order, without gaps", () => {
    const weight = f(3, 4).t();
    call("aten::_fused_sgd_", [weight], [f(3, 4).t()], [f(3, 4).t()], sgd);
    expect(weight.sum().item()).toBeCloseTo(12 * (1 - 0.1 * (0.9 + 1)));
  });

  test("a pool's window in a list of another length", () => {
    expect(refusal(() => torch.maxPool2d(f(1, 1, 4, 4), [2, 2, 2]))).toMatch(/^Expected an array of 2 \(an integer each\) for kernelSize /);
    expect(torch.maxPool2d(f(1, 1, 4, 4), [2]).shape).toEqual([1, 1, 2, 2]);
    expect(refusal(() => torch.maxPool2d(f(1, 1, 4, 4), new BigInt64Array(3)))).toMatch(/^Expected an array of 2 /);
  });

  test("what LibTorch keeps in objects of its own", () => {
    expect(refusal(() => call("quantized::linear_prepack", torch.quantizePerTensor(f(4, 2), 0.1, 2, "qint8")))).toBe(
      "What quantized::linear_prepack gives has no JavaScript form: it cannot be called.",
    );
  });
});

test("operators of the table exist, with the arguments that its rules speak of", () => {
  // Another LibTorch may lack some.
  if (minor(torch.libtorch.version) !== minor(DEFAULT_VERSION)) return;
  for (const [name, rules] of Object.entries(guards)) {
    const overloads = native.family(name.split(".")[0]!).filter((overload) => !name.includes(".") || overload.name === name);
    expect(overloads, name).not.toEqual([]);
    const known = new Set(overloads.flatMap((overload) => overload.arguments.map((argument) => argument.name)));
    if (!("partOf" in rules)) for (const { argument } of rules) expect(known, name).toContain(argument);
  }
});
