import { describe, expect, test } from "vitest";
import { torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { needsPython, pack, python, runPython, unpack, distance, type Packed } from "../support/python.js";

const leaf = (data: number | number[] | number[][], dtype: "float32" | "float64" = "float64") => torch.tensor(data, { dtype, requiresGrad: true });

describe("requiresGrad, grad, backward", () => {
  test("accumulates into the leaves, in closed form", () => {
    const x = leaf([1, 2, 3]);
    expect(x.grad).toBeNull();
    x.pow(3).sum().backward();
    expect(x.grad!.toArray()).toEqual([3, 12, 27]);
    x.mul(2).sum().backward();
    expect(x.grad!.toArray()).toEqual([5, 14, 29]);
    x.grad = null;
    expect(x.grad).toBeNull();
    x.grad = torch.tensor([1, 1, 1], { dtype: "float64" });
    x.sum().backward();
    expect(x.grad!.toArray()).toEqual([2, 2, 2]);
  });

  test("the gradient of what is not a scalar", () => {
    const x = leaf([1, 2]);
    expect(() => x.mul(2).backward()).toThrow(/grad can be implicitly created only for scalar outputs/);
    x.mul(2).backward(torch.tensor([1, 10], { dtype: "float64" }));
    expect(x.grad!.toArray()).toEqual([2, 20]);
    x.mul(2).backward({ gradient: torch.tensor([1, 1], { dtype: "float64" }) });
    expect(x.grad!.toArray()).toEqual([4, 22]);
    expect(() => x.mul(2).backward(torch.ones([3], { dtype: "float64" }))).toThrow(/expected shape compatible with \[2\]/);
  });

  test("errors of LibTorch's without the advice that is for Python", () => {
    const x = leaf([1, 2]);
    const y = x.exp();
    const z = y.mul(y);
    y.add_(1);
    expect(() => z.sum().backward()).toThrow(/modified by an inplace operation: .* is at version 1; expected version 0 instead\.$/);
    expect(() => torch.autograd.grad(x.sum(), [x, leaf([1])])).toThrow(/^element 1 of the differentiated Tensors .*allowUnused: true/);
  });

  test("the graph is gone after one backward, unless it is retained", () => {
    const x = leaf([2]);
    const once = x.mul(x).sum();
    once.backward();
    expect(() => once.backward()).toThrow(/backward through the graph a second time/);
    const twice = x.mul(x).sum();
    twice.backward({ retainGraph: true });
    twice.backward();
    expect(x.grad!.toArray()).toEqual([12]);
  });

  test("inputs: only these leaves", () => {
    const [x, y] = [leaf([2]), leaf([3])];
    x.mul(y).sum().backward({ inputs: [y] });
    expect([x.grad, y.grad!.item()]).toEqual([null, 2]);
  });

  test("leaves, nodes, retainGrad", () => {
    const x = leaf([2]);
    const y = x.mul(3);
    expect([x.isLeaf, y.isLeaf, x.gradFn, y.gradFn, y.requiresGrad]).toEqual([true, false, null, "MulBackward1", true]);
    y.retainGrad();
    y.pow(2).sum().backward();
    expect([y.grad!.item(), x.grad!.item()]).toEqual([12, 36]);
    expect(y.detach().requiresGrad).toBe(false);
    expect(() => (y.requiresGrad = false)).toThrow(/cannot stop requiring them\. Use detach\(\)/);
  });

  test("complex leaves", () => {
    const z = torch.tensor([{ re: 3, im: 4 }], { dtype: "complex128", requiresGrad: true });
    z.abs().sum().backward();
    expect(z.grad!.toArray()).toEqual([{ re: expect.closeTo(0.6, 12), im: expect.closeTo(0.8, 12) }]);
  });

  test("in-place changes of what backward needs are caught", () => {
    const x = leaf([2]);
    const y = x.exp();
    y.add_(1);
    expect(() => y.sum().backward()).toThrow(/modified by an inplace operation/);
    expect(() => x.add_(1)).toThrow(/a leaf Variable that requires grad is being used in an in-place operation/);
  });

  test("data is the same memory outside autograd", () => {
    const x = leaf([1, 2]);
    x.data.mul_(3);
    expect(x.toArray()).toEqual([3, 6]);
    x.data = torch.tensor([7.5]);
    expect([x.toArray(), x.dtype, x.requiresGrad]).toEqual([[7.5], "float32", true]);
  });

  test("wrong arguments", () => {
    const x = leaf([1]);
    expect(() => x.sum().backward({ retainGrpah: true } as never)).toThrow('Did you mean "retainGraph"?');
    expect(() => x.sum().backward({ retainGraph: 1 } as never)).toThrow(/Expected a boolean for retainGraph/);
    expect(() => x.sum().backward(5 as never)).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
    expect(() => x.sum().backward({ gradient: 1 } as never)).toThrow("Expected a Tensor or null for gradient but received 1 of type number.");
    expect(() => x.sum().backward({ inputs: [1] } as never)).toThrow("Expected a Tensor for inputs[0] but received 1 of type number.");
    expect(() => (x.grad = 1 as never)).toThrow("Expected a Tensor or null for grad but received 1 of type number.");
    expect(() => (x.grad = torch.ones([2], { dtype: "float64" }))).toThrow(/Expected a gradient of the tensor's own shape, dtype and device for grad/);
    expect(() => (x.requiresGrad = "yes" as never)).toThrow("Expected a boolean for requiresGrad but received \"yes\" of type string.");
    expect(() => torch.ones([1]).backward()).toThrow(/does not require grad/);
    expect(() => torch.ones([1]).retainGrad()).toThrow(expect.objectContaining({ code: "OPERATOR" }));
  });
});

describe("autograd.grad", () => {
  test("touches no grad", () => {
    const [x, y] = [leaf([2]), leaf([5])];
    const [gx, gy] = torch.autograd.grad(x.mul(y).sum(), [x, y]);
    expect([gx!.item(), gy!.item(), x.grad, y.grad]).toEqual([5, 2, null, null]);
  });

  test("gradOutputs, several outputs", () => {
    const x = leaf([1, 2]);
    const seed = torch.tensor([1, 100], { dtype: "float64" });
    expect(torch.autograd.grad(x.mul(3), x, { gradOutputs: seed })[0]!.toArray()).toEqual([3, 300]);
    const [g] = torch.autograd.grad([x.sum(), x.mul(x)], [x], { gradOutputs: [null, seed] });
    expect(g!.toArray()).toEqual([3, 401]);
    expect(() => torch.autograd.grad([x.sum()], [x], { gradOutputs: [seed, seed] })).toThrow("Expected 1 tensors, one per output, for gradOutputs but received an array of 2.");
  });

  test("createGraph: second and third derivatives", () => {
    const x = leaf(2);
    const y = x.pow(4);
    const [first] = torch.autograd.grad(y, [x], { createGraph: true });
    const [second] = torch.autograd.grad(first!, [x], { createGraph: true });
    const [third] = torch.autograd.grad(second!, [x]);
    expect([first!.item(), second!.item(), third!.item()]).toEqual([32, 48, 48]);
    expect([first!.requiresGrad, third!.requiresGrad]).toEqual([true, false]);
  });

  test("retainGraph and allowUnused", () => {
    const [x, unused] = [leaf(3), leaf(1)];
    const y = x.mul(x);
    expect(torch.autograd.grad(y, [x], { retainGraph: true })[0]!.item()).toBe(6);
    expect(torch.autograd.grad(y, [x, unused], { allowUnused: true }).map((g: Tensor | null) => g?.item() ?? null)).toEqual([6, null]);
    expect(() => torch.autograd.grad(x.mul(2), [unused])).toThrow(/appears to not have been used in the graph\. Set allowUnused: true /);
    expect(() => torch.autograd.grad(y, [x])).toThrow(/second time .*retainGraph: true/s);
  });

  test("wrong arguments", () => {
    const x = leaf(3);
    expect(() => torch.autograd.grad(x.mul(x), [x], { createGrpah: true } as never)).toThrow('Did you mean "createGraph"?');
    expect(() => torch.autograd.grad([], [x])).toThrow(/Expected at least one Tensor for outputs/);
    expect(() => torch.autograd.grad(x.mul(x), [1] as never)).toThrow("Expected a Tensor for inputs[0] but received 1 of type number.");
    expect(() => torch.autograd.grad(x.mul(x), [x], { gradOutputs: [1] } as never)).toThrow("Expected a Tensor or null for gradOutputs[0] but received 1 of type number.");
    expect(() => torch.autograd.grad(x.mul(x), [x], { allowUnused: "no" } as never)).toThrow(/Expected a boolean for allowUnused/);
    expect(() => torch.autograd.grad(x.mul(x), [x], null as never)).toThrow(/Expected an object for options/);
  });
});

describe("noGrad and enableGrad", () => {
  test("nest and come back, also when their function throws", () => {
    const x = leaf(1);
    expect(torch.noGrad(() => x.mul(2)).requiresGrad).toBe(false);
    expect(torch.noGrad(() => torch.enableGrad(() => x.mul(2))).requiresGrad).toBe(true);
    expect(() => torch.noGrad(() => { throw new RangeError("x"); })).toThrow(RangeError);
    expect(torch.isGradEnabled()).toBe(true);
    expect(torch.noGrad(() => torch.isGradEnabled())).toBe(false);
  });

  test("asynchronous functions are refused: they would run on outside", () => {
    expect(() => torch.noGrad(async () => 1)).toThrow(/Expected a synchronous function for noGrad but received one that returns a promise/);
    expect(torch.isGradEnabled()).toBe(true);
    expect(() => torch.noGrad(5 as never)).toThrow("Expected a function for noGrad but received 5 of type number.");
  });

  test("leaves change in place", () => {
    const x = leaf([1, 2]);
    torch.noGrad(() => x.sub_(1));
    expect([x.toArray(), x.requiresGrad]).toEqual([[0, 1], true]);
  });
});

describe.skipIf(python === null)(`beside ${needsPython}`, () => {
  test("gradients and Hessian-vector products of a small network", () => {
    torch.manualSeed(5);
    const [x, w1, w2, v] = [[4, 3], [3, 5], [5, 1], [3, 5]].map((shape) => torch.randn(shape as number[], { dtype: "float64" })) as [Tensor, Tensor, Tensor, Tensor];
    const script = `
x, w1, w2, v = map(unpack, inputs)
w1.requires_grad_(); w2.requires_grad_()
loss = (torch.tanh(x @ w1) @ w2).square().mean()
g1, g2 = torch.autograd.grad(loss, [w1, w2], create_graph=True)
h1, h2 = torch.autograd.grad((g1 * v).sum(), [w1, w2])
outputs = [pack(t) for t in (loss, g1, g2, h1, h2)]
`;
    const theirs = runPython<Packed[]>(script, [x, w1, w2, v].map(pack)).map(unpack);
    for (const w of [w1, w2]) w.requiresGrad = true;
    const loss = x.matmul(w1).tanh().matmul(w2).square().mean();
    const [g1, g2] = torch.autograd.grad(loss, [w1, w2], { createGraph: true }) as [Tensor, Tensor];
    const [h1, h2] = torch.autograd.grad(g1.mul(v).sum(), [w1, w2]) as [Tensor, Tensor];
    [loss, g1, g2, h1, h2].forEach((ours, i) => expect(distance(ours, theirs[i]!)).toBeLessThan(1e-14));
  });
});
