import { afterEach, describe, expect, test, vi } from "vitest";
import { nn, optim, torch, type Tensor } from "../../lib/index.js";
import { distance } from "../support/python.js";
import { compare, nets, sgd, trained, watch } from "./device-steps.js";
import { Golden, names } from "./golden-cases.js";

// The form of a step that a GPU captures, here call by call: with learning rates as float32, as the fused kernels want them.
const tolerance = { relative: 2e-7, absolute: 1e-12 };

afterEach(() => {
  vi.restoreAllMocks();
});

/** The public trajectories of methods that have the form: K-SAM has none. */
const golden = names.filter((name) => name !== "k-sam");

test.each(golden)("golden trajectory %s", async (name) => {
  const golden = new Golden(name);
  const count = watch();
  const { model, optimizer, step } = golden.setUp({ graphs: "uncaptured" });
  for (let s = 0; s < golden.spec.steps; s++) {
    if (golden.spec.learningRates !== null) optimizer.lr = golden.spec.learningRates[s]!;
    const [x, y] = golden.batch(s);
    if (golden.draws) torch.manualSeed(golden.spec.seed + s);
    golden.judge(s, await step(x, y), model.stateDict(), tolerance);
  }
  expect(count()).toBeGreaterThanOrEqual(golden.spec.steps - 1); // the first step makes the state
});

describe("weights, buffers and reports of the ordinary steps", () => {
  test.each([
    { method: "none", base: { name: "sgd", lr: 0.125, momentum: 0.9, nesterov: true } },
    { method: "none", base: { name: "sgd", lr: 0.125, maximize: true } },
    { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.125 } },
    { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.125, maximize: true } },
    { method: "sam", rho: 0.1, startStep: 3, base: sgd },
    { method: "sam", rho: 0.1, every: 3, base: sgd },
    { method: "sam", rho: 0.1, maxGradNorm: 0.05, base: sgd },
    { method: "sam", rho: 0.1, maxGradValue: 0.01, base: { name: "adam", lr: 0.125, amsgrad: true } },
    { method: "sam", rho: 0.1, base: { name: "adamw", lr: 0.125 } },
    { method: "msam", rho: 0.1, shards: 5, base: sgd },
    { method: "msam", rho: 0.1, shards: 3, base: { name: "adamw", lr: 0.125 } },
    { method: "asam", rho: 0.5, base: sgd },
    { method: "gsam", alpha: 0.3, rho: 0.1, base: sgd },
    { method: "friendly", rho: 0.1, base: sgd },
    { method: "vasso", rho: 0.1, theta: 0.3, base: sgd },
    { method: "look", k: 3, rho: 0.1, base: sgd },
    { method: "momentum", rho: 0.5, base: sgd },
    { method: "weighted", rho: 0.1, gamma: 0.75, base: sgd },
    { method: "norm-only", rho: 0.5, base: sgd },
    { method: "fisher", rho: 0.1, base: sgd },
    { method: "stable", rho: 0.1, base: sgd },
    { method: "curvature", rho: 0.1, base: sgd },
    { method: "async", rho: 0.1, base: sgd },
    { method: "randomized", rho: 0.1, p: 0.5, base: sgd },
    { method: "gam", rho: 0.1, base: sgd },
    { method: "bilevel", rho: 0.1, base: sgd },
    { method: "gasam", rho: 0.5, base: sgd },
    { method: "gasam", rho: 0.5, alpha: 0.5, beta: 0.5, gamma: 1, steps: 3, base: { name: "adam", lr: 0.125 } },
  ] as optim.OptimizerOptions[])("%j", (options) => {
    compare(options);
  });

  test.each([
    { name: "lion", lr: 0.01, weightDecay: 0.5 },
    { name: "rmsprop", lr: 0.01, centered: true, momentum: 0.5, weightDecay: 0.1 },
    { name: "rmsprop", lr: 0.01 },
    { name: "adadelta", lr: 1, weightDecay: 0.1 },
    { name: "adagrad", lr: 0.05, lrDecay: 0.1, weightDecay: 0.1, initialAccumulatorValue: 0.01 },
    { name: "adamax", lr: 0.01, weightDecay: 0.1 },
    { name: "nadam", lr: 0.01, weightDecay: 0.1, decoupledWeightDecay: true },
    { name: "radam", lr: 0.01, weightDecay: 0.1 },
    { name: "asgd", lr: 0.05, t0: 3, lambd: 0.1, weightDecay: 0.1 },
    { name: "rprop", lr: 0.01 },
    { name: "lamb", lr: 0.01, weightDecay: 0.1 },
    { name: "adafactor", lr: 0.02, weightDecay: 0.1 },
    { name: "adafactor-t5", lr: 0.02, weightDecay: 0.1, relativeStep: false, scaleParameter: false, beta1: 0.5 },
    { name: "adafactor-t5" },
  ] as optim.BaseOptions[])("over the base optimizer %j, with steps that are skipped", (base) => {
    const options = { method: "sam", rho: 0.1, nonFinite: "skip", base } as const;
    // No batch norm: a bias before it has rounding alone for a gradient, of which rules that look at signs make whole steps.
    const setting = { net: "dropout", steps: 12, bad: [5], fewest: 10 } as const;
    compare(options, setting);
    const [usual, other] = [{}, { graphs: "uncaptured" } as const].map((compile) => trained(options, compile, setting).state);
    expect(Object.keys(other!.tensors).sort()).toEqual(Object.keys(usual!.tensors).sort());
    for (const [name, tensor] of Object.entries(usual!.tensors)) expect(distance(other!.tensors[name]!, tensor), name).toBeLessThan(1e-9);
  });

  test.each([
    { method: "none", base: sgd },
    { method: "sam", rho: 0.5, base: sgd },
    { method: "sam", rho: 0.5, sameNoise: false, base: sgd },
    { method: "sam", rho: 0.5, ascentFraction: 0.25, base: sgd },
    { method: "msam", rho: 0.5, shards: 3, base: sgd },
    { method: "curvature", rho: 0.5, base: sgd },
    { method: "gam", rho: 0.1, base: sgd },
    { method: "randomized", rho: 0.5, p: 0.5, base: sgd },
  ] as optim.OptimizerOptions[])("of a net with dropout: %j", (options) => {
    compare(options, { net: "dropout" });
  });

  test("after steps that met infinity, random numbers included", () => {
    compare({ method: "sam", rho: 0.5, nonFinite: "skip", base: sgd }, { net: "dropout", bad: [3, 6], fewest: 5 });
    compare({ method: "randomized", p: 0.5, rho: 0.5, nonFinite: "skip", base: sgd }, { net: "dropout", bad: [3, 6], fewest: 5 });
    compare({ method: "friendly", rho: 0.5, nonFinite: "skip", base: sgd }, { bad: [3, 6], fewest: 5 });
  });

  test.each([
    { method: "sam", rho: 0.1, lossScale: 1024, base: sgd },
    { method: "gsam", rho: 0.1, lossScale: { initial: 2 ** 10, interval: 2 }, base: sgd },
    { method: "msam", rho: 0.1, shards: 2, maxGradNorm: 0.05, lossScale: { initial: 2 ** 100, interval: 3 }, base: sgd },
  ] as optim.OptimizerOptions[])("with a loss scale: %j", (options) => {
    compare(options, { fewest: 5 });
  });

  test("a loss scale that is found, with steps skipped on the way", () => {
    const options = { method: "sam", rho: 0.1, nonFinite: "skip", lossScale: { initial: 2 ** 20, interval: 2 }, base: sgd } as const;
    compare(options, { bad: [2, 5], fewest: 5 });
    const [usual, other] = [{}, { graphs: "uncaptured" } as const].map((compile) => trained(options, compile, { bad: [2, 5] }).state);
    expect(other!.lossScale).toEqual(usual!.lossScale);
  });
});

describe("parameters of half precision", () => {
  const rounding = { float16: 2 ** -11, bfloat16: 2 ** -8 };
  const run = (dtype: keyof typeof rounding, options: optim.OptimizerOptions, compile: optim.CompileOptions, size = 1) => {
    const count = watch();
    torch.manualSeed(0);
    const net = new nn.Sequential(new nn.Linear(6, 16), new nn.Tanh(), new nn.Linear(16, 3)).to(dtype);
    const step = optim.create(net, options).compile((x: Tensor, y: Tensor) => nn.functional.crossEntropy(net.forward(x).to("float32"), y).mul(size), compile);
    torch.manualSeed(1);
    const reports = Array.from({ length: 6 }, () => step.sync(torch.randn([10, 6], { dtype }), torch.randint(0, 3, [10])));
    return { reports, weights: net.parameters().map((each) => each.detach().to("float64")), count: count() };
  };
  const bases = [sgd, { name: "adamw", lr: 0.01 }] as const;
  const cases: optim.OptimizerOptions[] = bases.flatMap((base) => [
    { method: "none", base },
    { method: "sam", rho: 0.1, base },
    // Not over AdamW in float16, whose squares of so small gradients are next to nothing there.
    { method: "sam", rho: 0.1, maxGradNorm: base.name === "sgd" ? 0.05 : 5, lossScale: 64, base },
    { method: "msam", rho: 0.1, shards: 5, base },
    { method: "gsam", alpha: 0.3, rho: 0.1, base },
    { method: "weighted", rho: 0.1, gamma: 0.75, base },
    { method: "gam", rho: 0.1, base },
    { method: "gasam", rho: 0.5, alpha: 0.5, beta: 0.5, gamma: 1, steps: 2, base },
  ]);
  test.each((["float16", "bfloat16"] as const).flatMap((dtype) => cases.map((options) => [dtype, options] as const)))("%s: %j", (dtype, options) => {
    const [usual, other] = [run(dtype, options, {}), run(dtype, options, { graphs: "uncaptured" })];
    expect(other.count).toBeGreaterThanOrEqual(5);
    usual.reports.forEach(({ loss, gradNorm }, s) => {
      expect(Math.abs(other.reports[s]!.loss / loss - 1)).toBeLessThan(8 * rounding[dtype]);
      expect(Math.abs(other.reports[s]!.gradNorm / gradNorm - 1)).toBeLessThan(32 * rounding[dtype]); // AdamW makes much of rounding
    });
    usual.weights.forEach((weight, k) => expect(distance(other.weights[k]!, weight)).toBeLessThan(8 * rounding[dtype]));
  });

  test.each([{ method: "sam" }, { method: "gasam", steps: 3 }] as const)("a factor that is too large for the dtype is none for it: %j", (method) => {
    // ρ/‖g‖ is far above float16's 65,504.
    const options = { ...method, rho: 0.25, base: { name: "sgd", lr: 1000 } } as const;
    const [usual, other] = [run("float16", options, {}, 2 ** -20), run("float16", options, { graphs: "uncaptured" }, 2 ** -20)];
    expect(other.reports[0]!.gradNorm).toBeLessThan(0.25 / 65504);
    expect(other.count).toBeGreaterThanOrEqual(5);
    usual.reports.forEach(({ loss, perturbedLoss }, s) => {
      expect(perturbedLoss! / loss).toBeGreaterThan(1.05);
      expect(Math.abs(other.reports[s]!.perturbedLoss! / perturbedLoss! - 1)).toBeLessThan(0.01);
    });
  });
});

test("convolutions whose weights are brought into another order", () => {
  const run = (options: optim.OptimizerOptions, compile: optim.CompileOptions) => {
    const count = watch();
    torch.manualSeed(0);
    const net = new nn.Sequential(new nn.Conv2d(3, 8, 3), new nn.BatchNorm2d(8), new nn.ReLU(), new nn.Conv2d(8, 4, 3, { stride: 2 }), new nn.Flatten(), new nn.Linear(4 * 9, 3));
    const step = optim.create(net, options).compile((x: Tensor, y: Tensor) => nn.functional.crossEntropy(net.forward(x), y), compile);
    torch.manualSeed(1);
    for (let s = 0; s < 6; s++) step.sync(torch.randn([8, 3, 10, 10]), torch.randint(0, 3, [8]));
    return { weights: [...net.parameters(), ...net.buffers()].map((each) => each.detach().to("float64")), count: count() };
  };
  for (const options of [
    { method: "sam", rho: 0.1, base: sgd },
    { method: "msam", shards: 4, rho: 0.1, base: sgd },
    { method: "weighted", rho: 0.1, gamma: 0.75, maxGradNorm: 0.5, base: sgd },
    { method: "friendly", rho: 0.1, base: sgd },
  ] as optim.OptimizerOptions[]) {
    const [usual, other] = [run(options, {}), run(options, { graphs: "uncaptured" })];
    expect(other.count).toBeGreaterThanOrEqual(5);
    usual.weights.forEach((weight, k) => expect(distance(other.weights[k]!, weight), JSON.stringify(options)).toBeLessThan(1e-4));
  }
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

describe("what has no such form is taken as always, and explain() says why", () => {
  test.each([
    [{ method: "sparse", rho: 0.1, base: sgd }, 'the method\'s part direction "mask" has no form that stays on a GPU'],
    [{ method: "parallel", rho: 0.1, base: { name: "sgd", lr: 0.125 } }, 'the method\'s part rule "parallel" has no form that stays on a GPU'],
    [{ method: "adaptive-schedule", totalSteps: 8, rho: 0.1, base: sgd }, 'the method\'s part when "gradientStatistics" has no form that stays on a GPU'],
    [{ method: "none", base: { name: "lbfgs", lr: 0.125 } }, "the base optimizer lbfgs has no form that stays on a GPU"],
    [{ method: "msam", rho: 0.1, shards: 1, accumulationSteps: 2, accumulate: "shard", base: sgd }, "each micro-batch of a step perturbs the weights by itself"],
    [{ method: "momentum", rho: 0.1, accumulationSteps: 2, base: sgd }, 'the method\'s part climb "momentum" has no form over micro-batches that stays on a GPU'],
  ] as [optim.OptimizerOptions, string][])("%j", (options, reason) => {
    const count = watch();
    const usual = trained(options, {});
    const other = trained(options, { graphs: "uncaptured" });
    usual.weights.forEach((tensor, k) => expect(distance(other.weights[k]!, tensor)).toBe(0));
    expect(count()).toBe(0);
    expect(other.explained).toContain(`Steps are not captured in a CUDA graph: ${reason}.`);
    expect(usual.explained).not.toContain("CUDA graph");
  });

  test("weights on the CPU, a backward of autograd's, another dtype", () => {
    const count = watch();
    const sam = { method: "sam", rho: 0.1, base: sgd } as const;
    expect(trained(sam, { graphs: "uncaptured" }).explained).toMatch(/\nSteps are taken as `graphs` says\.$/);
    expect(count()).toBe(7);
    expect(trained(sam, { graphs: true }).explained).toMatch(/\nSteps are not captured in a CUDA graph: the weights are not on a GPU\.$/);
    const explained = (dtype: "float64" | "bfloat16", loss: (x: Tensor) => Tensor, options: optim.OptimizerOptions = sam) => {
      const net = new nn.Linear(3, 1).to(dtype);
      const step = optim.create(net, options).compile((x: Tensor) => loss(net.forward(x)), { graphs: "uncaptured" });
      for (let s = 0; s < 3; s++) step.sync(torch.ones([4, 3], { dtype }));
      return step.explain();
    };
    expect(explained("float64", (y) => y.add(2).prod())).toContain("not captured in a CUDA graph: autograd runs the backward.");
    const rmsprop = { method: "sam", rho: 0.1, base: { name: "rmsprop", lr: 0.125 } } as const;
    const reason = "not captured in a CUDA graph: the base optimizer rmsprop has no form that stays on a GPU for parameters in float16 or bfloat16.";
    expect(explained("bfloat16", (y) => y.pow(2).mean(), rmsprop)).toContain(reason);
    expect(count()).toBe(7);
  });
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

test("ordinary steps in between go on from what those of that form remember", () => {
  const run = (other: optim.CompileOptions) => {
    const count = watch();
    torch.manualSeed(0);
    const net = nets.norms().to("float64");
    const optimizer = optim.create(net, { method: "look", rho: 0.3, k: 5, alpha: 0.5, base: { name: "sgd", lr: 0.1, momentum: 0.9 } });
    const loss = (x: Tensor, y: Tensor) => nn.functional.crossEntropy(net.forward(x), y);
    const [usual, fixed] = [optimizer.compile(loss), optimizer.compile(loss, other)];
    torch.manualSeed(1);
    for (let s = 0; s < 12; s++) (s % 6 === 0 ? usual : fixed).sync(torch.randn([10, 6], { dtype: "float64" }), torch.randint(0, 3, [10]));
    return { weights: net.parameters().map((each) => each.detach()), count: count() };
  };
  const [usual, mixed] = [run({}), run({ graphs: "uncaptured" })];
  expect(mixed.count).toBeGreaterThanOrEqual(9);
  usual.weights.forEach((weight, k) => expect(distance(mixed.weights[k]!, weight)).toBeLessThan(1e-6)); // learning rates in float32
});

test("look: a parameter without a gradient in a step that reuses is left alone in that form, too", () => {
  const run = (compile: optim.CompileOptions) => {
    const count = watch();
    torch.manualSeed(0);
    const [a, b, c] = [new nn.Linear(6, 6), new nn.Linear(6, 6), new nn.Linear(6, 3)];
    const net = new nn.Sequential(a, b, c).to("float64");
    const optimizer = optim.create(net, { method: "look", rho: 0.3, k: 2, alpha: 0.5, base: { name: "sgd", lr: 0.1, momentum: 0.9, weightDecay: 0.1 } });
    const step = optimizer.compile((x: Tensor, y: Tensor, all: boolean) => nn.functional.crossEntropy(c.forward(all ? b.forward(a.forward(x)) : a.forward(x)), y), compile);
    torch.manualSeed(1);
    for (let s = 0; s < 12; s++) {
      const before = b.weight.detach().clone();
      step.sync(torch.randn([10, 6], { dtype: "float64" }), torch.randint(0, 3, [10]), s % 2 === 0);
      expect(torch.equal(b.weight.detach(), before)).toBe(s % 2 === 1);
    }
    return { weights: net.parameters().map((each) => each.detach()), count: count() };
  };
  const [usual, fixed] = [run({}), run({ graphs: "uncaptured" })];
  expect(fixed.count).toBeGreaterThanOrEqual(8);
  usual.weights.forEach((weight, k) => expect(distance(fixed.weights[k]!, weight)).toBeLessThan(1e-6)); // learning rates in float32
});

test("a state of another dtype goes on in the weights'", () => {
  const run = (compile: optim.CompileOptions) => {
    torch.manualSeed(0);
    const net = nets.norms().to("float64");
    const optimizer = optim.create(net, { method: "none", base: { name: "adafactor", lr: 0.05 } });
    const step = optimizer.compile((x: Tensor, y: Tensor) => nn.functional.crossEntropy(net.forward(x), y), compile);
    torch.manualSeed(1);
    for (let s = 0; s < 6; s++) {
      if (s === 3) {
        const state = optimizer.stateDict();
        optimizer.loadStateDict({ ...state, tensors: Object.fromEntries(Object.entries(state.tensors).map(([name, tensor]) => [name, tensor.to("float32")])) });
      }
      step.sync(torch.randn([10, 6], { dtype: "float64" }), torch.randint(0, 3, [10]));
    }
    return net.parameters().map((each) => each.detach());
  };
  const [usual, fixed] = [run({}), run({ graphs: "uncaptured" })];
  usual.forEach((weight, k) => expect(distance(fixed[k]!, weight)).toBeLessThan(1e-6));
});
