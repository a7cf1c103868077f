import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// What a recording must tell apart: operands that do not stand in memory as numbers one after the other, and tensors that are somebody else's.

const { functional: F } = nn;

/** Loss and gradient's norm of w, compiled and by autograd. */
function both(loss: (x: Tensor, w: nn.Parameter) => Tensor, x: Tensor, w: nn.Parameter): { compiled: number[]; eager: number[] } {
  const { loss: value, gradNorm } = optim.create([w], { method: "none", base: { name: "sgd", lr: 0 } }).compile((x: Tensor) => loss(x, w)).sync(x);
  const eager = loss(x, w);
  eager.backward();
  return { compiled: [value, gradNorm!], eager: [eager.item() as number, w.grad!.square().sum().sqrt().item() as number] };
}

function expectSame({ compiled, eager }: ReturnType<typeof both>): void {
  compiled.forEach((value, i) => expect(Math.abs(value - eager[i]!)).toBeLessThanOrEqual(2e-6 * Math.max(1, Math.abs(eager[i]!))));
}

const complex = () => torch.complex(torch.randn([8, 32]), torch.randn([8, 32]));

describe("numbers whose sign LibTorch keeps beside their memory", () => {
  const one = () => nn.parameter(torch.ones([1]));
  test.each<[string, (x: Tensor, w: nn.Parameter) => Tensor, () => nn.Parameter]>([
    ["relu", (x, w) => F.relu(x).mul(w).sum(), one],
    ["a sum of two", (x, w) => x.add(x).mul(w).sum(), one],
    ["cat", (x, w) => torch.cat([x, x], 0).mul(w).sum(), one],
    ["gelu", (x, w) => F.gelu(x).mul(w).sum(), one],
    ["log-softmax", (x, w) => F.logSoftmax(x, 1).mul(w).sum([1]).pow(2).sum(), one],
    ["layer norm", (x, w) => F.layerNorm(x, [32]).mul(w).pow(3).sum(), one],
    ["a product", (x, w) => x.mm(w).pow(3).sum(), () => nn.parameter(torch.ones([32, 64]))],
    ["a copy in another order", (x, w) => x.t().contiguous().mul(w).pow(3).sum(), one],
    ["sums of columns", (x, w) => x.sum([0]).mul(w).pow(3).sum(), one],
    ["a view", (x, w) => x.reshape([4, 64]).mul(w).pow(3).sum(), one],
  ])("%s", (_, loss, makeWeight) => {
    torch.manualSeed(0);
    const x = complex().conj().imag();
    expect(x.isNeg()).toBe(true);
    expectSame(both(loss, x, makeWeight()));
    // Made inside; and the same step over numbers that are as they stand.
    expectSame(both((z, w) => loss(z.conj().imag(), w), complex(), makeWeight()));
    const w = makeWeight();
    const step = optim.create([w], { method: "none", base: { name: "sgd", lr: 0 } }).compile((x: Tensor) => loss(x, w));
    const plain = x.resolveNeg();
    for (const each of [x, plain, x]) expect(step.sync(each).loss).toBeCloseTo(loss(plain, w).item() as number, -Math.log10(1e-5 * Math.abs(loss(plain, w).item() as number) + 1e-6));
  });
});

test.each<[string, (x: Tensor) => Tensor]>([
  ["a sum of two", (x) => x.add(x)],
  ["relu", (x) => torch.relu(x)],
  ["a copy", (x) => x.clone()],
])("sparse tensors: %s", (_, of) => {
  torch.manualSeed(0);
  const x = F.relu(torch.randn([6, 5])).toSparse();
  expectSame(both((x, w) => of(x).toDense().mul(w).pow(2).sum(), x, nn.parameter(torch.ones([1]))));
});

test("tensors that are copied when somebody first writes to them", () => {
  torch.manualSeed(0);
  const [w, x] = [nn.parameter(torch.randn([32, 32])), torch.randn([16, 32])];
  const loss = (x: Tensor, w: Tensor) => F.relu((torch.ops.call("aten::_lazy_clone", x.mm(w)) as Tensor).mm(w)).sum();
  for (let i = 0; i < 3; i++) {
    w.grad = null;
    expectSame(both(loss, x, w)); // the memory of one may be another's next
  }
});

describe("a tensor that the loss function holds of its own accord", () => {
  const [a, b] = [torch.tensor([1, 2, 3], { dtype: "float32" }), torch.tensor([10, 20, 30], { dtype: "float32" })];
  const make = () => {
    const w = nn.parameter(torch.ones([1]));
    return optim.create([w], { method: "none", base: { name: "sgd", lr: 0 } }).compile((x: Tensor) => x.mul(w).sub(a).square().sum());
  };

  test.each([
    ["the argument of the first call", [a, b, a], [0, 1134, 0]],
    ["the argument of a later call", [b, a, b], [1134, 0, 1134]],
  ])("is a constant, be it %s", async (_, arguments_, losses) => {
    const step = make();
    for (const [i, x] of arguments_.entries()) expect(step.sync(x).loss).toBe(losses[i]);
    const later = make();
    for (const [i, x] of arguments_.entries()) expect((await later(x)).loss).toBe(losses[i]);
  });

  test("a part of it; arguments that share memory do so in the program", () => {
    const w = nn.parameter(torch.ones([1]));
    const all = torch.tensor([1, 2, 3, 4], { dtype: "float32" });
    const step = optim.create([w], { method: "none", base: { name: "sgd", lr: 0 } }).compile((x: Tensor, y: Tensor) => x.mul(w).sub(all.narrow(0, 0, 2)).square().sum().add(y.sum()));
    expect(step.sync(all.narrow(0, 0, 2), all.narrow(0, 2, 2)).loss).toBe(7);
    expect(step.sync(torch.tensor([5, 6], { dtype: "float32" }), torch.tensor([1, 1], { dtype: "float32" })).loss).toBe(34);
    const changed = optim.create([w], { method: "none", base: { name: "sgd", lr: 0 } }).compile((x: Tensor, y: Tensor) => {
      torch.noGrad(() => x.add_(1));
      return y.mul(w).sum();
    });
    for (let i = 0; i < 2; i++) {
      const shared = torch.ones([3]);
      expect(changed.sync(shared, shared).loss).toBe(6);
    }
  });

  test("a buffer that the loss function changes is the same as an argument", () => {
    class Counting extends nn.Module {
      w = nn.parameter(torch.ones([1]));
      count: Tensor = this.registerBuffer("count", torch.ones([4]));
      forward(x: Tensor): Tensor {
        torch.noGrad(() => this.count.add_(1));
        return x.sum().mul(this.w).sum();
      }
    }
    const net = new Counting();
    const step = optim.create(net, { method: "none", base: { name: "sgd", lr: 0 } }).compile((x: Tensor) => net.forward(x));
    for (const wanted of [8, 12, 16]) expect(step.sync(net.count).loss).toBe(wanted);
    expect(step.sync(torch.zeros([4])).loss).toBe(0); // another argument is not the buffer
    expect(step.sync(net.count).loss).toBe(24);
  });
});

// A parameter that is read only through a copy in another order is expected in that order. Where it is read for the last time nobody may write over it
// what is to lie as the parameter itself does.
describe.each(["none", "sam"] as const)("a parameter in another order than the other operand: %s", (method) => {
  const channelsLast = (x: Tensor) => x.contiguous({ memoryFormat: "channels_last" });
  const operators: Record<string, (a: Tensor, b: Tensor) => Tensor> = { add: (a, b) => a.add(b), sub: (a, b) => a.sub(b), mul: (a, b) => a.mul(b), div: (a, b) => a.div(b.exp()) };
  const cases: Record<string, { w: () => Tensor; x: () => Tensor; of: (w: Tensor) => Tensor; columns: number; flat: (x: Tensor) => Tensor }> = {
    "a copy with the channels last": { w: () => torch.randn([2, 3, 4, 5]), x: () => torch.randn([2, 3, 4, 5]), of: channelsLast, columns: 60, flat: (x) => x.flatten(1) },
    "channels last, copied in order": {
      w: () => channelsLast(torch.randn([2, 3, 4, 5])), x: () => channelsLast(torch.randn([2, 3, 4, 5])), of: (w) => w.contiguous(), columns: 5,
      flat: (x) => x.permute([0, 2, 3, 1]).reshape([24, 5]),
    },
    "a transposed matrix, copied in order": { w: () => torch.randn([128, 64]).t(), x: () => torch.randn([128, 64]).t(), of: (w) => w.contiguous(), columns: 128, flat: (x) => x },
  };
  test.each(Object.keys(cases).flatMap((name) => Object.keys(operators).map((operator) => [name, operator] as const)))("%s: %s", async (name, operator) => {
    const { w: weight, x: input, of, columns, flat } = cases[name]!;
    const run = async (compiled: boolean): Promise<number[]> => {
      torch.manualSeed(1);
      const w = nn.parameter(weight()), x = input(), m = torch.randn([columns, 7]);
      const loss = (x: Tensor) => flat(operators[operator]!(x, of(w))).mm(m).pow(2).mean();
      const optimizer = optim.create([w], { method, ...(method === "sam" ? { rho: 0.5 } : {}), base: { name: "sgd", lr: 0.01 } } as optim.OptimizerOptions);
      const step = optimizer.compile(loss);
      const losses: number[] = [];
      for (let i = 0; i < 3; i++) {
        const report = compiled ? await step(x) : await optimizer.step(() => loss(x));
        losses.push(report.loss, report.perturbedLoss ?? 0);
      }
      return losses;
    };
    const [compiled, closure] = [await run(true), await run(false)];
    compiled.forEach((value, i) => expect(Math.abs(value - closure[i]!)).toBeLessThanOrEqual(1e-5 * Math.abs(closure[i]!)));
  });
});
