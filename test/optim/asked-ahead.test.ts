import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// Steps that are asked for and not awaited, refused, or asked of an optimizer that is gone.

torch.setNumThreads(1);
const base = { name: "sgd", lr: 0.1, momentum: 0.9 } as const;
const make = (options: object = {}) => {
  torch.manualSeed(1);
  const model = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 3));
  const optimizer = optim.create(model, { method: "sam", base, ...options } as optim.OptimizerOptions) as unknown as optim.Optimizer<"sam">;
  const step = optimizer.compile((x: Tensor, y: Tensor) => {
    if (x.shape[0] === 5) throw new Error("thrown by the loss function");
    return nn.functional.crossEntropy(model.forward(x), y);
  });
  return { model, optimizer, step };
};
const batch = (samples = 6) => [torch.randn([samples, 4]), torch.randint(0, 3, [samples])] as const;
const values = (model: nn.Module) => model.parameters().map((p) => p.toArray());

test("requiresGrad that changes while a step is being recorded: refused in words, or too late to matter", async () => {
  const { model, step } = make();
  const [weight] = model.parameters();
  for (let i = 0; i < 20; i++) {
    weight!.requiresGrad_(i % 2 === 0);
    const asked = step(...batch(6 + i));
    weight!.requiresGrad_(i % 2 === 1);
    await asked.then(
      ({ updated }) => expect(updated).toBe(true),
      (error: Error) => expect(error.message).toMatch(/requiresGrad of a parameter was changed/),
    );
  }
  weight!.requiresGrad_(true);
  expect((await step(...batch())).updated).toBe(true);
});

test("a step whose failure nobody looks at is an unhandled rejection", async () => {
  const { step } = make();
  const [x, y] = batch();
  const seen: unknown[] = [];
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (reason) => seen.push(reason));
  try {
    const wrong = y.clone().fill_(9);
    void step(x, wrong); // is recorded first
    await new Promise((resolve) => setTimeout(resolve, 200));
    void step(x, wrong);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await step(x, wrong).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 50)); // Node tells of rejections once nothing else is to be done
  } finally {
    process.removeAllListeners("unhandledRejection");
    others.forEach((listener) => process.on("unhandledRejection", listener));
  }
  expect(seen).toHaveLength(2);
});

test("asked for in a scope and awaited outside: as good as any", async () => {
  const { model, step } = make();
  const { model: other, step: same } = make();
  const data = [batch(), batch(), batch(4)];
  for (const [x, y] of data) {
    let asked: Promise<unknown> | undefined;
    torch.scope(() => {
      asked = step(x.clone(), y.clone());
    });
    await asked;
    await same(x, y);
  }
  expect(values(model)).toEqual(values(other));
});

describe.each(["full", "shard"])("micro-batches, %s", (accumulate) => {
  test.each(["awaited", "sync"])("after an error while the loss function is recorded the next call begins a new step (%s)", async (form) => {
    const data = Array.from({ length: 3 }, () => batch());
    const run = async (fails: boolean) => {
      const { model, step } = make({ accumulationSteps: 3, accumulate });
      const take = async (...args: readonly [Tensor, Tensor]) => (form === "sync" ? step.sync(...args) : step(...args));
      if (fails) {
        await take(...data[1]!);
        await expect(take(...batch(5))).rejects.toThrow("thrown by the loss function");
      }
      const updated = [];
      for (const args of data) updated.push((await take(...args)).updated);
      return { updated, weights: values(model) };
    };
    const expected = await run(false);
    expect(expected.updated).toEqual([false, false, true]);
    expect(await run(true)).toEqual(expected);
  });
});

test("dispose frees state and programs at once; then it is refused in words", async () => {
  const { model, optimizer, step } = make();
  const [x, y] = batch();
  for (let i = 0; i < 3; i++) void step(x, y).catch(() => {});
  expect(() => optimizer.dispose()).toThrow(/still to be recorded/);
  await step(x, y);
  const asked = step(x, y);
  optimizer.dispose();
  optimizer.dispose();
  expect((await asked).updated).toBe(true);
  const before = values(model);
  await expect(step(x, y)).rejects.toMatchObject({ code: "DISPOSED" });
  for (const use of [() => step.sync(x, y), () => optimizer.stateDict(), () => optimizer.compile((input) => model.forward(input).sum()), () => optimizer.step(() => model.forward(x).sum())]) {
    expect(use).toThrow(expect.objectContaining({ code: "DISPOSED" }));
  }
  expect(values(model)).toEqual(before);
});
