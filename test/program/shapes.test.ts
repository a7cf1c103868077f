import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// A step that returns a promise records its program by shapes alone: this thread does not compute the model. The programs
// are the same as with all values computed, net by net and layer by layer: expectSameProgram in replay.ts.

const { crossEntropy } = nn.functional;

function convnet(): nn.Sequential {
  torch.manualSeed(0);
  return new nn.Sequential(
    new nn.Conv2d(3, 8, 3, { padding: 1 }),
    new nn.BatchNorm2d(8),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Dropout(0.5),
    new nn.Conv2d(8, 8, 3, { bias: false }),
    new nn.BatchNorm2d(8),
    new nn.GELU(),
    new nn.Flatten(),
    new nn.Linear(8 * 6 * 6, 10),
  );
}

const batch = (): [Tensor, Tensor] => {
  torch.manualSeed(1);
  return [torch.randn([16, 3, 16, 16]), torch.randint(0, 10, [16])];
};
const state = (model: nn.Module) => Object.values(model.stateDict()).map((tensor) => tensor.toArray());

describe("the first step that returns a promise", () => {
  test.each([{ method: "sam" }, { method: "bilevel" }, { method: "msam", shards: 4 }] as const)("%j: is the step with all values computed, bit for bit, with its noise and statistics", async (own) => {
    const run = async (promise: boolean) => {
      const model = convnet();
      const [x, y] = batch();
      const optimizer = optim.create(model, { base: { name: "sgd", lr: 0.1 }, ...own });
      const step = optimizer.compile((x: Tensor, y: Tensor) => {
        const logits = model.forward(x);
        const loss = crossEntropy(logits, y);
        return own.method === "bilevel" ? { loss, logits, target: y } : loss;
      });
      torch.manualSeed(2);
      const reports = [promise ? await step(x, y) : step.sync(x, y), step.sync(x, y)];
      expect(step.programs.every(({ computed }) => computed === !promise)).toBe(true);
      return { reports, state: state(model), drawn: torch.rand([3]).toArray() };
    };
    expect(await run(true)).toEqual(await run(false));
  });

  test("asked for together with others, and with modes that change at once, it is what it was when it was asked for", async () => {
    const run = async (together: boolean) => {
      const model = convnet();
      const [x, y] = batch();
      const step = optim.create(model, { method: "sam", rho: 0.1, ascentFraction: 0.25, base: { name: "sgd", lr: 0.1 } }).compile((x: Tensor, y: Tensor) => crossEntropy(model.forward(x), y));
      model.eval();
      const first = step(x, y);
      if (!together) await first;
      const second = step(x, y);
      if (!together) await second;
      return { reports: [await first, await second], modes: step.programs.length, state: state(model) };
    };
    expect(await run(true)).toEqual(await run(false));
    expect((await run(true)).modes).toBe(2); // of a quarter of the batch and of all of it
  });

  test("in the modes, the mixed precision and with the hyperparameters of its call, whatever is set before it is recorded", async () => {
    const run = async (late: boolean) => {
      const model = convnet();
      const [x, y] = batch();
      const optimizer = optim.create(model, { method: "sam", rho: 0.1, ascentFraction: 0.25, base: { name: "sgd", lr: 0.1 } });
      const step = optimizer.compile((x: Tensor, y: Tensor) => crossEntropy(model.forward(x), y));
      torch.manualSeed(4);
      const first = torch.autocast(() => [step(x, y)])[0]!;
      if (!late) await first;
      model.eval();
      optimizer.lr = 0.01;
      const second = step(x, y);
      if (!late) await second;
      model.train();
      optimizer.lr = 7;
      const reports = [await first, await second];
      expect(model.training).toBe(true);
      return { reports, programs: step.programs.map(({ text }) => text), state: state(model) };
    };
    const wanted = await run(false);
    expect(await run(true)).toEqual(wanted);
    // Which kernels are our own, and which of the loss are one, is a matter of sizes, too.
    const operators = wanted.programs.map((text) => text.replaceAll(" by a kernel of our own", "").replaceAll(/.*(softmax|nll_loss|cross_entropy).*\n/g, ""));
    expect([operators.length, new Set(operators).size]).toEqual([4, 2]);
  });

  test("what needs the steps under way does not go before one that is still to be recorded", async () => {
    const model = convnet();
    const [x, y] = batch();
    const optimizer = optim.create(model, { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.1 } });
    const [one, other] = [1, 2].map((factor) => optimizer.compile((x: Tensor, y: Tensor) => crossEntropy(model.forward(x), y).mul(factor)));
    const state = optimizer.stateDict();
    const first = one!(x, y);
    expect(() => optimizer.stateDict()).toThrow("Await the steps that are under way before stateDict(): one is still to be recorded.");
    expect(() => optimizer.loadStateDict(state)).toThrow("Await the steps that are under way before loadStateDict().");
    expect(() => other!.sync(x, y)).toThrow("Await the steps that are under way before step.sync().");
    expect(() => optimizer.step(() => crossEntropy(model.forward(x), y))).toThrow("Await the steps that are under way before step(closure)");
    await first;
    expect(optimizer.stateDict().steps).toBe(1);
    expect(other!.sync(x, y).updated).toBe(true);
  });

  test("inputs that the function changes are put back, and the step sees them as they were", async () => {
    const run = async (promise: boolean) => {
      const model = convnet();
      const [x, y] = batch();
      const before = x.toArray();
      const step = optim.create(model, { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.1 } }).compile((x: Tensor, y: Tensor) => crossEntropy(model.forward(x.div_(3)), y));
      torch.manualSeed(2);
      const report = promise ? await step(x, y) : step.sync(x, y);
      expect(x.toArray()).toEqual(before);
      return { report, state: state(model) };
    };
    expect(await run(true)).toEqual(await run(false));
  });

  test("a function that changes, or keeps, a tensor of its own has all values", async () => {
    const run = async (promise: boolean) => {
      torch.manualSeed(0);
      const model = new nn.Linear(64, 64);
      const centre = torch.zeros([64]);
      let kept: Tensor | null = null;
      const step = optim.create(model, { method: "none", base: { name: "sgd", lr: 0.1 } }).compile((x: Tensor) => {
        const out = model.forward(x);
        torch.noGrad(() => centre.mul_(0.9).add_(out.mean(0), { alpha: 0.1 }));
        kept ??= torch.keep(x.matmul(x.t()).relu());
        return out.sub(centre).square().mean().add(kept.mean());
      });
      const { loss } = promise ? await step(torch.ones([128, 64])) : step.sync(torch.ones([128, 64]));
      expect(step.programs[0]!.computed).toBe(true);
      return { loss, centre: centre.toArray(), kept: kept!.sum().item() };
    };
    const [a, b] = [await run(true), await run(false)];
    expect(a.kept).toBe(128 * 128 * 64);
    expect(a).toEqual(b);
  });

  test("indices beyond an embedding are refused, also for a backward that would write there", async () => {
    const model = new nn.Embedding(1000, 8, { scaleGradByFreq: true });
    const step = optim.create(model, { method: "none", base: { name: "sgd", lr: 0.1 } }).compile((ids: Tensor) => model.forward(ids).square().mean());
    await expect(step(torch.tensor([1, 2, 1_000_000], { dtype: "int64" }))).rejects.toThrow(/index out of range/i);
    expect(Number.isFinite((await step(torch.tensor([1, 2, 999], { dtype: "int64" }))).loss)).toBe(true);
  });

  test("its noise does not disturb what this thread draws meanwhile", async () => {
    const model = convnet();
    const [x, y] = batch();
    const step = optim.create(model, { method: "none", base: { name: "sgd", lr: 0 } }).compile((x: Tensor, y: Tensor) => crossEntropy(model.forward(x), y));
    torch.manualSeed(3);
    const wanted = torch.rand([5]).toArray();
    torch.manualSeed(3);
    const asked = step(x, y);
    const got = torch.rand([5]).toArray(); // the step itself is asked for when its program is there
    expect(got).toEqual(wanted);
    await asked;
  });

  test("operators that rely on places in tensors are recorded with all values", async () => {
    const bags = () => {
      torch.manualSeed(0);
      return new nn.EmbeddingBag(2000, 8, { mode: "sum" });
    };
    const ids = torch.arange(6000).remainder(2000);
    const offsets = torch.tensor([0, 7, 4000], { dtype: "int64" });
    const losses = await Promise.all([true, false].map(async (promise) => {
      const model = bags();
      const step = optim.create(model, { method: "none", base: { name: "sgd", lr: 0.1 } }).compile((ids: Tensor, offsets: Tensor) => model.forward(ids, offsets).square().mean());
      const { loss } = promise ? await step(ids, offsets) : step.sync(ids, offsets);
      expect(step.programs[0]!.computed).toBe(true);
      return loss;
    }));
    expect(losses[0]).toBe(losses[1]);
  });

  test("an error of the loss function comes through, and the function was called once", async () => {
    const model = new nn.Linear(100, 100);
    let calls = 0;
    const step = optim.create(model, { method: "none", base: { name: "sgd", lr: 0.1 } }).compile((x: Tensor) => {
      calls++;
      model.forward(x);
      throw new RangeError("no");
    });
    await expect(step(torch.ones([64, 100]))).rejects.toThrow(RangeError);
    expect(calls).toBe(1);
    expect(torch.ones([70, 70]).mm(torch.ones([70, 70])).sum().item()).toBe(70 ** 3); // it computes again
  });

  test("a shape that does not fit is refused in the operator's words", async () => {
    const model = new nn.Linear(100, 100);
    const step = optim.create(model, { method: "none", base: { name: "sgd", lr: 0.1 } }).compile((x: Tensor) => model.forward(x).mm(x).sum());
    await expect(step(torch.ones([64, 100]))).rejects.toThrow(/mat1 and mat2 shapes cannot be multiplied \(64x100 and 64x100\)/);
  });
});
