import { expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { over, titled, lossFunction, nets, type MethodOptions } from "./nets.js";

// Thousands of steps hold no more memory than a few, and end in numbers.

// A second thread costs small tensors more than it gives.
torch.setNumThreads(1);

const main: MethodOptions[] = [
  { method: "sam" },
  { method: "msam", shards: 2 },
  { method: "gasam" },
  { method: "asam", rho: 0.2 },
  { method: "friendly" },
  { method: "look" },
  { method: "async" },
];

test.each(titled(main))("%s: 10,000 steps", async (_, options) => {
  torch.manualSeed(81);
  const model = new nn.Sequential(new nn.Dropout(0.1), new nn.Linear(6, 3));
  const optimizer = optim.create(model, over(options, { base: { name: "sgd", lr: 0.01, momentum: 0.9 }, maxGradNorm: 1 }) as never) as optim.Optimizer;
  const step = optimizer.compile(lossFunction(nets.mlp, model, options.method) as (x: Tensor, y: Tensor) => Tensor);
  const [x, y] = [torch.randn([8, 6]), torch.randint(3, [8])];
  const figures = () => {
    const { tensors, bytes, stepBytes } = torch.memory();
    return { tensors, bytes, stepBytes };
  };
  // Nearly all in one run, some on the training thread, where many wait at once.
  let settled: unknown;
  for (let s = 0; s < 10_000; s++) {
    if (s % 1000 < 900) step.sync(x, y);
    else if (s % 1000 === 900) await Promise.all(Array.from({ length: 100 }, () => step(x, y)));
    if (s === 1999) settled = figures();
  }
  expect(figures()).toEqual(settled);
  const report = step.sync(x, y);
  expect(Number.isFinite(report.loss) && Number.isFinite(report.gradNorm)).toBe(true);
  expect(report.loss).toBeLessThan(1.2); // it has learned something: ln 3 is 1.1
  for (const tensor of Object.values(model.stateDict())) expect(tensor.to("float64").isfinite().all().item()).toBe(true);
  expect(step.programs.length).toBeLessThan(3);
});
