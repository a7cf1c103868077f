import { nn } from "../../../lib/index.js";
import type { Tensor } from "../../../lib/index.js";
import type { Case } from "./case.js";

const [query, key] = [[5, 2, 8], [3, 2, 8]];
const causal = "torch.full((5, 5), -math.inf, dtype=torch.float64).triu(1)";
const closed = "torch.tensor([[False, True, False], [False, False, False]])";

/** Attention of `inputs`, the masks after the first three. */
function attention(options: string, inputs: Case["inputs"], forward: (layer: nn.MultiheadAttention, inputs: Tensor[]) => [Tensor, Tensor | null], python: string, make: () => nn.MultiheadAttention): Case {
  return {
    layer: make,
    python: `nn.MultiheadAttention(8, 2${options})`,
    inputs,
    call: (layer, given) => forward(layer as nn.MultiheadAttention, given),
    pythonCall: python,
  };
}

const small = { dModel: 8, nhead: 2, dimFeedforward: 12 };
const smallPython = "8, 2, dim_feedforward=12";

export const attentions: Case[] = [
  attention("", [query, key, key], (layer, [q, k, v]) => layer.forward(q!, k!, v!), "layer(*inputs[:3])", () => new nn.MultiheadAttention(8, 2)),
  attention("", [[5, 8], [3, 8], [3, 8], "torch.tensor([False, True, False])"], (layer, [q, k, v, m]) => layer.forward(q!, k!, v!, m!), "layer(*inputs[:3], inputs[3])", () => new nn.MultiheadAttention(8, 2)),
  attention(", bias=False, batch_first=True", [[2, 5, 8]], (layer, [x]) => layer.forward(x!, x!, x!), "layer(inputs[0], inputs[0], inputs[0])", () => new nn.MultiheadAttention(8, 2, { bias: false, batchFirst: true })),
  attention(", kdim=4, vdim=6, dropout=0.3", [query, [3, 2, 4], [3, 2, 6]], (layer, [q, k, v]) => layer.forward(q!, k!, v!, { averageAttnWeights: false }), "layer(*inputs[:3], average_attn_weights=False)", () => new nn.MultiheadAttention(8, 2, 0.3, { kdim: 4, vdim: 6 })),
  attention(", add_bias_kv=True, add_zero_attn=True", [query, key, key, closed, "torch.randn(5, 3, dtype=torch.float64)"], (layer, [q, k, v, p, m]) => layer.forward(q!, k!, v!, p!, true, m!), "layer(*inputs[:3], inputs[3], True, inputs[4])", () => new nn.MultiheadAttention(8, 2, { addBiasKv: true, addZeroAttn: true })),
  attention("", [query, key, key, closed, "torch.rand(4, 5, 3) > 0.7"], (layer, [q, k, v, p, m]) => layer.forward(q!, k!, v!, { keyPaddingMask: p!, attnMask: m!.logicalAnd(m!.all(-1, true).logicalNot()), needWeights: false }), "layer(*inputs[:3], inputs[3], False, inputs[4] & ~inputs[4].all(-1, True))", () => new nn.MultiheadAttention(8, 2)),
  attention("", [query, causal], (layer, [x, m]) => layer.forward(x!, x!, x!, { attnMask: m!, needWeights: false, isCausal: true }), "layer(inputs[0], inputs[0], inputs[0], attn_mask=inputs[1], need_weights=False, is_causal=True)", () => new nn.MultiheadAttention(8, 2)),
  { layer: () => new nn.TransformerEncoderLayer(small), python: `nn.TransformerEncoderLayer(${smallPython})`, inputs: [query] },
  { layer: () => new nn.TransformerEncoderLayer(8, 2, 12, 0, "gelu", 1e-3, true, true, false), python: "nn.TransformerEncoderLayer(8, 2, 12, 0, 'gelu', 1e-3, True, True, False)", inputs: [[2, 5, 8], causal, "torch.tensor([[False, False, True, False, True], [False] * 5])"], call: (layer, [x, m, p]) => (layer as nn.TransformerEncoderLayer).forward(x!, m!, p!), pythonCall: "layer(inputs[0], inputs[1], inputs[2])" },
  { layer: () => new nn.TransformerDecoderLayer({ ...small, activation: (x: Tensor) => x.sin() }), python: `nn.TransformerDecoderLayer(${smallPython}, activation=torch.sin)`, inputs: [query, key] },
  { layer: () => new nn.TransformerDecoderLayer(8, 2, 12, { normFirst: true, dropout: 0 }), python: `nn.TransformerDecoderLayer(${smallPython}, norm_first=True, dropout=0)`, inputs: [query, key, causal, closed], call: (layer, [x, y, m, p]) => (layer as nn.TransformerDecoderLayer).forward(x!, y!, { tgtMask: m!, memoryKeyPaddingMask: p! }), pythonCall: "layer(inputs[0], inputs[1], tgt_mask=inputs[2], memory_key_padding_mask=inputs[3])" },
  { layer: () => new nn.TransformerEncoder(new nn.TransformerEncoderLayer(small), 2, new nn.LayerNorm(8)), python: `nn.TransformerEncoder(nn.TransformerEncoderLayer(${smallPython}), 2, nn.LayerNorm(8))`, inputs: [query, causal] },
  { layer: () => new nn.TransformerDecoder(new nn.TransformerDecoderLayer(small), 2), python: `nn.TransformerDecoder(nn.TransformerDecoderLayer(${smallPython}), 2)`, inputs: [query, key, causal] },
  { layer: () => new nn.Transformer({ ...small, numEncoderLayers: 2, numDecoderLayers: 1 }), python: `nn.Transformer(${smallPython}, num_encoder_layers=2, num_decoder_layers=1)`, inputs: [key, query, causal], call: (layer, [src, tgt, m]) => (layer as nn.Transformer).forward(src!, tgt!, { tgtMask: m!, tgtIsCausal: true }), pythonCall: "layer(inputs[0], inputs[1], tgt_mask=inputs[2], tgt_is_causal=True)" },
];
