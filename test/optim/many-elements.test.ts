import { afterAll, describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { DType, Tensor } from "../../lib/index.js";

// Norms, perturbations and shards' sums go over the elements of all parameters in pieces of 4,096, some on each thread. Of a loss
// x̄ Σ‖w_k‖²/2 a step is known: w ← w − lr x̄ (w + ρ w/‖w‖), for all shards together, too.

const threads = torch.getNumThreads();
afterAll(() => torch.setNumThreads(threads));

const [lr, rho] = [0.25, 0.5];
const size = 16_384;
// Within a piece, ends that are a piece's, several pieces, nothing at all, and memory in another order.
const shapes = [[1], [0], [size - 1], [0, 3], [3, 7], [size - 21], [2 * size], [5 * size + 13], [1, 1], [40, 50, 30]];
const transposed = 9;

class Parameters extends nn.Module {
  constructor(dtype: DType) {
    super();
    torch.manualSeed(2);
    shapes.forEach((shape, k) => {
      const drawn = torch.randn(shape, { dtype });
      this.registerParameter(`w${k}`, nn.parameter(k === transposed ? drawn.transpose(0, 2) : drawn));
    });
  }
}

function step(dtype: DType, options: optim.OptimizerOptions, count: number) {
  torch.setNumThreads(count);
  const net = new Parameters(dtype);
  const before = net.parameters().map((w) => w.detach().to("float64").clone());
  const x = torch.tensor([0.5, 1, 2, 0.25, 4, 0.125, 1], { dtype });
  const loss = (x: Tensor) => net.parameters().map((w) => w.square().sum()).reduce((sum, each) => sum.add(each)).mul(0.5).mul(x.mean());
  const report = optim.create(net, options).compile(loss).sync(x);
  const mean = 8.875 / 7;
  const norm = Math.sqrt(before.reduce((sum, w) => sum + Number(w.square().sum().item()), 0));
  const wanted = before.map((w) => w.mul(1 - lr * mean * (1 + rho / norm)));
  return { weights: net.parameters().map((w) => w.detach()), wanted, report, norm: norm * mean };
}

describe.each([
  ["float32", 1e-6],
  ["float64", 1e-14],
] as const)("%s", (dtype, tolerance) => {
  test.each([
    { method: "sam", rho, base: { name: "sgd", lr } },
    { method: "msam", shards: 3, rho, base: { name: "sgd", lr } },
  ] as optim.OptimizerOptions[])("%j", (options) => {
    const one = step(dtype, options, 1);
    if (options.method === "sam") expect(one.report.gradNorm! / one.norm).toBeCloseTo(1, dtype === "float32" ? 6 : 13);
    one.weights.forEach((w, k) => {
      expect([...w.shape]).toEqual([...one.wanted[k]!.shape]);
      if (w.numel() > 0) expect(Number(w.to("float64").sub(one.wanted[k]!).abs().max().item()), `w${k}`).toBeLessThan(6 * tolerance);
    });
    for (const count of [2, 3, 5]) step(dtype, options, count).weights.forEach((w, k) => expect(torch.equal(w, one.weights[k]!), `w${k} with ${count} threads`).toBe(true));
  });
});

// The gradient of Σ c w is c. Squares of float32 numbers are summed in float32 as far as they stay within its range.
test.each<[string, (random: Tensor) => Tensor]>([
  ["as they are", (random) => random],
  ["whose squares are beyond float32", (random) => random.mul(1e25)],
  ["whose squares are just within float32", (random) => random.mul(3e18)],
  ["whose squares are below float32", (random) => random.mul(1e-25)],
  ["at float32's smallest", (random) => random.mul(1e-41)],
  ["of all sizes", (random) => random.mul(torch.pow(10, torch.linspace(-40, 30, random.numel())))],
  ["one of them large", (random) => torch.cat([random.mul(1e-30), torch.tensor([1e20])])],
  ["zeros but for one", (random) => torch.cat([torch.zeros([random.numel()]), torch.tensor([1e-30])])],
])("the norm of numbers %s", (_, of) => {
  for (const count of [1, 15, 1024, 4096, 10_000]) {
    torch.manualSeed(count);
    const c = of(torch.randn([count]));
    const net = new (class extends nn.Module {
      w = nn.parameter(torch.zeros([c.numel()]));
    })();
    const step = optim.create(net, { method: "none", base: { name: "sgd", lr: 0 } }).compile((c: Tensor) => net.w.mul(c).sum());
    const { gradNorm } = step.sync(c);
    const wide = c.to("float64");
    const most = Number(wide.abs().max().item());
    const norm = most * Math.sqrt(Number(wide.div(most).square().sum().item()));
    expect(Math.abs(gradNorm! / norm - 1), `of ${count}`).toBeLessThan(2e-7);
  }
});
