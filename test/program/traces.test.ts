import { expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// A recording leaves no trace: what the loss function changes is changed once by each pass, from the first step on.

torch.setNumThreads(1);
const base = { name: "sgd", lr: 0 } as const;

/** Changes in place what would be a view of the convolution's output if that lay in the user's own order: the recording begins again in that. */
const doubled = (y: Tensor) => {
  const copy = y.clone();
  copy.select(1, 0).mul_(2);
  return copy;
};

test.each(["awaited", "sync"])("a recording that is given up and begun again: batch norms behind it count each batch once (%s)", async (form) => {
  torch.manualSeed(1);
  const [conv, norm] = [new nn.Conv2d(3, 4, 3), new nn.BatchNorm2d(4)];
  const step = optim.create(new nn.ModuleList([conv, norm]), { method: "none", base }).compile((x) => norm.forward(doubled(conv.forward(x))).pow(2).mean());
  const x = torch.randn([5, 3, 6, 6]);
  const other = new nn.BatchNorm2d(4);
  for (let i = 1; i <= 2; i++) {
    form === "sync" ? step.sync(x) : await step(x);
    torch.noGrad(() => void other.forward(doubled(conv.forward(x))));
    expect(norm.numBatchesTracked!.item()).toBe(i);
    expect(norm.runningMean!.sub(other.runningMean!).abs().max().item() as number).toBeLessThan(1e-6);
  }
});

test("… and an input that it changes in place stays what it was", () => {
  torch.manualSeed(2);
  const conv = new nn.Conv2d(3, 4, 3);
  const loss = (x: Tensor, t: Tensor) => {
    const z = doubled(conv.forward(x));
    torch.noGrad(() => void t.add_(1));
    return z.mul(t).sum();
  };
  const [x, t] = [torch.randn([5, 3, 6, 6]), torch.randn([5, 4, 4, 4])];
  const before = t.clone();
  const expected = loss(x, t.clone()).item() as number;
  const { loss: found } = optim.create(conv, { method: "none", base }).compile(loss).sync(x, t);
  expect(Math.abs(found / expected - 1)).toBeLessThan(1e-5);
  expect(torch.equal(t, before)).toBe(true);
});

test.each(["awaited", "sync"])("a tensor of the user's own that it changes: once in each step (%s)", async (form) => {
  const model = new nn.Linear(5, 5);
  const count = torch.zeros([3]);
  const step = optim.create(model, { method: "none", base }).compile((x) => {
    torch.noGrad(() => {
      count.add_(1);
      count.select(0, 1).add_(10);
    });
    return model.forward(x).mul(count.sum()).sum();
  });
  const x = torch.randn([3, 5]);
  const one = model.forward(x).sum().item() as number;
  for (let i = 1; i <= 3; i++) {
    const { loss } = form === "sync" ? step.sync(x) : await step(x);
    expect(count.toArray()).toEqual([i, 11 * i, i]);
    expect(loss / one).toBeCloseTo(13 * i, 3);
  }
});

// LibTorch's backward of a norm misreads gradients of one sample that lie with their channels last.
test.each([
  ["InstanceNorm2d", 1],
  ["InstanceNorm2d", 2],
  ["BatchNorm2d", 1],
] as const)("%s between convolutions, %i samples: gradients as of autograd", (kind, samples) => {
  torch.manualSeed(3);
  const [first, norm, last] = [new nn.Conv2d(3, 4, 3), new nn[kind](4), new nn.Conv2d(4, 5, 1)];
  const model = new nn.ModuleList([first, norm, last]);
  const [x, t] = [torch.randn([samples, 3, 7, 6]), torch.randn([samples, 5, 5, 4])];
  const loss = (input: Tensor) => last.forward(norm.forward(first.forward(input))).mul(t).sum();
  loss(x).backward();
  const expected = model.parameters().map((p) => p.grad!);
  const before = model.parameters().map((p) => p.detach().clone());
  optim.create(model, { method: "none", base: { name: "sgd", lr: 1 } }).compile(loss).sync(x);
  model.parameters().forEach((p, i) => {
    const scale = Math.max(1, expected[i]!.abs().max().item() as number);
    expect(before[i]!.sub(p.detach()).sub(expected[i]!).abs().max().item() as number).toBeLessThan(1e-5 * scale);
  });
});
