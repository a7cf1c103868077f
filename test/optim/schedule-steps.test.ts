import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// Schedules inside the optimizer, beside a loop that sets lr and rho by hand from the same formula.

const base = { name: "sgd", lr: 0.4, momentum: 0.9 } as const;

function net(): nn.Linear {
  torch.manualSeed(3);
  return new nn.Linear(4, 2, { dtype: "float64" });
}

function batches(count: number): [Tensor, Tensor][] {
  torch.manualSeed(5);
  return Array.from({ length: count }, () => [torch.randn([6, 4], { dtype: "float64" }), torch.randn([6, 2], { dtype: "float64" })]);
}

const cosine = (step: number, total: number) => (1 + Math.cos((Math.PI * Math.min(step, total)) / total)) / 2;

describe("schedules count the optimizer's own steps", () => {
  test.each(["awaited", "queued", "sync", "closure"] as const)("lr and rho, %s", async (form) => {
    const reference = net();
    const byHand = optim.create(reference, { method: "sam", rho: 0.2, base });
    const referenceStep = byHand.compile((x, y) => nn.functional.mseLoss(reference.forward(x), y));
    const model = net();
    const optimizer = optim.create(model, {
      method: "sam",
      rho: 0.2,
      base,
      lrSchedule: { name: "cosine", totalSteps: 8 },
      rhoSchedule: { name: "proportional" },
    });
    const loss = (x: Tensor, y: Tensor) => nn.functional.mseLoss(model.forward(x), y);
    const step = optimizer.compile(loss);
    const queue: Promise<unknown>[] = [];
    for (const [s, [x, y]] of batches(8).entries()) {
      byHand.lr = 0.4 * cosine(s, 8);
      byHand.rho = 0.2 * cosine(s, 8);
      referenceStep.sync(x, y);
      if (form === "sync") step.sync(x, y);
      else if (form === "closure") optimizer.step(() => loss(x, y));
      else if (form === "queued") queue.push(step(x, y));
      else await step(x, y);
    }
    await Promise.all(queue);
    expect(model.weight.toArray()).toEqual(reference.weight.toArray());
    expect(optimizer.scheduled[0]!["lr"]).toBeCloseTo(0, 15);
    expect(optimizer.lr).toBe(0.4);
  });

  test("a skipped step does not count, also among queued ones", async () => {
    const data = batches(5);
    const bad = torch.full([6, 4], NaN, { dtype: "float64" });
    const run = async (inputs: [Tensor, Tensor][], queued: boolean) => {
      const model = net();
      const optimizer = optim.create(model, { method: "sam", rho: 0.1, nonFinite: "skip", base, lrSchedule: { name: "exponential", gamma: 0.5 } });
      const step = optimizer.compile((x, y) => nn.functional.mseLoss(model.forward(x), y));
      const reports = [];
      if (queued) reports.push(...(await Promise.all(inputs.map(([x, y]) => step(x, y)))));
      else for (const [x, y] of inputs) reports.push(await step(x, y));
      return { weight: model.weight.toArray(), skipped: reports.map(({ skipped }) => skipped), lr: optimizer.scheduled[0]!["lr"] };
    };
    const clean = await run(data, false);
    const withBad: [Tensor, Tensor][] = [data[0]!, [bad, data[0]![1]], data[1]!, [bad, data[0]![1]], ...data.slice(2)];
    for (const queued of [false, true]) {
      const { weight, skipped, lr } = await run(withBad, queued);
      expect(skipped).toEqual([false, true, false, true, false, false, false]);
      expect(weight).toEqual(clean.weight);
      expect(lr).toBe(0.4 * 0.5 ** 5);
    }
  });

  test("a saved state goes on in the middle of a schedule; a plateau keeps what it saw", async () => {
    const create = (model: nn.Module) => optim.create(model, { method: "sam", rho: 0.1, base, lrSchedule: { name: "plateau", factor: 0.5, patience: 0 } });
    const data = batches(4);
    const model = net();
    const optimizer = create(model);
    const step = optimizer.compile((x, y) => nn.functional.mseLoss(model.forward(x), y));
    for (const [x, y] of data.slice(0, 2)) await step(x, y);
    optimizer.reportMetric(1);
    optimizer.reportMetric(2);
    expect(optimizer.scheduled[0]!["lr"]).toBe(0.2);
    const [weights, state] = [Object.fromEntries(Object.entries(model.stateDict()).map(([name, t]) => [name, t.clone()])), optimizer.stateDict()];
    const other = net();
    other.loadStateDict(weights);
    const resumed = create(other);
    resumed.loadStateDict(state);
    expect(resumed.scheduled).toEqual(optimizer.scheduled);
    const resumedStep = resumed.compile((x, y) => nn.functional.mseLoss(other.forward(x), y));
    for (const [x, y] of data.slice(2)) {
      await step(x, y);
      await resumedStep(x, y);
    }
    expect(other.weight.toArray()).toEqual(model.weight.toArray());
  });

  test("refuses what makes no sense", () => {
    const model = net();
    const refused: [object, string][] = [
      [{ method: "none", base, rhoSchedule: { name: "constant" } }, "has no radius"],
      [{ method: "sam", base, lrSchedule: { name: "cosin", totalSteps: 5 } }, 'Did you mean "cosine"?'],
      [{ method: "sam", base, lrSchedule: { name: "proportional" } }, "it is for options.rhoSchedule"],
      [{ method: "sam", base, every: 2, probability: 0.5 }, "received both"],
      [{ method: "look", base, every: 2 }, 'Unknown option "every"'],
      [{ method: "sam", base, lossScale: 0 }, "Expected a positive number for options.lossScale but received 0 of type number."],
      [{ method: "sam", base, lossScale: { initail: 4 } }, 'Did you mean "initial"?'],
    ];
    for (const [options, message] of refused) expect(() => optim.create(model, options as never)).toThrow(message);
    expect(() => optim.create(model, { method: "sam", base }).reportMetric(1)).toThrow('only "plateau" does');
  });
});
