import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// A step makes tensors by the dozen, natively; JavaScript must not see one of them live on. No sweep is waited for: the
// figures are the same right after the last step as before the first.

/** Live tensors and their bytes, once nothing is left that an earlier test has dropped. */
function settled(): { tensors: number; bytes: number } {
  torch.sweep();
  return figures();
}

function figures(): { tensors: number; bytes: number } {
  const { tensors, bytes } = torch.memory();
  return { tensors, bytes };
}

function problem(method: "none" | "sam" | "msam" | "gasam") {
  torch.manualSeed(1);
  const model = new nn.Sequential(new nn.Linear(6, 8), new nn.BatchNorm1d(8), new nn.ReLU(), new nn.Dropout(0.2), new nn.Linear(8, 3));
  const base = { name: "sgd", lr: 0.05, momentum: 0.9 } as const;
  const optimizer = optim.create(
    model,
    method === "none" ? { method, base } : method === "msam" ? { method, rho: 0.05, shards: 2, base } : { method, rho: 0.05, base },
  );
  const loss = (x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y);
  const [x, y] = [torch.randn([12, 6]), torch.randint(0, 3, [12])];
  return { model, optimizer, loss, x, y };
}

describe.each(["none", "sam", "msam", "gasam"] as const)("%s", (method) => {
  test("1,000 synchronous steps", () => {
    const { optimizer, loss, x, y } = problem(method);
    const step = optimizer.compile(loss);
    for (let i = 0; i < 3; i++) step.sync(x, y);
    const before = settled();
    let last = NaN;
    for (let i = 0; i < 1000; i++) last = step.sync(x, y).loss;
    expect(Number.isFinite(last)).toBe(true);
    expect(figures()).toEqual(before);
  });

  test("1,000 promised steps, some of them under way together", async () => {
    const { optimizer, loss, x, y } = problem(method);
    const step = optimizer.compile(loss);
    await step(x, y);
    const before = settled();
    for (let i = 0; i < 200; i++) await Promise.all([step(x, y), step(x, y), step(x, y), step(x, y), step(x, y)]);
    expect(figures()).toEqual(before);
  });
});

describe("closures", () => {
  test.each(["none", "sam", "gasam"] as const)("300 steps of %s", (method) => {
    const { optimizer, loss, x, y } = problem(method);
    optimizer.step(() => loss(x, y));
    const before = settled();
    for (let i = 0; i < 300; i++) optimizer.step(() => loss(x, y));
    expect(figures()).toEqual(before);
  });

  test("that throw, at any of their calls", () => {
    const { optimizer, loss, x, y } = problem("sam");
    optimizer.step(() => loss(x, y));
    const before = settled();
    for (let i = 0; i < 50; i++) {
      let calls = 0;
      const failing = () => {
        const value = loss(x, y);
        if (++calls > i % 2) throw new RangeError("enough");
        return value;
      };
      expect(() => optimizer.step(failing)).toThrow(new RangeError("enough"));
      for (const wrong of [5, null, undefined, x, Promise.resolve(x)]) expect(() => optimizer.step(() => { loss(x, y); return wrong as never; })).toThrow(expect.objectContaining({ name: "SteppeError" }));
    }
    expect(figures()).toEqual(before);
  });
});

describe("loss functions that are recorded", () => {
  test("each new signature keeps its programs, not its tensors", () => {
    const { optimizer, loss } = problem("sam");
    const step = optimizer.compile(loss);
    step.sync(torch.randn([4, 6]), torch.randint(0, 3, [4]));
    const before = settled();
    for (let batch = 5; batch < 15; batch++) torch.scope(() => void step.sync(torch.randn([batch, 6]), torch.randint(0, 3, [batch])));
    expect(step.programs.length).toBe(11);
    expect(figures()).toEqual(before);
  });

  test("that throw, or cannot be recorded", async () => {
    const { optimizer, loss, x, y } = problem("sam");
    const before = settled();
    const failing: [(x: Tensor, y: Tensor) => Tensor, unknown][] = [
      [(x, y) => { loss(x, y); throw new RangeError("enough"); }, new RangeError("enough")],
      [(x, y) => { const value = loss(x, y); value.item(); return value; }, expect.objectContaining({ code: "RECORD" })],
      [(x, y) => { loss(x, y); return 5 as never; }, expect.objectContaining({ code: "ARGUMENT" })],
      [(x, y) => loss(x, y).mul(torch.ones([2])), expect.objectContaining({ code: "RECORD" })],
      [(x) => x.add(torch.ones([7])), expect.objectContaining({ code: "OPERATOR" })],
    ];
    for (const [wrong, error] of failing) {
      const step = optimizer.compile(wrong);
      for (let i = 0; i < 5; i++) {
        expect(() => step.sync(x, y)).toThrow(error as Error);
        await expect((async () => step(x, y))()).rejects.toThrow(error as Error);
      }
    }
    expect(figures()).toEqual(before);
    expect(Number.isFinite(optimizer.compile(loss).sync(x, y).loss)).toBe(true);
  });
});

test("a training loop in plain autograd, swept", () => {
  const { model, loss, x, y } = problem("none");
  const round = () => {
    loss(x, y).backward();
    torch.noGrad(() => {
      for (const parameter of model.parameters()) {
        parameter.sub_(parameter.grad!.mul(0.01));
        parameter.grad = null;
      }
    });
  };
  round();
  const before = settled();
  for (let i = 0; i < 200; i++) round();
  expect(settled()).toEqual(before);
});

test("state dicts hold copies, as many as they say", () => {
  const { optimizer, loss, x, y } = problem("sam");
  optimizer.compile(loss).sync(x, y);
  const before = settled().tensors;
  const state = optimizer.stateDict();
  const count = Object.keys(state.tensors).length;
  expect(torch.memory().tensors - before).toBe(count);
  optimizer.loadStateDict(state);
  for (const tensor of Object.values(state.tensors)) tensor.dispose();
  expect(torch.memory().tensors).toBe(before);
});
