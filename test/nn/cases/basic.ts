import { nn } from "../../../lib/index.js";
import { image } from "./case.js";
import type { Case } from "./case.js";

export const basic: Case[] = [
  { layer: () => new nn.Linear(5, 3), python: "nn.Linear(5, 3)", inputs: [[4, 5]] },
  { layer: () => new nn.Linear(5, 3, false), python: "nn.Linear(5, 3, False)", inputs: [[2, 4, 5]] },
  { layer: () => new nn.Conv1d(4, 6, 3, { stride: 2, padding: 1, groups: 2 }), python: "nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2)", inputs: [[2, 4, 9]] },
  { layer: () => new nn.Conv1d(4, 6, 4, { padding: "same", dilation: 2 }), python: "nn.Conv1d(4, 6, 4, padding='same', dilation=2)", inputs: [[2, 4, 9]] },
  { layer: () => new nn.Conv2d(4, 3, 3, { padding: 1 }), python: "nn.Conv2d(4, 3, 3, padding=1)", inputs: image },
  { layer: () => new nn.Conv2d(4, 8, [3, 2], [2, 1], [1, 0], [1, 2], 4), python: "nn.Conv2d(4, 8, (3, 2), (2, 1), (1, 0), (1, 2), 4)", inputs: image },
  { layer: () => new nn.Conv2d(4, 2, 3, { padding: "valid", bias: false }), python: "nn.Conv2d(4, 2, 3, padding='valid', bias=False)", inputs: [[4, 8, 6]] },
  ...(["reflect", "replicate", "circular"] as const).map((paddingMode): Case => ({
    layer: () => new nn.Conv2d(4, 2, [4, 3], { padding: "same", paddingMode }),
    python: `nn.Conv2d(4, 2, (4, 3), padding="same", padding_mode="${paddingMode}")`,
    inputs: image,
  })),
  { layer: () => new nn.Conv2d(4, 2, 3, { stride: 2, padding: [2, 1], paddingMode: "circular" }), python: "nn.Conv2d(4, 2, 3, stride=2, padding=(2, 1), padding_mode='circular')", inputs: image },
  { layer: () => new nn.Embedding(7, 3), python: "nn.Embedding(7, 3)", inputs: [{ below: 7, shape: [4, 5] }] },
  { layer: () => new nn.Embedding(7, 3, { paddingIdx: -1, scaleGradByFreq: true }), python: "nn.Embedding(7, 3, padding_idx=-1, scale_grad_by_freq=True)", inputs: [{ below: 7, shape: [9] }] },
  { layer: () => new nn.Embedding(7, 3, { maxNorm: 0.5, normType: 1 }), python: "nn.Embedding(7, 3, max_norm=0.5, norm_type=1.0)", inputs: [{ below: 5, shape: [2, 3] }], refused: /embedding_renorm_ was called in it, which changes a parameter in place/ },
  { layer: () => new nn.Bilinear(3, 4, 5), python: "nn.Bilinear(3, 4, 5)", inputs: [[2, 3], [2, 4]] },
  { layer: () => new nn.Bilinear(3, 4, 5, { bias: false }), python: "nn.Bilinear(3, 4, 5, bias=False)", inputs: [[2, 6, 3], [2, 6, 4]] },
  { layer: () => new nn.EmbeddingBag(7, 3), python: "nn.EmbeddingBag(7, 3)", inputs: [{ below: 7, shape: [4, 5] }] },
  { layer: () => new nn.EmbeddingBag(7, 3, { mode: "sum", paddingIdx: 2 }), python: "nn.EmbeddingBag(7, 3, mode='sum', padding_idx=2)", inputs: [{ below: 7, shape: [9] }, "torch.tensor([0, 3, 3, 7])"] },
  { layer: () => new nn.EmbeddingBag(7, 3, { mode: "max" }), python: "nn.EmbeddingBag(7, 3, mode='max')", inputs: [{ below: 7, shape: [4, 2] }] },
  { layer: () => new nn.EmbeddingBag(7, 3, null, 2, true, "mean", false, true), python: "nn.EmbeddingBag(7, 3, scale_grad_by_freq=True, include_last_offset=True)", inputs: [{ below: 7, shape: [9] }, "torch.tensor([0, 3, 5, 9])"] },
  { layer: () => new nn.EmbeddingBag(7, 3, { mode: "sum" }), python: "nn.EmbeddingBag(7, 3, mode='sum')", inputs: [{ below: 7, shape: [2, 3] }, [2, 3]], call: (layer, [x, w]) => (layer as nn.EmbeddingBag).forward(x!, null, w!), pythonCall: "layer(inputs[0], None, inputs[1])" },
  { layer: () => new nn.CosineSimilarity(), python: "nn.CosineSimilarity()", inputs: [[4, 5], [4, 5]] },
  { layer: () => new nn.CosineSimilarity(-1, 0.1), python: "nn.CosineSimilarity(-1, 0.1)", inputs: [[4, 5], [5]] },
  { layer: () => new nn.PairwiseDistance(), python: "nn.PairwiseDistance()", inputs: [[4, 5], [4, 5]] },
  { layer: () => new nn.PairwiseDistance(1, { keepdim: true }), python: "nn.PairwiseDistance(1, keepdim=True)", inputs: [[4, 5], [4, 5]] },
  { layer: () => new nn.Dropout(0.3), python: "nn.Dropout(0.3)", inputs: image },
  { layer: () => new nn.Dropout2d(), python: "nn.Dropout2d()", inputs: image },
  { layer: () => new nn.Flatten(), python: "nn.Flatten()", inputs: image },
  { layer: () => new nn.Flatten(0, 2), python: "nn.Flatten(0, 2)", inputs: image },
  { layer: () => new nn.Identity(5, "anything"), python: "nn.Identity(5, 'anything')", inputs: image },
  // In place, behind a layer whose output may be overwritten.
  { layer: () => new nn.Sequential(new nn.Linear(6, 5), new nn.ReLU(true), new nn.Linear(5, 4), new nn.ELU({ inplace: true })), python: "nn.Sequential(nn.Linear(6, 5), nn.ReLU(True), nn.Linear(5, 4), nn.ELU(inplace=True))", inputs: image },
  { layer: () => new nn.Sequential(new nn.Linear(6, 5), new nn.SiLU(true), new nn.Linear(5, 4), new nn.LeakyReLU(0.1, true), new nn.Linear(4, 3), new nn.Dropout(0.5, true)), python: "nn.Sequential(nn.Linear(6, 5), nn.SiLU(True), nn.Linear(5, 4), nn.LeakyReLU(0.1, True), nn.Linear(4, 3), nn.Dropout(0.5, True))", inputs: image },
  {
    layer: () => new nn.Sequential(new nn.Conv2d(4, 6, 3), new nn.BatchNorm2d(6), new nn.ReLU(), new nn.MaxPool2d(2), new nn.Dropout2d(0.2), new nn.Flatten(), new nn.Dropout(0.4), new nn.Linear(36, 3)),
    python: "nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.2), nn.Flatten(), nn.Dropout(0.4), nn.Linear(36, 3))",
    inputs: image,
  },
];
