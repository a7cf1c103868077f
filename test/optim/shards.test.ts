import { afterAll, describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// mSAM's shards at the same time: the numbers of one after the other, whatever the number of threads.

const threads = torch.getNumThreads();
afterAll(() => torch.setNumThreads(threads));

const base = { name: "sgd", lr: 0.1, momentum: 0.9, weightDecay: 1e-3 } as const;

function convnet(momentum: number | null = 0.1, dropout = 0): nn.Sequential {
  torch.manualSeed(1);
  return new nn.Sequential(
    new nn.Conv2d(2, 6, 3, { padding: 1, bias: false }),
    new nn.BatchNorm2d(6, { momentum }),
    new nn.ReLU(),
    new nn.Dropout(dropout),
    new nn.Conv2d(6, 8, 3, { stride: 2 }),
    new nn.BatchNorm2d(8),
    new nn.Tanh(),
    new nn.Flatten(),
    new nn.Linear(8 * 9, 4),
  );
}

function batch(n: number, seed: number): [Tensor, Tensor] {
  torch.manualSeed(seed);
  return [torch.randn([n, 2, 8, 8]), torch.randint(4, [n])];
}

type Numbers = { reports: optim.StepReport[]; state: Record<string, unknown> };

async function train(model: nn.Sequential, options: optim.OptimizerOptions, sizes: number[], form: "sync" | "promise" = "promise"): Promise<Numbers> {
  const step = optim.create(model, options).compile<[Tensor, Tensor]>(((x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y)) as never);
  const reports: optim.StepReport[] = [];
  for (const [s, n] of sizes.entries()) {
    const [x, y] = batch(n, 10 + s);
    reports.push(form === "sync" ? step.sync(x, y) : await step(x, y));
  }
  return { reports, state: Object.fromEntries(Object.entries(model.stateDict()).map(([name, tensor]) => [name, tensor.toArray()])) };
}

/** The rule in TypeScript, one shard after the other: gradients at each shard's own point, buffers moved by the passes at w. */
async function byHand(model: nn.Sequential, { shards, rho, sameNoise }: { shards: number; rho: number; sameNoise: boolean }, sizes: number[]): Promise<Record<string, unknown>> {
  const inner = optim.create(model, { method: "none", base });
  const parameters = model.parameters();
  for (const [s, n] of sizes.entries()) {
    const [x, y] = batch(n, 10 + s);
    const count = Math.min(shards, n);
    const sum = parameters.map((p) => torch.zerosLike(p.detach()));
    let begin = 0;
    for (let j = 0; j < count; j++) {
      const size = Math.floor(n / count) + (j < n % count ? 1 : 0);
      const noise = torch.getRngState();
      const loss = () => nn.functional.crossEntropy(model.forward(x.narrow(0, begin, size)), y.narrow(0, begin, size));
      const g = torch.autograd.grad([loss()], parameters);
      const buffers = model.buffers().map((b) => b.clone());
      const norm = Math.sqrt(g.reduce((total, part) => total + Number(part.pow(2).sum().item()), 0));
      const kept = parameters.map((p) => p.detach().clone());
      torch.noGrad(() => parameters.forEach((p, k) => p.add_(g[k]!, { alpha: rho / norm })));
      if (sameNoise) torch.setRngState(noise);
      const gp = torch.autograd.grad([loss()], parameters);
      torch.noGrad(() => {
        parameters.forEach((p, k) => p.copy_(kept[k]!));
        model.buffers().forEach((b, k) => b.copy_(buffers[k]!));
        sum.forEach((total, k) => total.add_(gp[k]!, { alpha: size / n }));
      });
      begin += size;
    }
    const linear = inner.compile(() => parameters.reduce<Tensor>((total, p, k) => total.add(p.mul(sum[k]!).sum()), torch.zeros([], { dtype: parameters[0]!.dtype })));
    linear.sync();
  }
  return Object.fromEntries(Object.entries(model.stateDict()).map(([name, tensor]) => [name, tensor.toArray()]));
}

describe("shards at the same time", () => {
  const options = (shards: number) => ({ method: "msam", shards, rho: 0.3, base }) as const;

  test.each([
    [2, [12, 12, 12], 0, true],
    [4, [16, 16, 7, 16], 0, true],
    [5, [8, 3, 8], 0, true],
    [3, [9, 10, 9], 0.4, true],
    [4, [16, 7, 16], 0.4, true],
    [4, [16, 7, 16], 0.4, false],
  ] as [number, number[], number, boolean][])(
    "%i shards of batches of %j, dropout %f, the same noise: %s: as by hand",
    async (shards, sizes, dropout, sameNoise) => {
      torch.setNumThreads(2);
      const make = () => {
        const net = convnet(0.1, dropout).to("float64") as nn.Sequential;
        return Object.assign(net, { forward: (x: Tensor) => nn.Sequential.prototype.forward.call(net, x.to("float64")) });
      };
      const got = (await train(make(), { ...options(shards), sameNoise }, sizes)).state;
      const drawn = torch.getRngState().toArray();
      const wanted = await byHand(make(), { shards, rho: 0.3, sameNoise }, sizes);
      for (const [name, values] of Object.entries(wanted)) {
        const [a, b] = [torch.tensor(got[name] as number[], { dtype: "float64" }), torch.tensor(values as number[], { dtype: "float64" })];
        expect(Number(a.sub(b).abs().max().item()), name).toBeLessThan(1e-9);
      }
      expect(torch.getRngState().toArray()).toEqual(drawn);
    },
  );

  test.each([0.1, null])("bit for bit the same with any number of threads, run after run (batch norm momentum %s)", async (momentum) => {
    const runs: Numbers[] = [];
    for (const [count, form] of [[1, "promise"], [2, "promise"], [3, "sync"], [4, "sync"], [2, "promise"], [2, "promise"]] as const) {
      torch.setNumThreads(count);
      runs.push(await train(convnet(momentum), options(4), [16, 16, 10, 16], form));
    }
    for (const run of runs.slice(1)) expect(run).toEqual(runs[0]);
  });

  // Beside its running statistics a batch norm may look at buffers that the program changes: another shard's must not come in between.
  test.each(["input", "bias"] as const)("a batch norm whose %s is a buffer that each pass moves: the same with two threads", async (operand) => {
    class Net extends nn.Module {
      declare readonly moved: Tensor;
      readonly conv = new nn.Conv2d(2, 16, 3, { padding: 1 });
      readonly norm = new nn.BatchNorm2d(16);
      readonly out = new nn.Linear(16, 4);
      constructor() {
        super();
        this.registerBuffer("moved", operand === "bias" ? torch.zeros([16]) : torch.randn([32, 16, 16, 16]).contiguous({ memoryFormat: "channels_last" }));
      }
      forward(x: Tensor): Tensor {
        const { runningMean, runningVar, weight, bias } = this.norm;
        torch.noGrad(() => void this.moved.add_(x.abs().mean()));
        const y = this.conv.forward(x);
        const normed = nn.functional.batchNorm(operand === "bias" ? y : this.moved, runningMean, runningVar, { weight, bias: operand === "bias" ? this.moved : bias, training: true });
        return this.out.forward(normed.tanh().mean([0, 2, 3]).add(y.mean([2, 3])));
      }
    }
    const runs: unknown[] = [];
    for (const count of [1, 2, 2, 2, 2]) {
      torch.setNumThreads(count);
      torch.manualSeed(1);
      const net = new Net();
      const step = optim.create(net, options(4)).compile((x: Tensor, y: Tensor) => nn.functional.crossEntropy(net.forward(x), y));
      const reports: optim.StepReport[] = [];
      for (let s = 0; s < 3; s++) {
        torch.manualSeed(10 + s);
        reports.push(await step(torch.randn([32, 2, 32, 32]).contiguous({ memoryFormat: "channels_last" }), torch.randint(4, [32])));
      }
      runs.push({ reports, weights: net.parameters().map((parameter) => parameter.toArray()) });
    }
    for (const run of runs.slice(1)) expect(run).toEqual(runs[0]);
  });

  test("a NaN in one shard skips the step, with weights and buffers as they were; the next step is good", async () => {
    torch.setNumThreads(2);
    const model = convnet();
    const optimizer = optim.create(model, { ...options(4), nonFinite: "skip" });
    const step = optimizer.compile((x, y) => nn.functional.crossEntropy(model.forward(x), y));
    const [x, y] = batch(16, 3);
    const state = () => Object.fromEntries(Object.entries(model.stateDict()).map(([name, tensor]) => [name, tensor.toArray()]));
    expect((await step(x, y)).skipped).toBe(false);
    const before = state();
    const bad = x.clone();
    bad.narrow(0, 9, 1).fill_(NaN);
    expect((await step(bad, y)).skipped).toBe(true);
    expect(state()).toEqual(before);
    expect((await step(x, y)).skipped).toBe(false);
    expect(state()).not.toEqual(before);
    const throwing = optim.create(model, options(4)).compile((x, y) => nn.functional.crossEntropy(model.forward(x), y));
    await expect(throwing(bad, y)).rejects.toMatchObject({ code: "NON_FINITE" });
  });

  test("where only the larger shards draw they all run in turn, and the statistics are those of their batches", async () => {
    torch.setNumThreads(2);
    torch.manualSeed(2);
    const norm = new nn.BatchNorm2d(2);
    const [model, twin] = [new nn.Sequential(norm, new nn.Flatten(), new nn.Linear(2 * 64, 4)), new nn.BatchNorm2d(2)];
    const step = optim.create(model, options(2)).compile((x, y) => {
      const z = model.forward(x);
      return nn.functional.crossEntropy(x.shape[0] === 3 ? nn.functional.dropout(z, { p: 0.5 }) : z, y);
    });
    for (let s = 0; s < 3; s++) {
      const [x, y] = batch(5, 20 + s);
      await step(x, y);
      for (const part of [x.narrow(0, 0, 3), x.narrow(0, 3, 2)]) twin.forward(part);
    }
    for (const [name, tensor] of Object.entries(norm.stateDict())) {
      if (!name.includes("running")) continue;
      expect(tensor.sub(twin.stateDict()[name]!).abs().max().item()).toBeLessThan(1e-6);
    }
  });
});
