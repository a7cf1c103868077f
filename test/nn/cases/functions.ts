import { nn, torch } from "../../../lib/index.js";
import type { Tensor } from "../../../lib/index.js";
import { image, sequence, volume } from "./case.js";
import type { Case, Nested } from "./case.js";

const F = nn.functional;

/** A function that no layer calls, or with arguments that none gives it. */
function of(python: string, inputs: Case["inputs"], call: (...inputs: Tensor[]) => Nested): Case {
  return { layer: () => new nn.Identity(), python: "nn.Identity()", inputs, call: (_layer, given) => call(...given), pythonCall: `F.${python}` };
}

const many = [[4, 5]];
const heads = [[2, 3, 5, 4], [2, 3, 6, 4], [2, 3, 6, 4]];

const [sequences, memory, square] = [[5, 2, 8], [3, 2, 8], [8, 8]];
const weights = [[24, 8], [24], square, [8]];

export const functions: Case[] = [
  of("gumbel_softmax(inputs[0])", many, (x) => F.gumbelSoftmax(x)),
  of("gumbel_softmax(inputs[0], 0.5, hard=True, dim=0)", many, (x) => F.gumbelSoftmax(x, 0.5, true, 0)),
  of("softmin(inputs[0], 0)", many, (x) => F.softmin(x, 0)),
  of("normalize(inputs[0])", many, (x) => F.normalize(x)),
  of("normalize(inputs[0], p=3, dim=0)", many, (x) => F.normalize(x, { p: 3, dim: 0 })),
  of("pdist(inputs[0])", many, (x) => F.pdist(x)),
  of("one_hot(inputs[0], 6) * inputs[1]", [{ below: 6, shape: [2, 3] }, [1]], (x, y) => F.oneHot(x, 6).mul(y)),
  { ...of("one_hot(inputs[0]) * inputs[1]", [{ below: 6, shape: [2, 3] }, [1]], (x, y) => F.oneHot(x).mul(y)), refused: /value/ },
  of("rrelu(inputs[0], 0.1, 0.4, training=True)", many, (x) => F.rrelu(x, 0.1, 0.4, true)),
  of("dropout1d(inputs[0], 0.3)", sequence, (x) => F.dropout1d(x, 0.3)),
  of("dropout3d(inputs[0], 0.3, False)", volume, (x) => F.dropout3d(x, 0.3, false)),
  of("alpha_dropout(inputs[0], 0.3, True)", many, (x) => F.alphaDropout(x, 0.3, true)),
  of("local_response_norm(inputs[0], 2, k=3)", image, (x) => F.localResponseNorm(x, { size: 2, k: 3 })),
  of("instance_norm(inputs[0], weight=inputs[1], bias=inputs[1])", [...image, [4]], (x, w) => F.instanceNorm(x, { weight: w, bias: w })),
  of("rms_norm(inputs[0], (6,), inputs[1], 0.1)", [...image, [6]], (x, w) => F.rmsNorm(x, [6], w, 0.1)),
  of("max_pool2d(inputs[0], 3, 2, 1, 1, True)", image, (x) => F.maxPool2d(x, 3, 2, 1, 1, true)),
  of("mse_loss(inputs[0], inputs[1], weight=inputs[2])", [[4], [4], [4]], (x, y, w) => F.mseLoss(x, y, { weight: w })),
  of("l1_loss(inputs[0], inputs[1], weight=inputs[2])", [[4], [4], [4]], (x, y, w) => F.l1Loss(x, y, "mean", w)),
  of("huber_loss(inputs[0], inputs[1], delta=0.5, weight=inputs[2])", [[4], [4], [4]], (x, y, w) => F.huberLoss(x, y, { delta: 0.5, weight: w })),
  of("grid_sample(inputs[0], inputs[1].tanh(), 'bicubic', 'reflection', True)", [...image, [2, 3, 3, 2]], (x, grid) => F.gridSample(x, grid.tanh(), "bicubic", "reflection", true)),
  of("grid_sample(inputs[0], F.affine_grid(inputs[1], (2, 3, 2, 3, 4), True), 'nearest')", [...volume, [2, 3, 4]], (x, theta) => F.gridSample(x, F.affineGrid(theta, [2, 3, 2, 3, 4], true), "nearest")),
  of("scaled_dot_product_attention(*inputs)", heads, (q, k, v) => F.scaledDotProductAttention(q, k, v)),
  of("scaled_dot_product_attention(*inputs, scale=0.3)", [...heads, "torch.rand(5, 6) > 0.2"], (q, k, v, mask) => F.scaledDotProductAttention(q, k, v, mask, { scale: 0.3 })),
  of("scaled_dot_product_attention(*inputs, is_causal=True)", [heads[0]!, heads[0]!, heads[0]!], (q, k, v) => F.scaledDotProductAttention(q, k, v, null, 0, true)),
  of("scaled_dot_product_attention(*inputs, None, 0.4)", heads, (q, k, v) => F.scaledDotProductAttention(q, k, v, null, 0.4)),
  of("scaled_dot_product_attention(*inputs, enable_gqa=True)", [[2, 6, 5, 4], ...heads.slice(1)], (q, k, v) => F.scaledDotProductAttention(q, k, v, { enableGqa: true })),
  of("multi_head_attention_forward(*inputs[:3], 8, 2, *inputs[3:5], None, None, False, 0.0, *inputs[5:])", [sequences, memory, memory, ...weights], (q, k, v, w, b, o, c) => F.multiHeadAttentionForward(q, k, v, 8, 2, w, b, null, null, false, 0, o, c)),
  of("multi_head_attention_forward(*[inputs[0]] * 3, 8, 4, *inputs[1:3], *inputs[3:5], True, 0.4, *inputs[5:7], True, inputs[7], average_attn_weights=False)", [sequences, ...weights.slice(0, 2), [1, 1, 8], [1, 1, 8], square, [8], "torch.tensor([[False, True, False, False, True], [False] * 5])"], (x, w, b, bk, bv, o, c, m) => F.multiHeadAttentionForward(x, x, x, 8, 4, w, b, bk, bv, true, 0.4, o, c, { keyPaddingMask: m, averageAttnWeights: false })),
  of("multi_head_attention_forward(*inputs[:3], 8, 2, None, inputs[3], None, None, False, 0.0, *inputs[4:6], need_weights=False, attn_mask=inputs[9], use_separate_proj_weight=True, q_proj_weight=inputs[6], k_proj_weight=inputs[7], v_proj_weight=inputs[8])[:1]", [sequences, [3, 2, 4], [3, 2, 6], [24], square, [8], square, [8, 4], [8, 6], "torch.randn(5, 3, dtype=torch.float64)"], (q, k, v, b, o, c, wq, wk, wv, m) => F.multiHeadAttentionForward(q, k, v, 8, 2, null, b, null, null, false, 0, o, c, { needWeights: false, attnMask: m, useSeparateProjWeight: true, qProjWeight: wq, kProjWeight: wk, vProjWeight: wv })[0]),
  of("multi_head_attention_forward(*inputs[:3], 8, 2, *inputs[3:5], None, None, False, 0.0, *inputs[5:7], static_k=inputs[7], static_v=inputs[8])", [sequences, memory, memory, ...weights, [4, 6, 4], [4, 6, 4]], (q, k, v, w, b, o, c, sk, sv) => F.multiHeadAttentionForward(q, k, v, 8, 2, w, b, null, null, false, 0, o, c, { staticK: sk, staticV: sv })),
  of("multi_head_attention_forward(*[inputs[0]] * 3, 8, 2, *inputs[1:3], None, None, False, 0.5, *inputs[3:5], False, need_weights=False, attn_mask=torch.full((5, 5), -math.inf, dtype=inputs[0].dtype).triu(1), is_causal=True)[:1]", [[5, 8], ...weights], (x, w, b, o, c) => F.multiHeadAttentionForward(x, x, x, 8, 2, w, b, null, null, false, 0.5, o, c, false, { needWeights: false, attnMask: torch.full([5, 5], -Infinity, { dtype: x.dtype, device: x.device }).triu(1), isCausal: true })[0]),
];
