import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import { distance, needsPython, pack, python, runPython, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";

const { utils } = nn;

function withGradients(): nn.Parameter[] {
  const parameters = [[3, 2], [4], [2, 1, 2]].map((shape) => nn.parameter(torch.zeros(shape, { dtype: "float64" })));
  parameters.forEach((parameter, i) => (parameter.grad = torch.arange(parameter.numel(), { dtype: "float64" }).sub(i + 1).reshape([...parameter.shape])));
  return [...parameters, nn.parameter(torch.zeros([2]))]; // one without a gradient
}

describe.skipIf(python === null)(`gradients are clipped as by PyTorch (${needsPython})`, () => {
  test.each([[1, 2], [100, 2], [1, Infinity], [2, 1], [3, 3]])("to %d by the %d-norm", (maxNorm, normType) => {
    const parameters = withGradients();
    const given = parameters.slice(0, 3).map((parameter) => pack(parameter.grad!));
    const [total, theirs] = runPython<[number, Packed[]]>(
      `
parameters = [torch.zeros(g["shape"], dtype=torch.float64, requires_grad=True) for g in inputs["gradients"]]
for p, g in zip(parameters, inputs["gradients"]): p.grad = unpack(g)
total = nn.utils.clip_grad_norm_(parameters, inputs["maxNorm"], float(inputs["normType"]))
outputs = [total.item(), [pack(p.grad) for p in parameters]]
`,
      { gradients: given, maxNorm, normType: String(normType).replace("Infinity", "inf") },
    );
    expect(utils.clipGradNorm_(parameters, maxNorm, normType).item()).toBeCloseTo(total, 12);
    theirs.forEach((packed, i) => expect(distance(parameters[i]!.grad!, unpack(packed))).toBeLessThan(1e-12));
  });
});

describe("clipping", () => {
  test("by value", () => {
    const [first] = withGradients();
    utils.clipGradValue_(first!, 1.5);
    expect(first!.grad!.toArray()).toEqual([[-1, 0], [1, 1.5], [1.5, 1.5]]);
  });

  test("of nothing gives 0", () => {
    expect(utils.clipGradNorm_([nn.parameter(torch.zeros([2]))], 1).item()).toBe(0);
  });

  test("refuses what is not finite if asked to", () => {
    const parameter = nn.parameter(torch.zeros([2]));
    parameter.grad = torch.tensor([1, Infinity]);
    expect(() => utils.clipGradNorm_([parameter], 1, { errorIfNonfinite: true })).toThrow("Expected finite gradients for nn.utils.clipGradNorm_ but received Infinity of type number.");
    expect(utils.clipGradNorm_([parameter], 1).item()).toBe(Infinity);
  });
});

describe("parameters as a vector", () => {
  test("there and back", () => {
    const layer = new nn.Linear(2, 3);
    const vector = utils.parametersToVector(layer.parameters());
    expect(vector.shape).toEqual([9]);
    const other = new nn.Linear(2, 3);
    utils.vectorToParameters(vector, other.parameters());
    expect(other.weight.toArray()).toEqual(layer.weight.toArray());
    expect(other.bias!.toArray()).toEqual(layer.bias!.toArray());
    expect(other.weight.isLeaf && other.weight.requiresGrad).toBe(true);
    expect(() => utils.vectorToParameters(torch.zeros([8]), other.parameters())).toThrow("Expected shape [9] for vector of nn.utils.vectorToParameters but received a tensor of float32 [8].");
  });
});
