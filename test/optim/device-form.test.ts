import { afterEach, describe, expect, test, vi } from "vitest";
import { nn, optim, torch, type Tensor } from "../../lib/index.js";
import { native } from "../../lib/native.js";
import { distance } from "../support/python.js";
import { Golden } from "./golden-cases.js";

// The form of a step that a GPU captures, here call by call: with learning rates as float32, as the fused kernels want them.
const tolerance = { relative: 2e-7, absolute: 1e-12 };

afterEach(() => {
  vi.restoreAllMocks();
});

/** How many steps of the optimizers made since were taken in that form. */
function watch(): () => number {
  const created = vi.spyOn(native, "engineCreate");
  return () => created.mock.results.reduce((sum, { value }) => sum + native.engineStepsOnDevice(value as number), 0);
}

describe.each(["sam", "sam-adamw", "sam-bn-conv"])("golden trajectory %s", (name) => {
  test("in the form for devices", async () => {
    const golden = new Golden(name);
    const count = watch();
    const { model, optimizer, step } = golden.setUp({ graphs: "uncaptured" });
    for (let s = 0; s < golden.spec.steps; s++) {
      if (golden.spec.learningRates !== null) optimizer.lr = golden.spec.learningRates[s]!;
      const [x, y] = golden.batch(s);
      golden.judge(s, await step(x, y), model.stateDict(), tolerance);
    }
    expect(count()).toBeGreaterThanOrEqual(golden.spec.steps - 3); // the first steps make the state
  });
});

function trained(options: optim.OptimizerOptions, compile: optim.CompileOptions, steps = 8): { weights: Tensor[]; buffers: Tensor[]; reports: optim.StepReport[] } {
  torch.manualSeed(0);
  const net = new nn.Sequential(new nn.Linear(6, 8), new nn.BatchNorm1d(8), new nn.Tanh(), new nn.Linear(8, 3)).to("float64");
  const step = optim.create(net, options).compile((x: Tensor, y: Tensor) => nn.functional.crossEntropy(net.forward(x), y), compile);
  torch.manualSeed(1);
  const reports = Array.from({ length: steps }, () => step.sync(torch.randn([10, 6], { dtype: "float64" }), torch.randint(0, 3, [10])));
  return { weights: [...net.parameters()].map((each) => each.detach()), buffers: [...net.buffers()], reports };
}

test.each([
  { method: "none", base: { name: "sgd", lr: 0.125, momentum: 0.9, nesterov: true } },
  { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.125 } },
  { method: "sam", rho: 0.1, maxGradNorm: 0.05, base: { name: "sgd", lr: 0.125, momentum: 0.5, weightDecay: 0.01 } },
  { method: "sam", rho: 0.1, maxGradValue: 0.01, base: { name: "adam", lr: 0.125, amsgrad: true } },
  { method: "sam", rho: 0.1, base: { name: "adamw", lr: 0.125 } },
] as optim.OptimizerOptions[])("%j: weights, buffers and reports of the ordinary steps", (options) => {
  const count = watch();
  const [usual, other] = [trained(options, {}), trained(options, { graphs: "uncaptured" })];
  expect(count()).toBeGreaterThanOrEqual(5);
  for (const kind of ["weights", "buffers"] as const) usual[kind].forEach((tensor, k) => expect(distance(other[kind][k]!, tensor)).toBeLessThan(1e-8)); // Adam makes much of rounding
  usual.reports.forEach((report, s) => {
    for (const kind of ["loss", "perturbedLoss", "gradNorm"] as const) {
      if (report[kind] === undefined) expect(other.reports[s]![kind]).toBeUndefined();
      else expect(other.reports[s]![kind]).toBeCloseTo(report[kind], 10);
    }
    expect([other.reports[s]!.updated, other.reports[s]!.skipped]).toEqual([true, false]);
  });
});

test("a step that meets NaN leaves no trace, and the next one is taken", () => {
  torch.manualSeed(0);
  const net = new nn.Sequential(new nn.Linear(4, 4), new nn.BatchNorm1d(4), new nn.Linear(4, 1)).to("float64");
  const optimizer = optim.create(net, { method: "sam", nonFinite: "skip", base: { name: "adamw", lr: 0.125 } });
  const step = optimizer.compile((x: Tensor) => net.forward(x).pow(2).mean(), { graphs: "uncaptured" });
  const x = torch.randn([8, 4], { dtype: "float64" });
  for (let s = 0; s < 4; s++) step.sync(x);
  const state = () => JSON.stringify([net.stateDict(), optimizer.stateDict()], (_, value: unknown) => (value instanceof torch.Tensor ? Buffer.from(value.toBytes()).toString("base64") : value));
  const before = state();
  expect(step.sync(x.mul(NaN))).toMatchObject({ skipped: true, updated: false });
  expect(state()).toBe(before);
  expect(step.sync(x)).toMatchObject({ skipped: false, updated: true });
});

test("what has no such form is taken as always", () => {
  const count = watch();
  for (const options of [{ method: "asam", base: { name: "sgd", lr: 0.125 } }, { method: "sam", base: { name: "lion", lr: 0.125 } }] as optim.OptimizerOptions[]) {
    const [usual, other] = [trained(options, {}), trained(options, { graphs: true })];
    usual.weights.forEach((tensor, k) => expect(distance(other.weights[k]!, tensor)).toBe(0));
  }
  expect(count()).toBe(0);
});

test("a state that is loaded is taken over", () => {
  const make = () => {
    torch.manualSeed(0);
    const net = new nn.Linear(4, 2).to("float64");
    const optimizer = optim.create(net, { method: "sam", base: { name: "adam", lr: 0.125 } });
    return { net, optimizer, step: optimizer.compile((x: Tensor) => net.forward(x).pow(2).mean(), { graphs: "uncaptured" }) };
  };
  const x = torch.randn([8, 4], { dtype: "float64" });
  const [through, resumed] = [make(), make()];
  for (let s = 0; s < 8; s++) through.step.sync(x);
  for (let s = 0; s < 4; s++) resumed.step.sync(x);
  const states = [resumed.net.stateDict(), resumed.optimizer.stateDict()] as const;
  const again = make();
  again.step.sync(x);
  again.net.loadStateDict(states[0]);
  again.optimizer.loadStateDict(states[1]);
  for (let s = 0; s < 4; s++) again.step.sync(x);
  expect(distance(again.net.weight, through.net.weight)).toBeLessThan(1e-11);
});

test("a wrong option is refused", () => {
  expect(() => trained({ method: "sam", base: { name: "sgd", lr: 0.1 } }, { graphs: 1 as never })).toThrow('Expected true, false or "uncaptured" for options.graphs but received 1 of type number.');
});
