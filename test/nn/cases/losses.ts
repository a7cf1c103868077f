import { nn, torch } from "../../../lib/index.js";
import type { Tensor } from "../../../lib/index.js";
import type { AnyLayer, Case } from "./case.js";

const perClass = () => torch.tensor([0.5, 2, 1], { dtype: "float64" });
const weights = "torch.tensor([0.5, 2, 1], dtype=torch.float64)";
const random = (shape: string) => `torch.rand(${shape}, dtype=torch.float64)`;
const signs = (shape: string) => `torch.randint(0, 2, (${shape},)).double() * 2 - 1`;
const logProbs = (shape: string, dim: number) => `torch.randn(${shape}, dtype=torch.float64).log_softmax(${dim})`;

const scores = [4, 3];
const labels = { below: 3, shape: [4] };
const pixels = [2, 3, 2, 2];
const pixelLabels = "torch.tensor([0, 1, 2, -100, 1, 1, 0, 2]).reshape(2, 2, 2)";
const vectors = [5, 3];

const reductions = ["none", "mean", "sum"] as const;

/** The same loss in all reductions. */
function all(name: string, inputs: Case["inputs"]): Case[] {
  const Loss = (nn as unknown as Record<string, new (options: { reduction: string }) => AnyLayer>)[name]!;
  return reductions.map((reduction) => ({ layer: () => new Loss({ reduction }), python: `nn.${name}(reduction="${reduction}")`, inputs }));
}

// A sigmoid in front makes probabilities of numbers with a gradient.
const afterSigmoid: Pick<Case, "call" | "pythonCall"> = {
  call: (layer, [x, y]) => (layer as nn.BCELoss).forward(x!.sigmoid(), y!),
  pythonCall: "layer(inputs[0].sigmoid(), inputs[1])",
};
const lengths: Pick<Case, "call" | "pythonCall"> = {
  call: (layer, [x, y]) => (layer as nn.CTCLoss).forward(x!.logSoftmax(-1), y!, [7, 6], [3, 2]),
  pythonCall: "layer(inputs[0].log_softmax(-1), inputs[1], (7, 6), (3, 2))",
};

export const losses: Case[] = [
  ...all("CrossEntropyLoss", [scores, labels]),
  { layer: () => new nn.CrossEntropyLoss({ labelSmoothing: 0.1, weight: perClass() }), python: `nn.CrossEntropyLoss(label_smoothing=0.1, weight=${weights})`, inputs: [scores, labels] },
  { layer: () => new nn.CrossEntropyLoss(perClass(), 2, "sum"), python: `nn.CrossEntropyLoss(${weights}, ignore_index=2, reduction="sum")`, inputs: [scores, labels] },
  { layer: () => new nn.CrossEntropyLoss({ ignoreIndex: 1, labelSmoothing: 0.3 }), python: "nn.CrossEntropyLoss(ignore_index=1, label_smoothing=0.3)", inputs: [scores, "torch.tensor([0, 1, 2, 1])"] },
  { layer: () => new nn.CrossEntropyLoss(), python: "nn.CrossEntropyLoss()", inputs: [scores, random("4, 3") + ".softmax(1)"] },
  { layer: () => new nn.CrossEntropyLoss({ labelSmoothing: 0.2, weight: perClass() }), python: `nn.CrossEntropyLoss(label_smoothing=0.2, weight=${weights})`, inputs: [scores, random("4, 3") + ".softmax(1)"] },
  { layer: () => new nn.CrossEntropyLoss({ reduction: "none", labelSmoothing: 0.2 }), python: "nn.CrossEntropyLoss(reduction='none', label_smoothing=0.2)", inputs: [pixels, pixelLabels] },
  { layer: () => new nn.CrossEntropyLoss(), python: "nn.CrossEntropyLoss()", inputs: [pixels, pixelLabels] },
  { layer: () => new nn.CrossEntropyLoss(), python: "nn.CrossEntropyLoss()", inputs: [[3], "torch.tensor(2)"] },
  ...all("NLLLoss", [scores, labels]),
  { layer: () => new nn.NLLLoss(perClass(), 1, "mean"), python: `nn.NLLLoss(${weights}, ignore_index=1)`, inputs: [scores, "torch.tensor([0, 1, 2, 1])"] },
  { layer: () => new nn.NLLLoss({ reduction: "none", weight: perClass() }), python: `nn.NLLLoss(reduction='none', weight=${weights})`, inputs: [pixels, pixelLabels] },
  ...["MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss"].flatMap((name) => all(name, [scores, "torch.randn(4, 3, dtype=torch.float64)"])),
  { layer: () => new nn.SmoothL1Loss({ beta: 0.2 }), python: "nn.SmoothL1Loss(beta=0.2)", inputs: [scores, scores] },
  { layer: () => new nn.SmoothL1Loss({ beta: 0 }), python: "nn.SmoothL1Loss(beta=0)", inputs: [scores, scores] },
  { layer: () => new nn.HuberLoss("mean", 0.3), python: "nn.HuberLoss('mean', 0.3)", inputs: [scores, scores] },
  ...all("BCELoss", [scores, random("4, 3")]).map((item) => ({ ...item, ...afterSigmoid })),
  { layer: () => new nn.BCELoss(perClass()), python: `nn.BCELoss(${weights})`, inputs: [scores, random("4, 3")], ...afterSigmoid },
  ...all("BCEWithLogitsLoss", [scores, random("4, 3")]),
  { layer: () => new nn.BCEWithLogitsLoss(perClass(), "mean", perClass()), python: `nn.BCEWithLogitsLoss(${weights}, pos_weight=${weights})`, inputs: [scores, random("4, 3")] },
  ...all("KLDivLoss", [scores, random("4, 3")]),
  { layer: () => new nn.KLDivLoss("batchmean"), python: "nn.KLDivLoss(reduction='batchmean')", inputs: [scores, random("4, 3")] },
  { layer: () => new nn.KLDivLoss({ reduction: "batchmean", logTarget: true }), python: "nn.KLDivLoss(reduction='batchmean', log_target=True)", inputs: [scores, logProbs("4, 3", 1)] },
  ...all("PoissonNLLLoss", [scores, "torch.randint(0, 5, (4, 3)).double()"]),
  { layer: () => new nn.PoissonNLLLoss(true, true), python: "nn.PoissonNLLLoss(True, True)", inputs: [scores, "torch.randint(0, 5, (4, 3)).double()"] },
  { layer: () => new nn.PoissonNLLLoss({ logInput: false, eps: 0.1 }), python: "nn.PoissonNLLLoss(log_input=False, eps=0.1)", inputs: [scores, "torch.randint(0, 5, (4, 3)).double()"], call: (layer, [x, y]) => (layer as nn.PoissonNLLLoss).forward(x!.exp(), y!), pythonCall: "layer(inputs[0].exp(), inputs[1])" },
  ...all("GaussianNLLLoss", [scores, "torch.randn(4, 3, dtype=torch.float64)", random("4, 3")]),
  ...["4", "4, 1", "1, 3"].map((shape): Case => ({ layer: () => new nn.GaussianNLLLoss({ full: true, eps: 0.5 }), python: "nn.GaussianNLLLoss(full=True, eps=0.5)", inputs: [scores, scores, random(shape)] })),
  { layer: () => new nn.GaussianNLLLoss(), python: "nn.GaussianNLLLoss()", inputs: [scores, scores, scores], call: (layer, [x, y, v]) => (layer as nn.GaussianNLLLoss).forward(x!, y!, v!.square()), pythonCall: "layer(inputs[0], inputs[1], inputs[2].square())" },
  ...all("SoftMarginLoss", [scores, signs("4, 3")]),
  ...all("MultiMarginLoss", [scores, labels]),
  { layer: () => new nn.MultiMarginLoss(2, 0.7, perClass()), python: `nn.MultiMarginLoss(2, 0.7, ${weights})`, inputs: [scores, labels] },
  ...all("MultiLabelMarginLoss", [scores, "torch.tensor([[1, -1, 0], [0, 2, -1], [2, 1, 0], [-1, 0, 1]])"]),
  ...all("MultiLabelSoftMarginLoss", [scores, "torch.randint(0, 2, (4, 3)).double()"]),
  { layer: () => new nn.MultiLabelSoftMarginLoss(perClass()), python: `nn.MultiLabelSoftMarginLoss(${weights})`, inputs: [scores, "torch.randint(0, 2, (4, 3)).double()"] },
  ...all("CosineEmbeddingLoss", [vectors, vectors, signs("5")]),
  { layer: () => new nn.CosineEmbeddingLoss(0.4), python: "nn.CosineEmbeddingLoss(0.4)", inputs: [vectors, vectors, signs("5")] },
  ...all("HingeEmbeddingLoss", [vectors, signs("5, 3")]),
  { layer: () => new nn.HingeEmbeddingLoss({ margin: 2 }), python: "nn.HingeEmbeddingLoss(2)", inputs: [vectors, signs("5, 3")] },
  ...all("MarginRankingLoss", [[5], [5], signs("5")]),
  { layer: () => new nn.MarginRankingLoss(0.5), python: "nn.MarginRankingLoss(0.5)", inputs: [[5], [5], signs("5")] },
  ...all("TripletMarginLoss", [vectors, vectors, vectors]),
  { layer: () => new nn.TripletMarginLoss(0.3, 1, { swap: true }), python: "nn.TripletMarginLoss(0.3, 1, swap=True)", inputs: [vectors, vectors, vectors] },
  ...all("TripletMarginWithDistanceLoss", [vectors, vectors, vectors]),
  {
    layer: () => new nn.TripletMarginWithDistanceLoss({ distanceFunction: (a: Tensor, b: Tensor) => a.sub(b).abs().amax(-1), margin: 2, swap: true }),
    python: "nn.TripletMarginWithDistanceLoss(distance_function=lambda a, b: (a - b).abs().amax(-1), margin=2, swap=True)",
    inputs: [vectors, vectors, vectors],
  },
  ...all("CTCLoss", [[7, 2, 4], "torch.randint(1, 4, (2, 3))"]).map((item) => ({ ...item, ...lengths })),
  { layer: () => new nn.CTCLoss(3, { zeroInfinity: true }), python: "nn.CTCLoss(3, zero_infinity=True)", inputs: [[2, 2, 4], { below: 3, shape: [2, 3] }], call: (layer, [x, y]) => (layer as nn.CTCLoss).forward(x!.logSoftmax(-1), y!, [2, 2], [3, 1]), pythonCall: "layer(inputs[0].log_softmax(-1), inputs[1], (2, 2), (3, 1))" },
  { layer: () => new nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 12]), python: "nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 12])", inputs: [[6, 8], "torch.tensor([5, 4, 11, 13, 19, 0])"] },
  { layer: () => new nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 12], 2, true), python: "nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 12], 2, True)", inputs: [[4, 8], "torch.tensor([0, 7, 19, 12])"] },
  { layer: () => new nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 12]), python: "nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 12])", inputs: [[6, 8]], call: (layer, [x]) => (layer as nn.AdaptiveLogSoftmaxWithLoss).logProb(x!), pythonCall: "layer.log_prob(inputs[0])" },
];
