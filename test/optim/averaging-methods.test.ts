import { describe, expect, test } from "vitest";
import { optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { distance } from "../support/python.js";
import { drawing, makeBatch, makeModel, methods, nets, over, lossFunction, titled } from "./nets.js";
import { bytes, everything, walk, type Walk } from "./walk.js";

// EMA and SWA weights with every method: they follow the steps and leave them alone.

// A second thread costs small tensors more than it gives.
torch.setNumThreads(1);

const all = [...methods, ...drawing];
const kinds: Record<string, optim.AverageOptions> = {
  ema: { kind: "ema", decay: 0.6 },
  swa: { kind: "swa", startStep: 1, every: 2 },
  "ema with buffers": { kind: "ema", decay: 0.3, useBuffers: true },
};

describe("averages of weights", () => {
  test.each(titled(all))("%s: are those of the steps' weights, skipped ones left out, and the steps stay what they were", async (_, options) => {
    const walked: Walk = { net: nets.norms, options: over(options, { nonFinite: "skip" }), seed: 31, steps: 7 };
    const plain = await walk(walked);
    const model = makeModel(nets.norms, 31);
    const optimizer = optim.create(model, walked.options as never) as optim.Optimizer;
    const step = optimizer.compile(lossFunction(nets.norms, model, options.method) as (x: Tensor, y: Tensor) => Tensor);
    const averages = Object.values(kinds).map((kind) => optim.average(model, kind));
    for (let s = 0; s < 7; s++) {
      const [x, y] = makeBatch(nets.norms, s === 6 ? 7 : 8, 31_000 + s);
      if (s === 3) for (const average of averages) average.update(step.sync(x.mul(NaN), y));
      torch.manualSeed(31 + s);
      // Not awaited before the next thing is asked for: an average waits for the steps that are under way.
      const report = step(x, y);
      for (const average of averages) average.update(await report);
      if (s === 4) averages[0]!.apply(() => torch.noGrad(() => void model.forward(x)));
    }
    expect(bytes(model.stateDict())).toEqual(bytes(plain.states.at(-1)!));
    expect(everything(model, optimizer)).toEqual(everything(plain.model, plain.optimizer));

    const last = plain.states.at(-1)!;
    const weights = new Set(model.namedParameters().map(([name]) => name));
    const floating = (name: string) => last[name]!.dtype === "float64";
    const ema = (name: string, decay: number) => plain.states.slice(1).reduce((a, state) => a.mul(decay).add(state[name]!, { alpha: 1 - decay }), plain.states[0]![name]!);
    const swa = (name: string) => [1, 3, 5].map((s) => plain.states[s]![name]!).reduce((sum, w) => sum.add(w)).div(3);
    const wanted: ((name: string) => Tensor)[] = [
      (name) => (weights.has(name) ? ema(name, 0.6) : last[name]!),
      (name) => (weights.has(name) ? swa(name) : plain.states[5]![name]!),
      (name) => (floating(name) ? ema(name, 0.3) : last[name]!),
    ];
    averages.forEach((average, i) =>
      average.apply(() => {
        for (const [name, tensor] of Object.entries(model.stateDict())) expect(distance(tensor, wanted[i]!(name)), `${Object.keys(kinds)[i]} ${name}`).toBeLessThan(1e-13);
      }),
    );
  });

  test.each(titled(all))("%s: training goes on from the average when it was put into the model", async (_, options) => {
    const run = async (start: Record<string, Tensor> | null) => {
      const model = makeModel(nets.layered, 32);
      const optimizer = optim.create(model, over(options) as never) as optim.Optimizer;
      const step = optimizer.compile(lossFunction(nets.layered, model, options.method) as (x: Tensor, y: Tensor) => Tensor);
      const average = optim.average(model, kinds["ema"]!);
      for (let s = 0; s < 5; s++) {
        if (s === 3 && start === null) {
          average.copyToModel();
          start = Object.fromEntries(Object.entries(model.stateDict()).map(([name, tensor]) => [name, tensor.clone()]));
        } else if (s === 3) {
          model.loadStateDict(start!);
        }
        torch.manualSeed(s);
        average.update(step.sync(...makeBatch(nets.layered, 8, s)));
      }
      return { start: start!, end: bytes(model.stateDict()) };
    };
    const { start, end } = await run(null);
    expect((await run(start)).end).toEqual(end);
  });
});

test("an average sees what accumulated steps came to, and nothing before", async () => {
  const options = over({ method: "sam", rho: 0.2 });
  const whole = await walk({ net: nets.layered, options, seed: 33, steps: 3 });
  const model = makeModel(nets.layered, 33);
  const step = optim.create(model, { ...options, accumulationSteps: 2 } as never).compile(lossFunction(nets.layered, model, "sam") as (x: Tensor, y: Tensor) => Tensor);
  const average = optim.average(model, { kind: "swa" });
  for (let s = 0; s < 3; s++) {
    const [x, y] = makeBatch(nets.layered, s === 2 ? 7 : 8, 33_000 + s);
    average.update(await step(x.narrow(0, 0, 3), y.narrow(0, 0, 3)));
    average.update(await step(x.narrow(0, 3, x.size(0) - 3), y.narrow(0, 3, y.size(0) - 3)));
  }
  expect(average.averaged).toBe(3);
  average.apply(() => {
    for (const [name, tensor] of Object.entries(model.stateDict())) {
      expect(distance(tensor, whole.states.map((state) => state[name]!).reduce((sum, w) => sum.add(w)).div(3)), name).toBeLessThan(1e-12);
    }
  });
});
