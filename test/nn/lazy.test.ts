import { describe, expect, test } from "vitest";
import { nn, optim, SteppeError, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { distance, needsPython, pack, python, runPython, sameLibTorch, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";

// Layers that take a size from their first input, beside PyTorch's.

const run = (layer: nn.Module, x: Tensor): Tensor => (layer as nn.Identity).forward(x);

const cases: readonly [python: string, make: () => nn.Module, input: number[]][] = [
  ["nn.LazyLinear(3)", () => new nn.LazyLinear(3), [4, 5]],
  ["nn.LazyLinear(3, bias=False)", () => new nn.LazyLinear(3, false), [2, 4, 5]],
  ["nn.LazyConv1d(6, 3, 2, 1)", () => new nn.LazyConv1d(6, 3, 2, 1), [2, 4, 9]],
  ["nn.LazyConv2d(6, (3, 2), groups=2, bias=False)", () => new nn.LazyConv2d({ outChannels: 6, kernelSize: [3, 2], groups: 2, bias: false }), [2, 4, 8, 6]],
  ["nn.LazyConv2d(6, 3, padding='same', padding_mode='reflect')", () => new nn.LazyConv2d(6, 3, { padding: "same", paddingMode: "reflect" }), [4, 8, 6]],
  ["nn.LazyConv3d(2, 2)", () => new nn.LazyConv3d(2, 2), [2, 3, 4, 5, 6]],
  ["nn.LazyConvTranspose1d(6, 3, 2)", () => new nn.LazyConvTranspose1d(6, 3, 2), [2, 4, 5]],
  ["nn.LazyConvTranspose2d(6, 3, 2, 1, 1, 2)", () => new nn.LazyConvTranspose2d(6, 3, 2, 1, 1, 2), [2, 4, 5, 5]],
  ["nn.LazyConvTranspose3d(2, 2, bias=False)", () => new nn.LazyConvTranspose3d(2, 2, { bias: false }), [1, 3, 3, 3, 3]],
  ["nn.LazyBatchNorm1d()", () => new nn.LazyBatchNorm1d(), [4, 5]],
  ["nn.LazyBatchNorm2d(1e-3, 0.3)", () => new nn.LazyBatchNorm2d(1e-3, 0.3), [2, 4, 8, 6]],
  ["nn.LazyBatchNorm3d(affine=False)", () => new nn.LazyBatchNorm3d({ affine: false }), [2, 3, 2, 3, 4]],
  ["nn.LazyInstanceNorm1d()", () => new nn.LazyInstanceNorm1d(), [2, 4, 5]],
  ["nn.LazyInstanceNorm2d(affine=False)", () => new nn.LazyInstanceNorm2d({ affine: false }), [2, 4, 8, 6]],
  ["nn.LazyInstanceNorm3d(1e-3, 0.1, False, False)", () => new nn.LazyInstanceNorm3d(1e-3, 0.1, false, false), [2, 3, 2, 3, 4]],
];

const script = `
outputs = []
for case in inputs:
    torch.manual_seed(0)
    layer = eval(case["python"])
    before = list(layer.state_dict())
    output = layer(unpack(case["x"]))
    outputs.append({"before": before, "kind": type(layer).__name__, "output": pack(output), "state": {name: pack(t) for name, t in layer.state_dict().items()}})
`;

const inputOf = (shape: number[]) => torch.arange(shape.reduce((a, b) => a * b, 1), { dtype: "float32" }).sin().reshape(shape);

describe.skipIf(python === null)(`lazy layers are PyTorch's (${needsPython})`, () => {
  test("names, initial values of the same seed, and outputs", () => {
    interface Reference { before: string[]; kind: string; output: Packed; state: Record<string, Packed> }
    const references = runPython<Reference[]>(script, cases.map(([name, , shape]) => ({ python: name, x: pack(inputOf(shape)) })));
    cases.forEach(([name, make, shape], i) => {
      const reference = references[i]!;
      torch.manualSeed(0);
      const layer = make();
      expect(Object.keys(layer.stateDict()), name).toEqual(reference.before);
      const early = layer.parameters();
      const output = run(layer, inputOf(shape));
      expect(layer.constructor.name, name).toBe(reference.kind);
      expect(layer.parameters().every((parameter, k) => parameter === early[k])).toBe(true);
      const state = layer.stateDict();
      expect(Object.keys(state), name).toEqual(Object.keys(reference.state));
      if (!sameLibTorch) return;
      for (const [key, packed] of Object.entries(reference.state)) expect(distance(state[key]!, unpack(packed)), `${name} ${key}`).toBeLessThan(1e-6);
      expect(distance(output, unpack(reference.output)), name).toBeLessThan(1e-5);
    });
  });
});

test.each(cases)("%s from a state dict, and beside the ordinary layer", (_, make, shape) => {
  const x = inputOf(shape);
  const [first, second] = [make(), make()];
  run(first, x);
  second.loadStateDict(first.stateDict());
  if (Object.keys(first.stateDict()).length === 0) run(second, x); // no state tells it anything
  expect(second.constructor).toBe(first.constructor);
  expect(second.toString()).toBe(first.toString());
  expect(distance(run(second.eval(), x), run(first.eval(), x))).toBe(0);
});

class Net extends nn.Module {
  conv = new nn.LazyConv2d(4, 3);
  norm = new nn.LazyBatchNorm2d();
  out = new nn.LazyLinear(2);

  forward(x: Tensor): Tensor {
    return this.out.forward(this.norm.forward(this.conv.forward(x)).relu().flatten(1));
  }
}

test("a model that has seen an input trains like any other; before, its optimizer is refused", () => {
  const net = new Net();
  expect(() => optim.create(net, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.1 } })).toThrow(/a parameter with a shape for parameter conv\.weight .* run the model once before/);
  const x = inputOf([4, 3, 6, 6]);
  net.registerForwardHook(() => {});
  net.conv.registerForwardHook((_layer, inputs) => void expect(inputs).toHaveLength(1));
  net.forward(x);
  const step = optim.create(net, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.1 } }).compile((x: Tensor) => net.forward(x).square().mean());
  const losses = Array.from({ length: 5 }, () => step.sync(x).loss);
  expect(losses.at(-1)!).toBeLessThan(losses[0]!);
  expect(step.explain()).toMatch(/forward and backward are replayed\.$/m);
  expect(net.numParameters()).toBe(4 * 3 * 9 + 4 + 8 + 64 * 2 + 2);
});

test("dtype and device are kept; inputs that no size can be taken from are refused", () => {
  const layer = new nn.LazyLinear(2, { dtype: "float64" });
  expect(layer.forward(torch.ones([3, 4], { dtype: "float64" })).dtype).toBe("float64");
  const other = new nn.LazyLinear(2).to("float64");
  expect(other.forward(torch.ones([3, 4], { dtype: "float64" })).dtype).toBe("float64");
  expect(() => new nn.LazyConv2d(4, 3).forward(torch.ones([3, 3]))).toThrow(SteppeError);
  expect(() => new nn.LazyConv2d(4, 3, { groups: 2 }).forward(torch.ones([1, 3, 5, 5]))).toThrow(/Expected a multiple of groups \(2\) of channels/);
  expect(() => new nn.LazyBatchNorm2d().forward(torch.ones([3]))).toThrow(SteppeError);
  expect(() => new nn.LazyLinear(2).loadStateDict({ weight: torch.ones([3, 4]), bias: torch.ones([2]) })).toThrow(/"weight": expected shape \[2, 4\] but received \[3, 4\]/);
});
