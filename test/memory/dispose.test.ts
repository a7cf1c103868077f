import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

const a = torch.ones([2, 2]);

test("dispose frees now, and twice is no error", () => {
  const before = torch.memory();
  const t = torch.ones([1024]);
  const during = torch.memory();
  expect([during.tensors - before.tensors, during.bytes - before.bytes]).toEqual([1, 4096]);
  t.dispose();
  t.dispose();
  expect(t.isAlive).toBe(false);
  expect(torch.memory()).toEqual(before);
});

test("using frees at the end of the block", () => {
  const before = torch.memory().tensors;
  {
    using t = a.add(1);
    expect(t.isAlive).toBe(true);
    expect(torch.memory().tensors).toBe(before + 1);
  }
  expect(torch.memory().tensors).toBe(before);
});

test("other tensors over the same storage stay", () => {
  const base = torch.arange(4);
  const view = base.narrow(0, 1, 2);
  const bytes = torch.memory().bytes;
  base.dispose();
  expect(view.toArray()).toEqual([1, 2]);
  expect(torch.memory().bytes).toBe(bytes);
  view.dispose();
  expect(torch.memory().bytes).toBe(bytes - 32);
});

test("a handle's place is used again, and the old tensor does not see the new one", () => {
  for (let i = 0; i < 100; i++) {
    const old = torch.ones([1]);
    old.dispose();
    const fresh = torch.zeros([1]);
    expect(old.isAlive).toBe(false);
    expect(() => old.item()).toThrow(expect.objectContaining({ code: "DISPOSED" }));
    fresh.dispose();
  }
});

describe("a tensor that was disposed of throws", () => {
  const uses: Record<string, (t: Tensor) => unknown> = {
    "a method": (t) => t.add(1),
    "a method's argument": (t) => a.add(t),
    "a function": (t) => torch.neg(t),
    "a function's named argument": (t) => torch.add(a, { other: t }),
    "an argument's list": (t) => torch.cat([a, t]),
    "an argument's list with gaps": (t) => a.indexPut([null, t.to("int64")], a),
    "an out argument": (t) => torch.add(a, a, { out: t }),
    "an in-place method": (t) => t.add_(1),
    "an optional argument": (t) => torch.linear(a, a, t),
    "call by name": (t) => torch.ops.call("aten::neg", t),
    shape: (t) => t.shape,
    dtype: (t) => t.dtype,
    device: (t) => t.device,
    layout: (t) => t.layout,
    dim: (t) => t.dim(),
    numel: (t) => t.numel(),
    size: (t) => t.size(0),
    stride: (t) => t.stride(),
    itemSize: (t) => t.itemSize,
    storageOffset: (t) => t.storageOffset,
    requiresGrad: (t) => t.requiresGrad,
    "requiresGrad = true": (t) => (t.requiresGrad = true),
    grad: (t) => t.grad,
    "grad = null": (t) => (t.grad = null),
    "grad of another": (t) => (torch.ones([2, 2], { requiresGrad: true }).grad = t),
    isLeaf: (t) => t.isLeaf,
    gradFn: (t) => t.gradFn,
    retainGrad: (t) => t.retainGrad(),
    data: (t) => t.data,
    "data = a": (t) => (t.data = a),
    "data of another": (t) => (torch.ones([2, 2]).data = t),
    backward: (t) => t.backward(),
    "backward's gradient": (t) => torch.ones([2, 2], { requiresGrad: true }).mul(2).backward(t),
    "autograd.grad": (t) => torch.autograd.grad(t, [a]),
    item: (t) => t.item(),
    toArray: (t) => t.toArray(),
    toTypedArray: (t) => t.toTypedArray(),
    toBytes: (t) => t.toBytes(),
    to: (t) => t.to("float64"),
    "to like it": (t) => a.to(t),
    at: (t) => torch.at(t, 0),
    "an index": (t) => torch.at(a, t),
    setAt: (t) => torch.setAt(t, [0], 1),
    "a generator's state": (t) => new torch.Generator().setState(t),
    "a parameter of an optimizer": (t) => optim.create([t], { method: "none", base: { name: "sgd", lr: 0.1 } }),
    "a layer's input": (t) => new nn.Linear(2, 2).forward(t),
  };

  test.each(Object.entries(uses))("in %s", (_, use) => {
    const t = torch.ones([2, 2]);
    t.dispose();
    expect(() => use(t)).toThrow(expect.objectContaining({ code: "DISPOSED", message: expect.stringMatching(/^The tensor is not alive here: it was disposed/) }));
  });

  test("in a step", async () => {
    const w = torch.ones([2], { requiresGrad: true });
    const step = optim.create([w], { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.1 } }).compile((x: Tensor) => x.mul(w).sum());
    const x = torch.ones([2]);
    await step(x);
    x.dispose();
    expect(() => step.sync(x)).toThrow(expect.objectContaining({ code: "DISPOSED" }));
    await expect((async () => step(x))()).rejects.toThrow(expect.objectContaining({ code: "DISPOSED" }));
    expect(Number.isFinite((await step(torch.ones([2]))).loss)).toBe(true);
  });
});
