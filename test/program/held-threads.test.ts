import { afterAll, describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";

// A pass keeps the threads of its kernels from one of our own to the next, and lets go of them where LibTorch is to have them.

const before = torch.getNumThreads();
afterAll(() => torch.setNumThreads(before));

/** Between our kernels' convolutions one of LibTorch's, a softplus and a sum over a dimension, which have threads of their own. */
function make() {
  torch.manualSeed(11);
  const [first, strided, last] = [new nn.Conv2d(1, 16, 3, { padding: 1 }), new nn.Conv2d(16, 16, 3, { stride: 2 }), new nn.Linear(16, 10)];
  const model = new nn.Sequential(first, new nn.BatchNorm2d(16), new nn.ReLU(), strided, new nn.BatchNorm2d(16), new nn.Softplus(), new nn.AdaptiveAvgPool2d(1), new nn.Flatten(), last);
  const optimizer = optim.create(model, { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.1, momentum: 0.9 } });
  return { model, step: optimizer.compile((x, y) => nn.functional.crossEntropy(model.forward(x), y)) };
}

const batch = (seed: number) => {
  torch.manualSeed(seed);
  return [torch.randn([24, 1, 20, 20]), torch.randint(0, 10, [24])] as const;
};
const weights = (model: nn.Module) => model.parameters().map((p) => p.toArray());

describe.each([2, 5])("%i threads", (threads) => {
  test("of our kernels and LibTorch's in turns: the same in a promise and on the calling thread, step for step", async () => {
    torch.setNumThreads(threads);
    const [a, b] = [make(), make()];
    for (let i = 0; i < 4; i++) {
      const [x, y] = batch(i);
      expect(await a.step(x, y)).toEqual(b.step.sync(x, y));
    }
    expect(weights(a.model)).toEqual(weights(b.model));
  });

  test("a pass that fails lets go of them: the next step is as if it had not been", async () => {
    torch.setNumThreads(threads);
    const [a, b] = [make(), make()];
    const [x, y] = batch(1);
    for (const each of [a, b]) await each.step(x, y);
    const wrong = y.clone().fill_(10);
    await expect(a.step(x, wrong)).rejects.toThrow(/out of bounds/);
    expect(() => a.step.sync(x, wrong)).toThrow(/out of bounds/);
    expect(await a.step(x, y)).toEqual(await b.step(x, y));
    expect(weights(a.model)).toEqual(weights(b.model));
  });
});

test("by one thread, two and five the same up to rounding", async () => {
  const losses = [];
  for (const threads of [1, 2, 5]) {
    torch.setNumThreads(threads);
    const { step } = make();
    let loss = 0;
    for (let i = 0; i < 3; i++) loss = (await step(...batch(i))).loss;
    losses.push(loss);
  }
  for (const loss of losses) expect(loss).toBeCloseTo(losses[0]!, 4);
});
