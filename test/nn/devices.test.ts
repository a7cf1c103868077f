import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Device, DType, Tensor } from "../../lib/index.js";
import { AnotherDevice, elsewhere } from "../support/another-device.js";
import { needsPython, python, runPython, sameLibTorch, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";
import { families } from "./cases/all.js";
import type { Case, Nested } from "./cases/case.js";

// A layer computes where its weights are and in their dtype: it makes no tensor elsewhere, reads no value, and takes no number from
// JavaScript to the device, as each replay of a recorded step would do it anew.

const device = new AnotherDevice();
beforeAll(() => device.install());
afterAll(() => device.remove());

/** What is the host's business in PyTorch, too: which steps a program has depends on how long the sequences are. */
function lengthsAreNumbers({ python: text, pythonCall = "" }: Case): RegExp | null {
  if (/CTCLoss/.test(text)) return /numbers of JavaScript|aten::to.device copied to cuda:0/;
  if (/pack_padded/.test(pythonCall)) return /numbers of JavaScript|_pack_padded_sequence took|aten::aminmax made|aten::to.device copied to cuda:0/;
  return null;
}

interface Prepared {
  inputs: Packed[];
  /** What PyTorch gives in bfloat16: the results' dtypes, or none where its kernel knows no bfloat16. */
  half: string[] | null;
}

interface Reference {
  cases: Prepared[];
  /** The layers that PyTorch takes a `device` for. */
  made: string[];
}

const script = `
import inspect
def flat(value):
    if value is None: return []
    return [t for v in value for t in flat(v)] if isinstance(value, (tuple, list)) else [value]
def made(spec):
    if isinstance(spec, str): return eval(spec)
    if isinstance(spec, dict): return torch.randint(0, spec["below"], spec["shape"])
    return torch.randn(spec, dtype=torch.float64)
def half(case, inputs):
    layer = eval(case["python"]).bfloat16()
    try:
        return [str(t.dtype)[6:] for t in flat(eval(case["call"]))]
    except (RuntimeError, NotImplementedError) as error:
        if "not implemented for" not in str(error): raise
        return None
cases = []
for case in inputs:
    given = [made(spec) for spec in case["inputs"]]
    cases.append({"inputs": [pack(t) for t in given], "half": half(case, [t.bfloat16() if t.is_floating_point() else t for t in given])})
layers = [value for value in vars(torch.nn).values() if inspect.isclass(value) and issubclass(value, torch.nn.Module)]
outputs = {"cases": cases, "made": [layer.__name__ for layer in layers if "device" in inspect.signature(layer.__init__).parameters]}
`;

const cases = Object.values(families).flat().map((item, index) => ({ ...item, index, name: `${index}: ${item.python} ${item.pythonCall ?? ""}` }));
const flat = (value: Nested): Tensor[] => (Array.isArray(value) ? value.flatMap(flat) : value === null ? [] : [value]);

function run({ call }: Case, layer: nn.Module, inputs: Tensor[]): Tensor[] {
  return flat(call === undefined ? (layer as nn.Module & { forward(...inputs: Tensor[]): Nested }).forward(...inputs) : call(layer, inputs));
}

let reference: Reference;
beforeAll(() => {
  if (python === null) return;
  reference = runPython<Reference>(script, cases.map(({ python, inputs, pythonCall }) => ({ python, inputs, call: pythonCall ?? "layer(*inputs)" })));
}, 120_000);

describe.skipIf(python === null)(`a layer (${needsPython})`, () => {
  test.each(cases)("on another device: $name", (item) => {
    const layer = item.layer().to("float64").to(elsewhere);
    const allowed = lengthsAreNumbers(item);
    for (const training of [true, false]) {
      layer.train(training);
      const inputs = reference.cases[item.index]!.inputs.map((packed, i) => {
        const input = unpack(packed).to(elsewhere);
        if (Array.isArray(item.inputs[i])) input.requiresGrad = true;
        return input;
      });
      let outputs: Tensor[] = [];
      const faults = device.watch(() => (outputs = run(item, layer, inputs)), "float64");
      expect(faults.filter((fault) => allowed === null || !allowed.test(fault))).toEqual([]);
      expect(outputs.filter((output) => output.device !== elsewhere).map(({ dtype }) => dtype)).toEqual(/pack_padded/.test(item.pythonCall ?? "") ? ["int64"] : []); // the lengths
      const sums = outputs.filter(({ requiresGrad }) => requiresGrad).map((output) => output.sum());
      if (sums.length > 0) sums.reduce((all, sum) => all.add(sum)).backward();
    }
  });

  // PyTorch makes these of an average over volumes, whose kernel knows no bfloat16.
  const here = /LocalResponseNorm|local_response_norm/;
  // Another version has other kernels.
  test.skipIf(!sameLibTorch).each(cases)("in bfloat16: $name", (item) => {
    const { inputs, half } = reference.cases[item.index]!;
    const layer = item.layer().to("bfloat16");
    const given = inputs.map((packed) => (/float/.test(packed.dtype) ? unpack(packed).to("bfloat16") : unpack(packed)));
    if (half !== null) expect(run(item, layer, given).map(({ dtype }) => dtype)).toEqual(half);
    else if (here.test(`${item.python} ${item.pythonCall}`)) expect(run(item, layer, given).map(({ dtype }) => dtype)).toEqual(["bfloat16"]);
    else expect(() => run(item, layer, given)).toThrow("not implemented for 'BFloat16'");
  });
});

/** Every layer with tensors of its own, by name: what it takes before `device` and `dtype`, and a shape for the first input of the lazy ones. */
const made: Record<string, [args: readonly unknown[], first?: number[]]> = {
  Linear: [[5, 3]], Bilinear: [[3, 4, 5]], Embedding: [[7, 3, { paddingIdx: 2 }]], EmbeddingBag: [[7, 3]],
  Conv1d: [[2, 4, 3]], Conv2d: [[2, 4, 3]], Conv3d: [[2, 4, 3]], ConvTranspose1d: [[2, 4, 3]], ConvTranspose2d: [[2, 4, 3]], ConvTranspose3d: [[2, 4, 3]],
  BatchNorm1d: [[4]], BatchNorm2d: [[4]], BatchNorm3d: [[4]], SyncBatchNorm: [[4]], GroupNorm: [[2, 4]], LayerNorm: [[[4, 3]]], RMSNorm: [[4]],
  InstanceNorm1d: [[4, { affine: true, trackRunningStats: true }]], InstanceNorm2d: [[4, { affine: true, trackRunningStats: true }]],
  InstanceNorm3d: [[4, { affine: true, trackRunningStats: true }]],
  RNN: [[3, 4, 2]], GRU: [[3, 4, 2]], LSTM: [[3, 4, 2, { projSize: 2 }]], RNNCell: [[3, 4]], GRUCell: [[3, 4]], LSTMCell: [[3, 4]],
  MultiheadAttention: [[8, 2, { addBiasKv: true, kdim: 4 }]], TransformerEncoderLayer: [[8, 2, 12]], TransformerDecoderLayer: [[8, 2, 12]],
  Transformer: [[{ dModel: 8, nhead: 2, numEncoderLayers: 1, numDecoderLayers: 1, dimFeedforward: 12 }]],
  AdaptiveLogSoftmaxWithLoss: [[8, 20, [5, 12]]], PReLU: [[4]],
  LazyLinear: [[3], [2, 5]], LazyConv1d: [[4, 3], [2, 3, 5]], LazyConv2d: [[4, 3], [2, 3, 5, 5]], LazyConv3d: [[4, 3], [2, 3, 5, 5, 5]],
  LazyConvTranspose1d: [[4, 3], [2, 3, 5]], LazyConvTranspose2d: [[4, 3], [2, 3, 5, 5]], LazyConvTranspose3d: [[4, 3], [2, 3, 5, 5, 5]],
  LazyBatchNorm1d: [[], [2, 3, 5]], LazyBatchNorm2d: [[], [2, 3, 5, 5]], LazyBatchNorm3d: [[], [2, 3, 5, 5, 5]],
  LazyInstanceNorm1d: [[{ affine: true, trackRunningStats: true }], [2, 3, 5]], LazyInstanceNorm2d: [[{ affine: true, trackRunningStats: true }], [2, 3, 5, 5]],
  LazyInstanceNorm3d: [[{ affine: true, trackRunningStats: true }], [2, 3, 5, 5, 5]],
};

describe("a layer that is made on another device, in another dtype", () => {
  test.each(Object.entries(made))("nn.%s", (name, [args, first]) => {
    const Layer = Reflect.get(nn, name) as new (...args: unknown[]) => nn.Module & { forward(x: Tensor): unknown };
    const where: { device: Device; dtype: DType } = { device: elsewhere, dtype: "float64" };
    const last = args.at(-1);
    const named = typeof last === "object" && last !== null && !Array.isArray(last);
    let layer: InstanceType<typeof Layer> | undefined;
    const faults = device.watch(() => {
      layer = new Layer(...(named ? [...args.slice(0, -1), { ...last, ...where }] : [...args, where]));
      if (first !== undefined) layer.forward(torch.ones(first, where));
    });
    expect(faults).toEqual([]);
    const tensors = [...layer!.parameters(), ...layer!.buffers()];
    expect(tensors.length).toBeGreaterThan(0);
    expect(tensors.map(({ device, dtype }) => `${dtype} on ${device}`).filter((each) => each !== `float64 on ${elsewhere}` && each !== `int64 on ${elsewhere}`)).toEqual([]);
  });

  // Another version has other layers.
  test.skipIf(python === null || !sameLibTorch)(`are all that PyTorch can make there (${needsPython})`, () => {
    const others = ["RNNBase", "RNNCellBase", "LinearCrossEntropyLoss"]; // which are not here; recurrent layers hand all arguments on to their base
    expect([...reference.made.filter((name) => !others.includes(name)), "RNN", "GRU", "LSTM"].sort()).toEqual(Object.keys(made).sort());
  });
});

describe("on another device, too", () => {
  const there = (...shape: number[]) => torch.randn(shape, { device: elsewhere });

  test("initial values", () => {
    const { init } = nn;
    const fill: Record<string, (weight: Tensor) => unknown> = {
      uniform_: (w) => init.uniform_(w), normal_: (w) => init.normal_(w), constant_: (w) => init.constant_(w, 3), zeros_: (w) => init.zeros_(w),
      ones_: (w) => init.ones_(w), eye_: (w) => init.eye_(w), xavierUniform_: (w) => init.xavierUniform_(w), xavierNormal_: (w) => init.xavierNormal_(w),
      kaimingUniform_: (w) => init.kaimingUniform_(w), kaimingNormal_: (w) => init.kaimingNormal_(w), orthogonal_: (w) => init.orthogonal_(w),
      sparse_: (w) => init.sparse_(w, 0.5), dirac_: (w) => init.dirac_(w.reshape([2, 2, 3])),
    };
    // PyTorch's, too, looks whether all values are inside.
    expect(Object.keys(init).filter((name) => name.endsWith("_") && !(name in fill))).toEqual(["truncNormal_"]);
    for (const [name, run] of Object.entries(fill)) {
      const weight = there(4, 3);
      expect(device.watch(() => run(weight)), name).toEqual([]);
    }
  });

  test("checkpointing, whose second run is watched as well", () => {
    const layer = new nn.Sequential(new nn.Linear(3, 4), new nn.Dropout(0.5)).to(elsewhere);
    expect(device.watch(() => nn.checkpoint((x: Tensor) => layer.forward(x), there(2, 3)).sum().backward())).toEqual([]);
    expect(layer.parameters().every(({ grad }) => grad?.device === elsewhere)).toBe(true);
  });

  test("what loops of one's own call", () => {
    const { clipGradNorm_, clipGradValue_, getTotalNorm, parametersToVector, vectorToParameters } = nn.utils;
    const layer = new nn.Linear(3, 4).to(elsewhere);
    layer.forward(there(2, 3)).sum().backward();
    const faults = device.watch(() => {
      clipGradNorm_(layer.parameters(), 0.1);
      clipGradValue_(layer.parameters(), 0.01);
      getTotalNorm(layer.parameters());
      vectorToParameters(parametersToVector(layer.parameters()), layer.parameters());
      nn.utils.functionalCall(layer, { weight: layer.weight.mul(2) }, [there(2, 3)]);
      nn.Transformer.generateSquareSubsequentMask(3, { device: elsewhere });
    });
    expect(faults).toEqual([]);
  });
});

describe("the watch sees", () => {
  class Careless extends nn.Module {
    scale = nn.parameter(torch.ones([3]));
    hidden = torch.ones([3]); // neither a parameter nor a buffer

    constructor(readonly forward: (x: Tensor, self: Careless) => unknown) {
      super();
    }
  }
  test.each<[string, (x: Tensor, self: Careless) => unknown, string[]]>([
    ["a tensor made on the processor", (x) => x.add(torch.zeros([3])), ["aten::add.Tensor took tensors of both devices", "aten::zeros made a tensor on the processor"]],
    ["a tensor that stayed there", (x, self) => x.mul(self.hidden), ["aten::mul.Tensor took tensors of both devices"]],
    ["a mask made there and moved", (x) => x.add(torch.ones([3, 3]).triu().to(x.device)), ["aten::ones made a tensor on the processor", "aten::to.device copied to cuda:0", "aten::triu made a tensor on the processor"]],
    ["numbers", (x) => x.add(torch.tensor([1.5, 2, 3], { device: x.device })), ["aten::to.device copied to cuda:0", "numbers of JavaScript became a tensor"]],
    ["a value that is read", (x) => (Number(x.sum().item()) > 0 ? x : x.neg()), ["a value was read"]],
    ["values that are fetched", (x) => x.to("cpu"), ["aten::to.device copied to cpu"]],
    ["another dtype", (x) => x.add(torch.zeros([3], { device: x.device, dtype: "float64" })), ["aten::add.Tensor made float64", "aten::zeros made float64"]],
    ["nothing where there is nothing", (x, { scale }) => x.mul(scale).add(torch.zeros([3], { device: x.device })).add(1), []],
  ])("%s", (_, forward, faults) => {
    const layer = new Careless(forward).to(elsewhere);
    expect(device.watch(() => layer.forward(torch.randn([3, 3], { device: elsewhere }), layer), "float32")).toEqual(faults);
  });
});
