import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { resultOf } from "../support/child.js";

// The memory that steps keep between them: torch.memory().stepBytes.

const megabyte = 2 ** 20;

function wideNet(): { step: optim.CompiledStep<Tensor[]>; model: nn.Sequential } {
  const model = new nn.Sequential(new nn.Linear(64, 512), new nn.Tanh(), new nn.Linear(512, 512), new nn.ReLU(), new nn.Linear(512, 1));
  const optimizer = optim.create(model, { method: "sam", rho: 0.1, base: { name: "sgd", lr: 1e-3 } });
  return { model, step: optimizer.compile((x: Tensor) => model.forward(x).pow(2).mean()) };
}

describe("the memory of steps", () => {
  // Blocks come from segments of 256 MiB or, where they are larger, of as much as they need: here without a byte to spare.
  test("a tensor that fills a segment", async () => {
    const size = 2 ** 26 - 16;
    const sums = await resultOf<number[]>(`
      const w = nn.parameter(torch.ones([1]));
      const step = optim.create([w], { method: "none", base: { name: "sgd", lr: 0.1 } }).compile((x) => x.mul(w).sum());
      console.log(JSON.stringify([${size} - 16, ${size}, ${size} + 16].map((size) => step.sync(torch.zeros([size])).loss)));`);
    expect(sums).toEqual([0, 0, 0]);
  });

  test("is kept from step to step, does not grow, and is given back", async () => {
    const { step } = wideNet();
    torch.sweep();
    const before = torch.memory().stepBytes;
    const x = torch.randn([1024, 64]); // 2 MiB per layer of 512
    await step(x);
    await step(x);
    const kept = torch.memory().stepBytes;
    expect(kept - before).toBeGreaterThan(6 * megabyte);
    for (let i = 0; i < 20; i++) await step(x);
    for (let i = 0; i < 20; i++) step.sync(x);
    // A page more or less, as small blocks fall.
    const most = kept + 2 ** 16;
    expect(torch.memory().stepBytes).toBeLessThanOrEqual(most);
    // A smaller batch fits into what is there.
    const y = torch.randn([512, 64]);
    for (let i = 0; i < 5; i++) await step(y);
    expect(torch.memory().stepBytes).toBeLessThanOrEqual(most);
    torch.sweep();
    expect(torch.memory().stepBytes).toBeLessThan(before + 3 * megabyte);
  });

  test("steps after it was given back compute what they did before", async () => {
    torch.manualSeed(0);
    const [a, b] = [wideNet(), wideNet()];
    b.model.loadStateDict(a.model.stateDict());
    const x = torch.randn([256, 64]);
    for (let i = 0; i < 5; i++) {
      const report = await a.step(x);
      torch.sweep();
      expect(await b.step(x)).toEqual(report);
    }
  });

  test("tensors made in a loss function outlive its step", async () => {
    const model = new nn.Linear(64, 64);
    const kept: Tensor[] = [];
    const optimizer = optim.create(model, { method: "none", base: { name: "sgd", lr: 0 } });
    const step = optimizer.compile((x: Tensor) => {
      kept.push(torch.keep(x.mul(2)));
      return model.forward(x).pow(2).mean();
    });
    const x = torch.randn([512, 64]);
    const expected = x.mul(2).toTypedArray();
    for (let i = 0; i < 10; i++) await step(x);
    torch.sweep();
    for (let i = 0; i < 10; i++) await step(x);
    expect(kept).toHaveLength(1);
    expect(kept[0]!.toTypedArray()).toEqual(expected);
  });

  // Blocks wait for tensors of their own size, but no more of them than a quarter of what the largest step needs.
  test.each([1, 2])("batches of many sizes do not add up, with %i threads", async (threads) => {
    const { first, then, stepBytes } = await resultOf<Record<"first" | "then" | "stepBytes", number>>(`
      torch.setNumThreads(${threads});
      const model = new nn.Sequential(new nn.Linear(8, 64), new nn.Tanh(), new nn.Tanh(), new nn.Tanh(), new nn.Linear(64, 1));
      const step = optim.create(model, { method: "msam", shards: 4, rho: 0.1, base: { name: "sgd", lr: 1e-3 } }).compile((x) => model.forward(x).pow(2).mean());
      const sizes = Array.from({ length: 16 }, (_, i) => 32768 - 1024 * i);
      const run = async (size) => { const x = torch.randn([size, 8]); await step(x); await step(x); x.dispose(); };
      for (const size of sizes) await run(size); // records
      torch.sweep();
      await run(sizes[0]);
      const first = process.memoryUsage().rss;
      for (let i = 0; i < 3; i++) for (const size of sizes) await run(size);
      console.log(JSON.stringify({ first, then: process.memoryUsage().rss, stepBytes: torch.memory().stepBytes }));`);
    // Blocks of every size for itself would be as many times stepBytes more as there are sizes.
    expect(stepBytes).toBeGreaterThan(6 * megabyte);
    expect(then - first).toBeLessThan(stepBytes / 2 + 24 * megabyte);
  });
});

// Finalizers, which free what JavaScript gives up, run in no loop that never returns to the event loop.
test.each(["compiled", "closure"])("optimizers that are dropped in a synchronous loop do not add up (%s)", async (form) => {
  const { first, then } = await resultOf<Record<"first" | "then", number>>(`
    torch.setNumThreads(1);
    const once = () => {
      const model = new nn.Sequential(new nn.Linear(512, 512), new nn.ReLU(), new nn.Linear(512, 512));
      const optimizer = optim.create(model, { method: "sam", base: { name: "adam", lr: 1e-3 } });
      const loss = (x) => model.forward(x).pow(2).mean();
      const x = torch.randn([4, 512]);
      if (${form === "compiled"}) optimizer.compile(loss).sync(x); else optimizer.step(() => loss(x));
    };
    for (let i = 0; i < 60; i++) once();
    const first = process.memoryUsage().rss;
    for (let i = 0; i < 150; i++) once();
    console.log(JSON.stringify({ first, then: process.memoryUsage().rss }));`);
  // Two moments and a point of 2 MB each for every one of them would be 900 MB.
  expect(then - first).toBeLessThan(300 * megabyte);
});
