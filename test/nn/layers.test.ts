import { beforeAll, describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { distance, needsPython, python, runPython, sameLibTorch, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";

// Each layer beside PyTorch's: initial weights of the same seed, names and order of the state dict, then, in float64, two
// steps in training mode (outputs, gradients, buffers) and one in evaluation mode.

type Nested = Tensor | Nested[];
type AnyLayer = nn.Module & { forward(...inputs: never[]): Nested };

interface Case {
  layer: () => AnyLayer;
  python: string;
  /** Shapes of random inputs, or a range of random integers with a shape. */
  inputs: (number[] | { below: number; shape: number[] })[];
  /** How the inputs become arguments, where not one by one. */
  call?: (layer: AnyLayer, inputs: Tensor[]) => Nested;
  pythonCall?: string;
}

const image = [[2, 4, 8, 6]];
const lstmCall: Pick<Case, "call" | "pythonCall"> = {
  call: (layer, [x, h, c]) => (layer as nn.LSTM).forward(x!, [h!, c!]),
  pythonCall: "layer(inputs[0], (inputs[1], inputs[2]))",
};

const cases: Case[] = [
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
  { layer: () => new nn.BatchNorm1d(5), python: "nn.BatchNorm1d(5)", inputs: [[4, 5]] },
  { layer: () => new nn.BatchNorm1d(5, 1e-3, 0.3), python: "nn.BatchNorm1d(5, 1e-3, 0.3)", inputs: [[4, 5, 3]] },
  { layer: () => new nn.BatchNorm2d(4), python: "nn.BatchNorm2d(4)", inputs: image },
  { layer: () => new nn.BatchNorm2d(4, { momentum: null }), python: "nn.BatchNorm2d(4, momentum=None)", inputs: image },
  { layer: () => new nn.BatchNorm2d(4, { affine: false }), python: "nn.BatchNorm2d(4, affine=False)", inputs: image },
  { layer: () => new nn.BatchNorm2d(4, { trackRunningStats: false }), python: "nn.BatchNorm2d(4, track_running_stats=False)", inputs: image },
  { layer: () => new nn.GroupNorm(2, 4), python: "nn.GroupNorm(2, 4)", inputs: image },
  { layer: () => new nn.GroupNorm(4, 4, 1e-2, false), python: "nn.GroupNorm(4, 4, 1e-2, False)", inputs: [[2, 4, 5]] },
  { layer: () => new nn.LayerNorm(6), python: "nn.LayerNorm(6)", inputs: image },
  { layer: () => new nn.LayerNorm([8, 6], { eps: 1e-3, bias: false }), python: "nn.LayerNorm([8, 6], eps=1e-3, bias=False)", inputs: image },
  { layer: () => new nn.LayerNorm(6, { elementwiseAffine: false }), python: "nn.LayerNorm(6, elementwise_affine=False)", inputs: image },
  { layer: () => new nn.Embedding(7, 3), python: "nn.Embedding(7, 3)", inputs: [{ below: 7, shape: [4, 5] }] },
  { layer: () => new nn.Embedding(7, 3, { paddingIdx: -1, scaleGradByFreq: true }), python: "nn.Embedding(7, 3, padding_idx=-1, scale_grad_by_freq=True)", inputs: [{ below: 7, shape: [9] }] },
  { layer: () => new nn.Embedding(7, 3, { maxNorm: 0.5, normType: 1 }), python: "nn.Embedding(7, 3, max_norm=0.5, norm_type=1.0)", inputs: [{ below: 5, shape: [2, 3] }] },
  { layer: () => new nn.LSTM(3, 4), python: "nn.LSTM(3, 4)", inputs: [[5, 2, 3]] },
  { layer: () => new nn.LSTM(3, 4, { batchFirst: true, bias: false }), python: "nn.LSTM(3, 4, batch_first=True, bias=False)", inputs: [[2, 5, 3]] },
  { layer: () => new nn.LSTM(3, 4, 2, { bidirectional: true, dropout: 0.4 }), python: "nn.LSTM(3, 4, 2, bidirectional=True, dropout=0.4)", inputs: [[5, 2, 3], [4, 2, 4], [4, 2, 4]], ...lstmCall },
  { layer: () => new nn.LSTM(3, 4, { numLayers: 2, projSize: 2 }), python: "nn.LSTM(3, 4, num_layers=2, proj_size=2)", inputs: [[5, 2, 3], [2, 2, 2], [2, 2, 4]], ...lstmCall },
  { layer: () => new nn.LSTM(3, 4, { batchFirst: true }), python: "nn.LSTM(3, 4, batch_first=True)", inputs: [[5, 3], [1, 4], [1, 4]], ...lstmCall },
  { layer: () => new nn.MaxPool2d(2), python: "nn.MaxPool2d(2)", inputs: image },
  { layer: () => new nn.MaxPool2d([3, 2], 2, [1, 0], [2, 1], { ceilMode: true }), python: "nn.MaxPool2d((3, 2), 2, (1, 0), (2, 1), ceil_mode=True)", inputs: image },
  { layer: () => new nn.AvgPool2d([2, 3]), python: "nn.AvgPool2d((2, 3))", inputs: image },
  { layer: () => new nn.AvgPool2d(3, 2, 1, true, false), python: "nn.AvgPool2d(3, 2, 1, True, False)", inputs: image },
  { layer: () => new nn.AvgPool2d(2, { divisorOverride: 3 }), python: "nn.AvgPool2d(2, divisor_override=3)", inputs: image },
  { layer: () => new nn.AdaptiveAvgPool2d(3), python: "nn.AdaptiveAvgPool2d(3)", inputs: image },
  { layer: () => new nn.AdaptiveAvgPool2d([null, 2]), python: "nn.AdaptiveAvgPool2d((None, 2))", inputs: [[4, 8, 6]] },
  { layer: () => new nn.ReLU(), python: "nn.ReLU()", inputs: image },
  { layer: () => new nn.GELU(), python: "nn.GELU()", inputs: image },
  { layer: () => new nn.GELU("tanh"), python: "nn.GELU('tanh')", inputs: image },
  { layer: () => new nn.Tanh(), python: "nn.Tanh()", inputs: image },
  { layer: () => new nn.Sigmoid(), python: "nn.Sigmoid()", inputs: image },
  { layer: () => new nn.SiLU(), python: "nn.SiLU()", inputs: image },
  { layer: () => new nn.LeakyReLU(), python: "nn.LeakyReLU()", inputs: image },
  { layer: () => new nn.LeakyReLU({ negativeSlope: 0.2 }), python: "nn.LeakyReLU(0.2)", inputs: image },
  { layer: () => new nn.ELU(0.7), python: "nn.ELU(0.7)", inputs: image },
  { layer: () => new nn.Softmax(1), python: "nn.Softmax(1)", inputs: image },
  { layer: () => new nn.LogSoftmax({ dim: -1 }), python: "nn.LogSoftmax(-1)", inputs: image },
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

interface Pass {
  inputs: Packed[];
  outputs: Packed[];
  /** Null for inputs without a gradient. */
  gradients: (Packed | null)[];
  state: Record<string, Packed>;
}

interface Reference {
  initial: Record<string, Packed>;
  names: string[];
  parameters: Record<string, Packed>[];
  passes: Pass[];
}

const script = `
def flat(value):
    return [t for v in value for t in flat(v)] if isinstance(value, tuple) else [value]

def state(layer):
    return {name: pack(t) for name, t in layer.state_dict().items()}

outputs = []
for case in inputs_all:
    torch.manual_seed(0)
    layer = eval(case["python"])
    reference = {"initial": state(layer), "names": list(layer.state_dict()), "parameters": [], "passes": []}
    layer.double()
    for k in range(3):
        layer.train(k < 2)
        layer.zero_grad()
        torch.manual_seed(10 + k)
        inputs = [
            torch.randint(0, s["below"], s["shape"]) if isinstance(s, dict) else torch.randn(s, dtype=torch.float64, requires_grad=True)
            for s in case["inputs"]
        ]
        torch.manual_seed(100 + k)
        results = flat(eval(case["call"]))
        weighted = [(r * torch.arange(r.numel(), dtype=torch.float64).cos().reshape(r.shape)).sum() for r in results]
        sum(weighted).backward()
        reference["passes"].append({
            "inputs": [pack(t) for t in inputs],
            "outputs": [pack(t) for t in results],
            "gradients": [None if t.grad is None else pack(t.grad) for t in inputs],
            "state": state(layer),
        })
        reference["parameters"].append({name: pack(p.grad) for name, p in layer.named_parameters()})
    outputs.append(reference)
`;

function flat(value: Nested): Tensor[] {
  return Array.isArray(value) ? value.flatMap(flat) : [value];
}

describe.skipIf(python === null)(`layers are PyTorch's (${needsPython})`, () => {
  let references: Reference[] = [];

  beforeAll(() => {
    const described = cases.map(({ python, inputs, pythonCall }) => ({ python, inputs, call: pythonCall ?? "layer(*inputs)" }));
    references = runPython<Reference[]>(`inputs_all = inputs\n${script}`, described);
  });

  test.each(cases.map((item, index) => ({ ...item, index })))("$python", ({ layer: make, index, call }) => {
    const reference = references[index]!;
    torch.manualSeed(0);
    const layer = make();
    const initial = layer.stateDict();
    expect(Object.keys(initial)).toEqual(reference.names);
    for (const [name, tensor] of Object.entries(initial)) {
      expect(tensor.dtype).toBe(reference.initial[name]!.dtype);
      if (sameLibTorch) expect(distance(tensor, unpack(reference.initial[name]!)), `initial ${name}`).toBe(0);
    }

    const states = Object.fromEntries(Object.entries(reference.initial).map(([name, packed]) => [name, unpack(packed)]));
    layer.loadStateDict(states);
    layer.to("float64");
    reference.passes.forEach((pass, k) => {
      layer.train(k < 2).zeroGrad();
      const inputs = pass.inputs.map(unpack);
      for (const input of inputs) if (input.dtype === "float64") input.requiresGrad = true;
      torch.manualSeed(100 + k);
      const outputs = flat(call === undefined ? layer.forward(...(inputs as never[])) : call(layer, inputs));
      const losses = outputs.map((t) => t.mul(torch.arange(t.numel(), { dtype: "float64" }).cos().reshape([...t.shape])).sum());
      const loss = losses.reduce((sum, part) => sum.add(part));
      if (loss.requiresGrad) loss.backward();

      const compare = (what: string, ours: Tensor | null, theirs: Packed | null | undefined) => {
        expect(ours === null, `${what} of pass ${k}`).toBe(theirs === null || theirs === undefined);
        if (ours !== null && theirs) expect(distance(ours, unpack(theirs)), `${what} of pass ${k}`).toBeLessThan(1e-9);
      };
      expect(outputs.length).toBe(pass.outputs.length);
      outputs.forEach((output, i) => compare(`output ${i}`, output, pass.outputs[i]));
      inputs.forEach((input, i) => compare(`gradient of input ${i}`, input.grad, pass.gradients[i]));
      const parameters = layer.namedParameters();
      expect(parameters.map(([name]) => name)).toEqual(Object.keys(reference.parameters[k]!));
      for (const [name, parameter] of parameters) compare(`gradient of ${name}`, parameter.grad, reference.parameters[k]![name]);
      for (const [name, tensor] of Object.entries(layer.stateDict())) compare(name, tensor, pass.state[name]);
    });
  });
});
