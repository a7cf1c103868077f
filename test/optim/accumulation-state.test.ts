import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { compiled, crossEntropy, net, plain, sgd, state, windows, type Batch, type Window } from "./micro-batches.js";

// Saving and loading in the middle of a step that is accumulated.

describe("a saved state goes on in the middle of a step", () => {
  const json = (value: unknown) => {
    const kept: Tensor[] = [];
    const text = JSON.stringify(value, (_, each: unknown) => (each instanceof torch.Tensor ? { tensor: kept.push(each) - 1 } : each));
    return JSON.parse(text, (_, each: unknown) => (typeof each === "object" && each !== null && "tensor" in each ? kept[each.tensor as number]! : each)) as optim.OptimizerState;
  };
  const cases = [
    { method: "sam", rho: 0.3 },
    { method: "sam", rho: 0.3, sameNoise: false },
    { method: "sam", rho: 0.3, probability: 0.5, accumulate: "shard" },
    { method: "random", accumulate: "shard" },
    { method: "momentum", rho: 0.5 },
    { method: "parallel", base: plain },
    { method: "bilevel" },
  ];

  test.each(cases)("bit for bit, with dropout: %j", async (own) => {
    const options = { base: sgd, accumulationSteps: 3, ...own };
    const micros = windows(3, [3, 5, 2]).flatMap((window) => window.micros);
    const run = async (saveAfter: number[]) => {
      let model = net(0.4);
      let { optimizer, step } = compiled(model, options);
      const reports: optim.StepReport[] = [];
      torch.manualSeed(7);
      for (const [i, micro] of micros.entries()) {
        if (saveAfter.includes(i)) {
          const saved = json(optimizer.stateDict());
          expect(saved.window).toHaveLength(i % 3);
          const [weights, generator] = [model.stateDict(), torch.defaultGenerator().getState()];
          model = net(0.4);
          model.loadStateDict(weights);
          ({ optimizer, step } = compiled(model, options));
          optimizer.loadStateDict(saved);
          expect(optimizer.stateDict().window).toHaveLength(i % 3);
          torch.defaultGenerator().setState(generator);
        }
        reports.push(i % 2 === 0 ? await step(...micro) : step.sync(...micro));
      }
      return { reports, weights: state(model), generator: torch.defaultGenerator().getState().toArray() };
    };
    const wanted = await run([]);
    expect(await run([2])).toEqual(wanted);
    expect(await run([4, 5, 6])).toEqual(wanted);
  });

  test("of several compiled steps, with arguments of any kind", async () => {
    const setUp = () => {
      const model = net();
      const optimizer = optim.create(model, { method: "sam", base: sgd, accumulationSteps: 3 });
      const first = optimizer.compile<[{ x: Tensor; y: Tensor }]>(({ x, y }) => nn.functional.crossEntropy(model.forward(x), y));
      const second = optimizer.compile<[Tensor, number, Tensor]>((x, factor, y) => nn.functional.crossEntropy(model.forward(x), y).mul(factor));
      return { model, optimizer, first, second };
    };
    const [[a, b, c]] = windows(1, [3, 4, 2]).map(({ micros }) => micros) as [[Batch, Batch, Batch]];
    const reference = setUp();
    await reference.first({ x: a[0], y: a[1] });
    await reference.second(b[0], 0.5, b[1]);
    const saved = json(reference.optimizer.stateDict());
    expect(saved.window.map(({ compiled }) => compiled)).toEqual([0, 1]);
    expect(saved.window[1]!.args[1]).toBe(0.5);
    await reference.second(c[0], 2, c[1]);
    const resumed = setUp();
    resumed.optimizer.loadStateDict(saved);
    await resumed.second(c[0], 2, c[1]);
    expect(state(resumed.model)).toEqual(state(reference.model));

    const alone = net();
    const optimizer = optim.create(alone, { method: "sam", base: sgd, accumulationSteps: 3 });
    optimizer.loadStateDict(saved);
    const step = optimizer.compile<[{ x: Tensor; y: Tensor }]>(({ x, y }) => nn.functional.crossEntropy(alone.forward(x), y));
    await expect(step({ x: c[0], y: c[1] })).rejects.toThrow(/compiled step 1: compile the same functions/);
  });

  test("refuses a window that does not fit, and changes nothing", () => {
    const { optimizer } = compiled(net(), { method: "sam", base: sgd, accumulationSteps: 3 });
    const { optimizer: shorter } = compiled(net(), { method: "sam", base: sgd, accumulationSteps: 2 });
    const [{ micros }] = windows(1, [3, 4]) as [Window];
    const generators = [torch.defaultGenerator().getState()];
    const full = { ...optimizer.stateDict(), steps: 4, window: micros.map((args) => ({ compiled: 0, args, generators })) };
    expect(() => shorter.loadStateDict(full)).toThrow(/Expected fewer than 2 micro-batches for state.window/);
    for (const [wrong, message] of [
      [{ compiled: -1, args: [], generators }, /window\[0\]\.compiled/],
      [null, /window\[0\]\.compiled/],
      [{ compiled: 0, args: 3, generators }, /window\[0\]\.args/],
      [{ compiled: 0, args: [], generators: [3] }, /window\[0\]\.generators/],
      [{ compiled: 0, args: [], generators: [torch.ones([3])] }, /window\[0\]\.generators/],
    ] as const) {
      expect(() => optimizer.loadStateDict({ ...full, window: [wrong] as never })).toThrow(message);
    }
    expect(optimizer.stateDict()).toMatchObject({ steps: 0, window: [] });
    // What only shows when the micro-batches are taken again: the error is told, and the next call begins a new step.
    const { optimizer: other, step } = compiled(net(), { method: "sam", base: sgd, accumulationSteps: 3 });
    const [first, second] = full.window;
    const before = torch.defaultGenerator().getState().toArray();
    other.loadStateDict({ ...full, window: [first!, { ...second!, generators: [torch.ones([3], { dtype: "uint8" })] }] });
    expect(() => step.sync(...micros[0]!)).toThrow();
    expect(other.stateDict().window).toEqual([]);
    expect(step.sync(...micros[0]!).updated).toBe(false);
    expect(other.stateDict().window).toHaveLength(1);
    expect(torch.defaultGenerator().getState().toArray()).toEqual(before);
  });
});
