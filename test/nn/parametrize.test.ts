import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { distance, needsPython, pack, python, runPython, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";

// nn.utils: parametrizations of one's own, calls with other parameters, fused layers; beside PyTorch.

const { parametrize, fusion, functionalCall } = nn.utils;
const far = (shape: number[], seed: number): Tensor => torch.arange(shape.reduce((a, b) => a * b, 1), { dtype: "float64" }).add(seed).mul(1.7).sin().reshape(shape);
const packedState = (module: nn.Module) => Object.fromEntries(Object.entries(module.stateDict()).map(([name, tensor]) => [name, pack(tensor)]));

class Symmetric extends nn.Module {
  forward(x: Tensor): Tensor {
    return x.triu().add(x.triu(1).t());
  }
  rightInverse(x: Tensor): Tensor {
    return x.triu();
  }
}

class Doubled extends nn.Module {
  gain = nn.parameter(torch.full([], 2, { dtype: "float64" }));
  forward(x: Tensor): Tensor {
    return x.mul(this.gain);
  }
}

/** Values that depend on the name's place alone. */
function fill(module: nn.Module): void {
  torch.noGrad(() => module.parameters().forEach((parameter, i) => parameter.copy_(far([...parameter.shape], i))));
}

describe.skipIf(python === null)(`beside PyTorch (${needsPython})`, () => {
  test("a parametrization of one's own: names, values, gradients, setting, removal", () => {
    const layer = new nn.Linear(3, 3, { dtype: "float64" });
    fill(layer);
    const [given, x, wanted] = [packedState(layer), far([4, 3], 7), far([3, 3], 9)];
    parametrize.registerParametrization(layer, "weight", new Symmetric());
    interface Reference { names: string[]; output: Packed; grad: Packed; set: Packed; left: Packed; leftNames: string[]; original: Packed }
    const theirs = runPython<Reference>(
      `
import torch.nn.utils.parametrize as P
class Symmetric(nn.Module):
    def forward(self, x): return x.triu() + x.triu(1).mT
    def right_inverse(self, x): return x.triu()
def made():
    layer = nn.Linear(3, 3).double()
    layer.load_state_dict({k: unpack(v) for k, v in inputs["given"].items()})
    return P.register_parametrization(layer, "weight", Symmetric())
layer = made()
output = layer(unpack(inputs["x"])); output.square().sum().backward()
outputs = {"names": list(layer.state_dict()), "output": pack(output), "grad": pack(layer.parametrizations.weight.original.grad)}
layer.weight = unpack(inputs["wanted"])
outputs["set"] = pack(layer.weight)
P.remove_parametrizations(layer, "weight")
outputs["left"] = pack(layer.weight); outputs["leftNames"] = list(layer.state_dict())
layer = P.remove_parametrizations(made(), "weight", leave_parametrized=False)
outputs["original"] = pack(layer.weight)
`,
      { given, x: pack(x), wanted: pack(wanted) },
    );
    expect(Object.keys(layer.stateDict())).toEqual(theirs.names);
    expect(parametrize.isParametrized(layer)).toBe(true);
    const output = layer.forward(x);
    output.square().sum().backward();
    expect(distance(output, unpack(theirs.output))).toBeLessThan(1e-12);
    expect(distance(layer.getParameter("parametrizations.weight.original").grad!, unpack(theirs.grad))).toBeLessThan(1e-12);
    layer.weight = wanted as nn.Parameter;
    expect(distance(layer.weight, unpack(theirs.set))).toBeLessThan(1e-12);
    parametrize.removeParametrizations(layer, "weight");
    expect(distance(layer.weight, unpack(theirs.left))).toBeLessThan(1e-12);
    expect(Object.keys(layer.stateDict()).sort()).toEqual(theirs.leftNames.sort());
    expect([nn.isParameter(layer.weight), parametrize.isParametrized(layer)]).toEqual([true, false]);

    const other = new nn.Linear(3, 3, { dtype: "float64" });
    other.loadStateDict(Object.fromEntries(Object.entries(given).map(([name, packed]) => [name, unpack(packed)])));
    parametrize.removeParametrizations(parametrize.registerParametrization(other, "weight", new Symmetric()), "weight", false);
    expect(distance(other.weight, unpack(theirs.original))).toBeLessThan(1e-12);
  });

  const pairs: readonly [python: string, make: () => [nn.Module, nn.BatchNorm1d | nn.BatchNorm2d], input: number[], transposed?: boolean][] = [
    ["nn.Conv2d(4, 6, 3, 2, padding=1, groups=2), nn.BatchNorm2d(6)", () => [new nn.Conv2d(4, 6, 3, 2, { padding: 1, groups: 2 }), new nn.BatchNorm2d(6)], [2, 4, 8, 7]],
    ["nn.Conv1d(4, 6, 3, bias=False, padding_mode='circular', padding=1), nn.BatchNorm1d(6, affine=False)", () => [new nn.Conv1d(4, 6, 3, { bias: false, paddingMode: "circular", padding: 1 }), new nn.BatchNorm1d(6, { affine: false })], [2, 4, 9]],
    ["nn.ConvTranspose2d(4, 6, 3, 2, output_padding=1), nn.BatchNorm2d(6)", () => [new nn.ConvTranspose2d(4, 6, 3, 2, { outputPadding: 1 }), new nn.BatchNorm2d(6)], [2, 4, 5, 5], true],
    ["nn.Linear(5, 3), nn.BatchNorm1d(3)", () => [new nn.Linear(5, 3), new nn.BatchNorm1d(3)], [4, 5]],
  ];
  test("layers fused with the batch normalization after them", () => {
    const made = pairs.map(([, make]) => make().map((module) => module.to("float64").eval()) as [nn.Conv2d, nn.BatchNorm2d]);
    for (const both of made) for (const module of both) torch.noGrad(() => Object.values(module.stateDict()).forEach((tensor, i) => tensor.dtype === "float64" && tensor.copy_(far([...tensor.shape], i).abs().add(0.1))));
    interface Reference { weight: Packed; bias: Packed }
    const theirs = runPython<Reference[]>(
      `
outputs = []
for case in inputs:
    pair = eval(case["python"])
    for module, state in zip(pair, case["states"]):
        module.double().eval().load_state_dict({k: unpack(v) for k, v in state.items()})
    fuse = nn.utils.fuse_linear_bn_eval if isinstance(pair[0], nn.Linear) else nn.utils.fuse_conv_bn_eval
    fused = fuse(*pair, transpose=True) if case["transposed"] else fuse(*pair)
    outputs.append({"weight": pack(fused.weight), "bias": pack(fused.bias)})
`,
      pairs.map(([code, , , transposed = false], i) => ({ python: code, transposed, states: made[i]!.map(packedState) })),
    );
    made.forEach(([layer, norm], i) => {
      const [code, , shape] = pairs[i]!;
      const fused = (layer as unknown) instanceof nn.Linear ? fusion.fuseLinearBnEval(layer as unknown as nn.Linear, norm) : fusion.fuseConvBnEval(layer, norm);
      expect(distance(fused.weight, unpack(theirs[i]!.weight)), code).toBeLessThan(1e-12);
      expect(distance(fused.bias!, unpack(theirs[i]!.bias)), code).toBeLessThan(1e-12);
      const x = far(shape, 3);
      expect(distance(fused.forward(x), norm.forward(layer.forward(x))), code).toBeLessThan(1e-12);
      expect(fused.toString()).toBe(layer.toString().replace(", bias=false", ""));
    });
  });
});

test("a fused transposed convolution in groups", () => {
  const [layer, norm] = [new nn.ConvTranspose1d(4, 6, 2, { groups: 2, dtype: "float64" }).eval(), new nn.BatchNorm1d(6, { dtype: "float64" }).eval()];
  torch.noGrad(() => norm.parameters().forEach((parameter, i) => parameter.copy_(far([6], i))));
  const x = far([3, 4, 5], 1);
  expect(distance(fusion.fuseConvBnEval(layer, norm).forward(x), norm.forward(layer.forward(x)))).toBeLessThan(1e-12);
  expect(() => fusion.fuseConvBnEval(layer.train(), norm)).toThrow(/evaluation mode/);
  expect(() => fusion.fuseConvBnEval(layer.eval(), new nn.BatchNorm1d(5).eval())).toThrow(/Expected 6 features/);
  expect(() => fusion.fuseConvBnEval(layer, new nn.BatchNorm1d(6, { trackRunningStats: false }).eval())).toThrow(/running statistics/);
});

test("two parametrizations, one with parameters of its own, train in a compiled step as eagerly", () => {
  const made = () => {
    const layer = new nn.Linear(3, 3, { dtype: "float64" });
    fill(layer);
    parametrize.registerParametrization(layer, "weight", new Symmetric());
    return parametrize.registerParametrization(layer, "weight", new Doubled());
  };
  const [eager, compiled] = [made(), made()];
  expect(eager.namedParameters().map(([name]) => name)).toEqual(["bias", "parametrizations.weight.original", "parametrizations.weight.1.gain"]);
  const x = far([4, 3], 2);
  const options = { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.01 } } as const;
  const [plain, step] = [optim.create(eager, options), optim.create(compiled, options).compile((x: Tensor) => compiled.forward(x).square().mean())];
  for (let k = 0; k < 3; k++) expect(plain.step(() => eager.forward(x).square().mean()).loss).toBeCloseTo(step.sync(x).loss, 10);
  expect(step.explain()).toMatch(/forward and backward are replayed\.$/m);
  expect(distance(compiled.weight, compiled.weight.t())).toBe(0);
  expect(() => (compiled.weight = x as nn.Parameter)).toThrow(/rightInverse/);
});

test("wrong parametrizations are refused", () => {
  class Cut extends nn.Module {
    forward(x: Tensor): Tensor {
      return x.narrow(0, 0, 1);
    }
  }
  const layer = new nn.Linear(3, 2);
  expect(() => parametrize.registerParametrization(layer, "weight", new Cut())).toThrow(/Expected float32 of shape \[2, 3\] for the value of Cut for weight/);
  expect(() => parametrize.registerParametrization(layer, "wight", new Symmetric())).toThrow(/the name of a parameter/);
  expect(() => parametrize.removeParametrizations(layer, "weight")).toThrow(/the name of a parametrized parameter/);
  const normed = nn.utils.parametrizations.weightNorm(new nn.Linear(3, 2));
  const before = normed.weight.detach().clone();
  expect(() => parametrize.removeParametrizations(normed, "weight", false)).toThrow(/comes from several/);
  parametrize.removeParametrizations(normed, "weight");
  expect(distance(normed.weight, before)).toBe(0);
});

describe("functionalCall", () => {
  class Net extends nn.Module {
    first = new nn.Linear(3, 4, { dtype: "float64" });
    norm = new nn.BatchNorm1d(4, { dtype: "float64" });
    second = new nn.Linear(4, 3, { bias: false, dtype: "float64" });
    forward(x: Tensor, scale = 1): Tensor {
      return this.second.forward(this.norm.forward(this.first.forward(x))).mul(scale);
    }
  }

  test("computes with other tensors, to which gradients go; the module stays as it is", () => {
    const net = new Net().eval();
    const other = new Net().eval();
    fill(other);
    const x = far([5, 3], 1);
    const before = net.stateDict();
    const tensors = Object.fromEntries(Object.entries(other.stateDict()).map(([name, tensor]) => [name, /weight|bias/.test(name) ? tensor.clone().requiresGrad_() : tensor]));
    const output = functionalCall(net, tensors, [x, 2]);
    expect(distance(output, other.forward(x, 2))).toBe(0);
    output.square().sum().backward();
    other.forward(x, 2).square().sum().backward();
    expect(distance(tensors["first.weight"]!.grad!, other.first.weight.grad!)).toBeLessThan(1e-12);
    expect(net.parameters().every(({ grad }) => grad === null)).toBe(true);
    for (const [name, tensor] of Object.entries(net.stateDict())) expect(tensor.equal(before[name]!), name).toBe(true);
  });

  test("some alone; shared ones under one of their names; after an error as before", () => {
    const net = new Net().eval();
    net.second.weight = nn.parameter(net.first.weight.detach().t());
    const weight = net.first.weight;
    expect(distance(functionalCall(net, { "first.bias": torch.zeros([4], { dtype: "float64" }) }, [far([2, 3], 0)]), net.forward(far([2, 3], 0)))).toBeGreaterThan(0);
    expect(() => functionalCall(net, { "first.weight": torch.zeros([2, 2]) }, [far([2, 3], 0)])).toThrow();
    expect(net.first.weight).toBe(weight);
    expect(() => functionalCall(net, { "first.wieght": weight }, [far([2, 3], 0)])).toThrow(/Did you mean "first.weight"\?/);
  });
});

test("registerParameter, setSubmodule, clipGradsWithNorm_", () => {
  class Bag extends nn.Module {
    body = new nn.Sequential(new nn.Linear(2, 2), new nn.ReLU());
  }
  const bag = new Bag().registerParameter("scale", nn.parameter(torch.ones([2])));
  bag.setSubmodule("body.1", new nn.Identity());
  expect(bag.body[1]).toBeInstanceOf(nn.Identity);
  expect(Object.keys(bag.stateDict())).toEqual(["scale", "body.0.weight", "body.0.bias"]);
  expect(() => bag.setSubmodule("body.2", new nn.Identity())).toThrow(/the path of a module/);
  expect(() => bag.registerParameter("a.b", nn.parameter(torch.ones([1])))).toThrow(/without dots/);
  expect(() => bag.registerParameter("c", torch.ones([1]) as nn.Parameter)).toThrow(/made by nn\.parameter/);
  const parameters = bag.parameters();
  for (const parameter of parameters) parameter.grad = torch.ones([...parameter.shape]);
  const norm = nn.utils.getTotalNorm(parameters.map(({ grad }) => grad!));
  nn.utils.clipGradsWithNorm_(parameters, 1, norm);
  expect(nn.utils.getTotalNorm(parameters.map(({ grad }) => grad!)).item()).toBeCloseTo(1, 5);
});
