import { setImmediate } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { nn, optim, torch, type Tensor } from "../../lib/index.js";
import { distance } from "../support/python.js";
import { compare, nets, sgd, trained, watch } from "./device-steps.js";

// Steps over several micro-batches in the form that a GPU captures, here call by call.

afterEach(() => {
  vi.restoreAllMocks();
});

const three = { accumulationSteps: 3, rho: 0.1, base: sgd } as const;
test.each([
  { method: "none", accumulationSteps: 3, base: sgd },
  { method: "sam", ...three },
  { method: "sam", ...three, base: { name: "sgd", lr: 0.125, maximize: true } },
  { method: "sam", ...three, startStep: 1, every: 2, maxGradNorm: 0.05 },
  { method: "sam", ...three, probability: 0.5 },
  { method: "sam", ...three, lossScale: { initial: 1024, interval: 2 } },
  { method: "asam", ...three, rho: 0.5 },
  { method: "gsam", alpha: 0.3, ...three },
  { method: "look", k: 2, ...three },
  { method: "weighted", gamma: 0.75, ...three },
  { method: "gam", ...three },
  { method: "gasam", ...three, base: { name: "adam", lr: 0.125 } },
] as optim.OptimizerOptions[])("%j", (options) => {
  compare(options, { steps: 18, fewest: 5 });
});

test("of which one met infinity: its step is skipped, or the call throws and the next one begins a new step", () => {
  compare({ method: "sam", ...three, nonFinite: "skip" }, { steps: 15, bad: [4, 8], fewest: 2 });
  compare({ method: "sam", ...three, lossScale: { initial: 64, interval: 2 } }, { steps: 15, bad: [3], fewest: 3 });
  const run = (compile: optim.CompileOptions) => {
    torch.manualSeed(0);
    const net = nets.norms().to("float64");
    const step = optim.create(net, { method: "sam", ...three }).compile((x: Tensor) => net.forward(x).pow(2).mean(), compile);
    const x = torch.randn([10, 6], { dtype: "float64" });
    for (let s = 0; s < 4; s++) step.sync(x.mul(s + 1));
    expect(() => step.sync(x.mul(Infinity))).toThrow("holds NaN or infinity");
    const reports = Array.from({ length: 6 }, (_, s) => step.sync(x.mul(1 / (s + 1))));
    expect(reports.map(({ updated }) => updated)).toEqual([false, false, true, false, false, true]);
    return [...net.parameters(), ...net.buffers()].map((each) => each.detach());
  };
  const [usual, other] = [run({}), run({ graphs: "uncaptured" })];
  usual.forEach((tensor, k) => expect(distance(other[k]!, tensor)).toBeLessThan(1e-8));
});

test("of different sizes: those steps are taken as always", () => {
  const run = (compile: optim.CompileOptions) => {
    const count = watch();
    torch.manualSeed(0);
    const net = nets.norms().to("float64");
    const step = optim.create(net, { method: "sam", ...three }).compile((x: Tensor) => net.forward(x).pow(2).mean(), compile);
    torch.manualSeed(1);
    for (const samples of [8, 8, 8, 8, 8, 8, 8, 8, 5, 5, 8, 8, 8, 8, 8]) step.sync(torch.randn([samples, 6], { dtype: "float64" }));
    return { tensors: [...net.parameters(), ...net.buffers()].map((each) => each.detach()), count: count() };
  };
  const [usual, other] = [run({}), run({ graphs: "uncaptured" })];
  expect(other.count).toBe(2); // the first makes the momentum, the third and the fourth are of two sizes
  usual.tensors.forEach((tensor, k) => expect(distance(other.tensors[k]!, tensor)).toBeLessThan(1e-8));
});

test("saved in the middle of a step and loaded", () => {
  const make = () => {
    torch.manualSeed(0);
    const net = nets.norms().to("float64");
    const optimizer = optim.create(net, { method: "sam", ...three });
    return { net, optimizer, step: optimizer.compile((x: Tensor) => net.forward(x).pow(2).mean(), { graphs: "uncaptured" }) };
  };
  torch.manualSeed(1);
  const batches = Array.from({ length: 12 }, () => torch.randn([8, 6], { dtype: "float64" }));
  const through = make();
  for (const x of batches) through.step.sync(x);
  const first = make();
  for (const x of batches.slice(0, 8)) first.step.sync(x);
  const states = [first.net.stateDict(), first.optimizer.stateDict()] as const;
  expect(states[1].window).toHaveLength(2);
  const again = make();
  again.net.loadStateDict(states[0]);
  again.optimizer.loadStateDict(states[1]);
  for (const x of batches.slice(8)) again.step.sync(x);
  for (const [name, tensor] of Object.entries(through.net.stateDict())) expect(distance(again.net.stateDict()[name]!, tensor), name).toBeLessThan(1e-8);
});

// Each perturbed pass over a micro-batch drops what the pass at w over it dropped.
test.each([
  { method: "none", accumulationSteps: 3, base: sgd },
  { method: "sam", ...three, rho: 0.5 },
  { method: "sam", ...three, rho: 0.5, sameNoise: false },
  { method: "sam", ...three, every: 2 },
  { method: "gasam", ...three, steps: 2 },
  { method: "curvature", ...three },
  { method: "gam", ...three },
] as optim.OptimizerOptions[])("with dropout: %j", (options) => {
  compare(options, { net: "dropout", steps: 18, fewest: 5 });
});

test("with dropout, of which one met infinity: those before it are taken again, with what they dropped", () => {
  compare({ method: "sam", ...three, nonFinite: "skip" }, { net: "dropout", steps: 15, bad: [4, 8], fewest: 2 });
  compare({ method: "sam", ...three, nonFinite: "skip", sameNoise: false }, { net: "dropout", steps: 15, bad: [4, 8], fewest: 2 });
});

test("where the net and the method draw random numbers they are taken as always", () => {
  const options = { method: "sam", ...three, probability: 0.5 } as const;
  expect(trained(options, { graphs: "uncaptured" }, { net: "dropout" }).explained).toContain("not captured in a CUDA graph: over micro-batches both the net and the method draw random numbers.");
});

test("random numbers that are drawn meanwhile stay drawn where a step over micro-batches leaves its device form", async () => {
  torch.manualSeed(0);
  const net = new nn.Sequential(new nn.Linear(256, 512), new nn.Tanh(), new nn.Linear(512, 1));
  const step = optim.create(net, { method: "sam", accumulationSteps: 2, base: { name: "sgd", lr: 0.01 } }).compile((x: Tensor) => net.forward(x).square().mean(), { graphs: "uncaptured" });
  const [x, y] = [torch.randn([512, 256]), torch.randn([256, 256])];
  const numbers = (count: number) => Array.from({ length: count }, () => torch.rand([1]).item() as number);
  for (let s = 0; s < 2; s++) for (const each of [x, y]) await step(each);
  torch.manualSeed(1);
  const wanted = numbers(20_000);
  for (let s = 0; s < 5; s++) {
    torch.manualSeed(1);
    await step(x);
    let done = false;
    const running = step(y).finally(() => void (done = true));
    const got: number[] = [];
    while (!done && got.length < 19_000) {
      got.push(...numbers(50));
      await setImmediate();
    }
    await running;
    got.push(...numbers(50));
    expect(got).toEqual(wanted.slice(0, got.length));
  }
});
