import { beforeAll, describe, expect, test } from "vitest";
import { nn, optim, torch, type Tensor } from "../../lib/index.js";
import { distance, needsPython, pack, python, unpack } from "../support/python.js";
import { randomNumbers } from "../support/random.mjs";
import { reference, type Case, type Run, type Trajectory } from "./base-reference.js";

// Every base optimizer beside PyTorch's: ten steps with given gradients, two groups, a parameter that is never used, one that
// sometimes has no gradient, and a learning rate that changes on the way.

const cases: Case[] = [
  { base: { name: "sgd", lr: 0.1 } },
  { base: { name: "sgd", lr: 0.1, momentum: 0.9, dampening: 0.3, weightDecay: 0.01 }, second: { momentum: 0.5, lr: 0.02 } },
  { base: { name: "sgd", lr: 0.1, momentum: 0.9, nesterov: true, maximize: true } },
  { base: { name: "adam" }, second: { betas: [0.5, 0.9], eps: 1e-3 } },
  { base: { name: "adam", lr: 0.01, amsgrad: true, weightDecay: 0.1, maximize: true } },
  { base: { name: "adam", lr: 0.01, decoupledWeightDecay: true, weightDecay: 0.1 } },
  { base: { name: "adamw", lr: 0.01 }, second: { weightDecay: 0 } },
  { base: { name: "adamw", lr: 0.01, betas: [0.8, 0.95], amsgrad: true } },
  { base: { name: "adafactor" }, second: { lr: 0.3 } },
  { base: { name: "adafactor", lr: 0.5, beta2Decay: -0.5, eps: [1e-4, 0.1], d: 1.5, weightDecay: 0.05, maximize: true }, second: { eps: [null, 0.01] } },
  { base: { name: "adafactor-t5" }, second: { beta1: 0.9, weightDecay: 0.1 } },
  { base: { name: "adafactor-t5", warmupInit: true, clipThreshold: 0.5, decayRate: -0.5, eps: [1e-8, 0.1] }, second: { scaleParameter: false } },
  { base: { name: "adafactor-t5", lr: 0.02, relativeStep: false, scaleParameter: false, beta1: 0.5, maximize: true }, second: { weightDecay: 0.1 } },
  { base: { name: "adagrad" }, second: { lrDecay: 0.1 } },
  { base: { name: "adagrad", lr: 0.1, lrDecay: 0.2, weightDecay: 0.1, initialAccumulatorValue: 0.5, eps: 1e-3, maximize: true } },
  { base: { name: "adadelta" }, second: { weightDecay: 0.3 } },
  { base: { name: "adadelta", lr: 0.5, rho: 0.7, eps: 1e-3, weightDecay: 0.1, maximize: true } },
  { base: { name: "adamax" }, second: { betas: [0.5, 0.7] } },
  { base: { name: "adamax", lr: 0.1, eps: 1e-2, weightDecay: 0.1, maximize: true } },
  { base: { name: "asgd" } },
  { base: { name: "asgd", lr: 0.1, lambd: 0.01, alpha: 0.5, t0: 3, weightDecay: 0.1, maximize: true }, second: { t0: 1, lambd: 0.1 } },
  { base: { name: "nadam" }, second: { momentumDecay: 0.1 } },
  { base: { name: "nadam", lr: 0.05, betas: [0.8, 0.99], weightDecay: 0.1, maximize: true }, second: { decoupledWeightDecay: true } },
  { base: { name: "radam", lr: 0.1 }, second: { betas: [0.9, 0.9] } },
  { base: { name: "radam", lr: 0.1, betas: [0.7, 0.95], eps: 1e-3, weightDecay: 0.1, maximize: true }, second: { decoupledWeightDecay: true } },
  { base: { name: "rmsprop" }, second: { alpha: 0.5, weightDecay: 0.1 } },
  { base: { name: "rmsprop", lr: 0.05, momentum: 0.9, centered: true, eps: 1e-3, maximize: true }, second: { momentum: 0 } },
  { base: { name: "rprop" }, second: { etas: [0.3, 1.5] } },
  { base: { name: "rprop", lr: 0.1, etas: [0.4, 1.4], stepSizes: [0.05, 0.2], maximize: true } },
  { base: { name: "lion" }, second: { betas: [0.5, 0.6] } },
  { base: { name: "lion", lr: 0.01, weightDecay: 0.5, maximize: true } },
  { base: { name: "lamb" }, second: { weightDecay: 0 } },
  { base: { name: "lamb", lr: 0.1, betas: [0.8, 0.9], eps: 1e-3, weightDecay: 0.1, maximize: true } },
];

const shapes = [[4, 3], [5], [], [2, 3, 2, 2], [3], [3, 2]];
const never = 4, sometimes = 3, zeros = 1;
const steps = 10;

function normal(seed: number): (shape: number[], dtype: Run["dtype"]) => Tensor {
  const random = randomNumbers(seed);
  return (shape, dtype) => {
    const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
    return torch.tensor(values, { dtype: "float64" }).reshape(shape).to(dtype);
  };
}

function makeRun(given: Case, dtype: Run["dtype"], seed: number): Run {
  const draw = normal(seed);
  const weights = shapes.map((shape) => draw(shape, dtype));
  const gradients = Array.from({ length: steps }, (_, step) =>
    shapes.map((shape, k) => {
      if (k === never || (k === sometimes && [0, 1, 5].includes(step))) return null;
      const g = draw(shape, dtype);
      return pack(k === zeros && step < 2 ? g.mul(0) : g);
    }),
  );
  // A relative step has no rate to change.
  const rates: Run["rates"] = given.base.name === "adafactor-t5" && given.base.relativeStep !== false ? {} : { 6: 0.03 };
  return { ...given, dtype, weights: weights.map(pack), secondGroup: [2, 3, 5], gradients, rates };
}

/** Takes the run's steps; `at` is called after each. */
function take(run: Run, at: (step: number, weights: Tensor[], optimizer: optim.Optimizer) => void): optim.Optimizer {
  const weights = run.weights.map((packed) => nn.parameter(unpack(packed)));
  const group = (second: boolean) => weights.filter((_, k) => run.secondGroup.includes(k) === second);
  const { rho, ...own } = (run.second ?? {}) as { rho?: number };
  const optimizer = optim.create(
    [{ parameters: group(false) }, { parameters: group(true), ...own, ...(rho === undefined ? {} : { baseRho: rho }) }] as optim.ParameterGroupOptions[],
    { method: "none", base: run.base },
  );
  run.gradients.forEach((_, step) => {
    takeStep(run, step, weights, optimizer);
    at(step, weights, optimizer);
  });
  return optimizer;
}

/** The gradient of Σ⟨w, g⟩ is g, bit for bit. */
function takeStep(run: Run, step: number, weights: Tensor[], optimizer: optim.Optimizer): void {
  const rate = run.rates[step];
  if (rate !== undefined) optimizer.lr = rate;
  const gradients = run.gradients[step]!.map((packed) => (packed === null ? null : unpack(packed)));
  optimizer.step(() => weights.map((w, k) => (gradients[k] == null ? null : w.mul(gradients[k]).sum())).reduce((a, b) => (a === null ? b : b === null ? a : a.add(b)))!);
}

function largest(tensor: Tensor): number {
  return tensor.numel() === 0 ? 0 : tensor.abs().max().item() as number;
}

/** The state's name in an optimizer of two groups: the place within the group. */
function stateKeys(run: Run): string[] {
  const places = [0, 0];
  return run.weights.map((_, k) => {
    const g = run.secondGroup.includes(k) ? 1 : 0;
    return `groups[${g}][${places[g]!++}]`;
  });
}

function compare(run: Run, expected: Trajectory, relative: number): void {
  const what = `${JSON.stringify(run.base)} ${run.dtype}`;
  const size = (packed: ReturnType<typeof pack>) => largest(unpack(packed).to("float64"));
  const close = (got: Tensor, packed: ReturnType<typeof pack>, where: string, scale = size(packed)) => {
    expect(distance(got.to("float64"), unpack(packed).to("float64")), `${what} ${where}`).toBeLessThanOrEqual(relative * scale);
  };
  const scales = run.weights.map(size); // the largest so far: a weight on its way through zero has the rounding of where it came from
  const optimizer = take(run, (step, weights) =>
    weights.forEach((w, k) => {
      const want = expected.weights[step]![k]!;
      scales[k] = Math.max(scales[k]!, size(want));
      close(w, want, `weight ${k} after step ${step}`, scales[k]);
    }),
  );
  const { tensors } = optimizer.stateDict();
  const keys = stateKeys(run);
  const wanted = expected.state.flatMap((state, k) => Object.entries(state).map(([name, packed]) => [`${keys[k]!}/${name}`, packed] as const));
  expect(Object.keys(tensors).sort(), what).toEqual(wanted.map(([name]) => name).sort());
  for (const [name, packed] of wanted) close(tensors[name]!, packed, name);
}

describe.skipIf(python === null)(`base optimizers beside ${needsPython}`, () => {
  const float64 = cases.map((given, i) => makeRun(given, "float64", i));
  const float32 = cases.map((given, i) => makeRun(given, "float32", 100 + i));
  // PyTorch's fused SGD cannot do without a gradient in the first step.
  const fused = ["adam", "adamw", "adagrad"];
  const bfloat16 = cases.map((given, i): Run => ({ ...makeRun(given, "bfloat16", 200 + i), kernels: fused.includes(given.base.name) ? "fused" : "foreach" }));
  let expected: Trajectory[];
  beforeAll(() => {
    expected = reference([...float64, ...float32, ...bfloat16]);
  });

  test.each(cases.map((given, i) => [JSON.stringify(given.base), i] as const))("%s in float64", (_, i) => {
    compare(float64[i]!, expected[i]!, 1e-12);
  });

  test.each(cases.map((given, i) => [JSON.stringify(given.base), i] as const))("%s in float32", (_, i) => {
    compare(float32[i]!, expected[cases.length + i]!, 1e-6);
  });

  test.each(cases.map((given, i) => [JSON.stringify(given.base), i] as const))("%s in bfloat16", (_, i) => {
    // A few roundings, or one sign of Lion's that a rounding turned.
    compare(bfloat16[i]!, expected[2 * cases.length + i]!, 2 ** -5);
  });
});

const all = cases.filter(({ base }, i) => cases.findIndex((other) => other.base.name === base.name) === i);

test.each(all.map(({ base }) => [base.name, base] as const))("%s: compiled steps are the closure's, bit for bit, and no change of a hyperparameter records anew", (_, base) => {
  const draw = normal(11);
  const [first, second] = [draw([3, 4], "float32"), draw([5], "float32")];
  const batches = Array.from({ length: 6 }, () => [draw([3, 4], "float32"), draw([5], "float32")] as const);
  const run = (compiled: boolean) => {
    const [a, b] = [nn.parameter(first.clone()), nn.parameter(second.clone())];
    const optimizer = optim.create([{ parameters: [a] }, { parameters: [b] }], { method: "none", base });
    let calls = 0;
    const loss = (x: Tensor, y: Tensor) => {
      calls++;
      return a.sub(x).pow(2).sum().add(b.sub(y).cosh().sum()).mul(0.3);
    };
    const step = optimizer.compile(loss);
    batches.forEach(([x, y], i) => {
      if (i === 3) for (const group of optimizer.groups) for (const [name, value] of Object.entries(group.toJSON())) if (["lr", "weightDecay", "eps"].includes(name) && value > 0) group.set(name, value / 2);
      if (compiled) step.sync(x, y);
      else optimizer.step(() => loss(x, y));
    });
    return { weights: [a.toArray(), b.toArray()], calls };
  };
  const [compiled, closure] = [run(true), run(false)];
  expect(compiled.weights).toEqual(closure.weights);
  expect([compiled.calls, closure.calls]).toEqual([1, 6]);
});

test("weights of several dtypes in one group go as each on its own", () => {
  for (const { base } of all) {
    const weights = () => (["float32", "float64", "bfloat16", "float64"] as const).map((dtype, i) => nn.parameter(normal(20 + i)([4, 5], dtype)));
    const [together, alone] = [weights(), weights()];
    const loss = (w: Tensor) => w.to("float64").pow(2).sum();
    const optimizer = optim.create(together, { method: "none", base });
    for (let i = 0; i < 3; i++) optimizer.step(() => together.map(loss).reduce((a, b) => a.add(b)));
    alone.forEach((w, k) => {
      const single = optim.create([w], { method: "none", base });
      for (let i = 0; i < 3; i++) single.step(() => loss(w));
      expect(together[k]!.toArray(), `${base.name} ${w.dtype}`).toEqual(w.toArray());
    });
  }
});

describe("state", () => {

  test.each(cases.map((given, i) => [JSON.stringify(given.base), i] as const))("%s goes on from a file, bit for bit", (_, i) => {
    const run = makeRun(cases[i]!, "float32", 300 + i);
    const bytes: Record<string, string> = {};
    let saved: { weights: Tensor[]; state: optim.OptimizerState } | null = null;
    take(run, (step, weights, optimizer) => {
      if (step === 3) {
        const state = optimizer.stateDict();
        // As it comes back from disk: the tensors by safetensors, the rest by JSON.
        saved = { weights: weights.map((w) => w.detach().clone()), state: { ...(JSON.parse(JSON.stringify(state)) as optim.OptimizerState), tensors: state.tensors } };
      }
      if (step > 3) bytes[step] = weights.map((w) => String(w.toArray())).join(";");
    });
    const { weights, state } = saved!;
    const parameters = weights.map((w) => nn.parameter(w.clone()));
    const group = (second: boolean) => parameters.filter((_, k) => run.secondGroup.includes(k) === second);
    // Its options come from the state.
    const optimizer = optim.create([{ parameters: group(false) }, { parameters: group(true) }], { method: "none", base: run.base });
    optimizer.loadStateDict(state);
    for (let step = 4; step < steps; step++) {
      takeStep(run, step, parameters, optimizer);
      expect(parameters.map((w) => String(w.toArray())).join(";")).toBe(bytes[step]);
    }
  });

  test.each(all.map(({ base }) => [base.name, base] as const))("%s takes weights of any layout and state of any", (_, base) => {
    const draw = normal(7);
    const values = draw([2, 3, 4, 5], "float32");
    const gradients = Array.from({ length: 3 }, () => draw([2, 3, 4, 5], "float32"));
    const layouts = [values.clone(), values.contiguous({ memoryFormat: "channels_last" }), values.permute([3, 2, 1, 0]).contiguous().permute([3, 2, 1, 0])];
    expect(new Set(layouts.map((w) => String(w.stride()))).size).toBe(3);
    let [plain, ...others] = layouts.map((w) => {
      const parameter = nn.parameter(w);
      return { parameter, optimizer: optim.create([parameter], { method: "none", base }) };
    });
    gradients.forEach((g, step) => {
      for (const { parameter, optimizer } of [plain!, ...others]) optimizer.step(() => parameter.mul(g).sum());
      // The sums of norms and means run in another order.
      for (const { parameter } of others) expect(distance(parameter, plain!.parameter), `step ${step}`).toBeLessThan(1e-6);
      // Each goes on with the state of the one beside it, which lies otherwise in memory.
      const states = [plain!, ...others].map(({ optimizer }) => optimizer.stateDict());
      [plain!, ...others].forEach(({ optimizer }, i) => optimizer.loadStateDict(states[(i + 1) % 3]!));
    });
  });

  test("survives a model that moves to another dtype", () => {
    for (const { base } of all) {
      const w = nn.parameter(torch.tensor([[1, 2], [3, 4]], { dtype: "float32" }));
      const optimizer = optim.create([w], { method: "none", base });
      optimizer.step(() => w.mul(w).sum());
      const before = w.detach().clone();
      w.data = w.detach().to("float64");
      optimizer.step(() => w.mul(w).sum());
      expect(w.dtype).toBe("float64");
      expect(distance(w, before.to("float64")), base.name).toBeGreaterThan(0);
      expect(w.isfinite().all().item(), base.name).toBe(true);
    }
  });

  test("is refused where it does not fit, and nothing changes", () => {
    const w = nn.parameter(torch.ones([3, 4]));
    const make = (base: optim.BaseOptions) => optim.create([w], { method: "none", base });
    const optimizer = make({ name: "adafactor" });
    optimizer.step(() => w.mul(w).sum());
    const good = optimizer.stateDict();
    expect(Object.fromEntries(Object.entries(good.tensors).map(([name, tensor]) => [name, tensor.shape]))).toEqual({
      "parameters[0]/step": [],
      "parameters[0]/row_var": [3, 1],
      "parameters[0]/col_var": [1, 4],
    });
    const bad: [Partial<optim.OptimizerState>, string][] = [
      [{ tensors: { ...good.tensors, "parameters[0]/row_var": torch.ones([3]) } }, "Expected shape [3, 1] for parameters[0]/row_var but received [3]."],
      [{ tensors: { ...good.tensors, "parameters[0]/step": torch.ones([1]) } }, "Expected shape [] for parameters[0]/step but received [1]."],
      [{ groups: [{ ...good.groups[0]!, lr: -1 }] }, "Expected a finite number of at least 0 for lr but received -1 of type number."],
      [{ groups: [{ ...good.groups[0]!, momentum: 1 }] }, 'This optimizer has no hyperparameter "momentum" of type string.'],
    ];
    for (const [change, message] of bad) expect(() => make({ name: "adafactor" }).loadStateDict({ ...good, ...change })).toThrow(message);
  });
});
