import { describe, expect, test } from "vitest";
import { SteppeError, nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { drawing, lossFunction, makeBatch, makeModel, methods, nets, over, titled, type MethodOptions } from "./nets.js";
import { bytes } from "./walk.js";

// What an optimizer knows of the parameters that it is given, in whatever form they come.

const base: optim.BaseOptions = { name: "sgd", lr: 0.1, momentum: 0.9 };

class Net extends nn.Module {
  body = new nn.Sequential(new nn.Linear(4, 6, false), new nn.BatchNorm1d(6), new nn.Tanh(), new nn.Dropout(0.3));
  head = new nn.Linear(6, 3);
  forward(x: Tensor): Tensor {
    return this.head.forward(this.body.forward(x));
  }
}

/** Five steps, in evaluation mode from the third on. */
function run(trained: (model: Net) => optim.Trained, options: { method: optim.Method }): Record<string, string> {
  torch.manualSeed(1);
  const model = new Net();
  const optimizer = optim.create(trained(model), { ...options, base: options.method === "bayesian" ? { name: "sgd", lr: 0.1 } : base } as optim.OptimizerOptions);
  const step = optimizer.compile<[Tensor, Tensor]>(((x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y)) as () => never);
  for (let s = 0; s < 5; s++) {
    if (s === 3) model.eval();
    torch.manualSeed(10 + s);
    step.sync(torch.randn([8, 4]), torch.randint(3, [8]));
  }
  return bytes(model.stateDict());
}

// Names (ASAM), normalisation layers (SAM-ON), the order in which random numbers are drawn, buffers that move once, mode.
describe.each(["sam", "asam", "norm-only", "random", "bayesian"] as const)("%s knows the model", (method) => {
  const options = { method, rho: 0.2, ...(method === "bayesian" && { dataSize: 100 }) };
  const expected = run((model) => model, options);

  test.each<[string, (model: Net) => optim.Trained]>([
    ["of its parameters", (model) => model.parameters()],
    ["of groups of them", (model) => [{ parameters: model.parameters().slice(0, 2) }, { parameters: model.parameters().slice(2) }]],
    ["of groups by name", (model) => [false, true].map((bias) => ({ parameters: model.namedParameters().flatMap(([name, p]) => (name.endsWith("bias") === bias ? [p] : [])) }))],
    ["of groups of modules", (model) => [{ parameters: model.body }, { parameters: model.head }]],
  ])("%s", (_, trained) => {
    const got = run(trained, options);
    for (const [name, value] of Object.entries(expected)) expect(got[name], name).toBe(value);
  });
});

test("of equal scores a mask keeps the first ones in the model's order, whatever the groups' order", () => {
  class Words extends nn.Module {
    tables = new nn.ModuleList([new nn.Embedding(6, 2), new nn.Embedding(6, 2)]);
    head = new nn.Linear(2, 3);
  }
  const run = (trained: (model: Words) => optim.Trained) => {
    torch.manualSeed(3);
    const model = new Words();
    const step = optim.create(trained(model), { method: "sparse", rho: 0.5, keep: 0.75, base }).compile((x) => {
      const [one, other] = [...model.tables].map((table) => (table as nn.Embedding).forward(x));
      return model.head.forward(one!.add(other!)).pow(2).mean();
    });
    // The mask is of the first step, in which four of each table's six rows have no gradient: half of their equal zeros are in it.
    for (const row of [0, 4, 5]) step.sync(torch.tensor([row, 1]));
    return bytes(model.stateDict());
  };
  const wanted = run((model) => model);
  expect(run((model) => [{ parameters: model.parameters().slice(1) }, { parameters: model.parameters().slice(0, 1) }])).toEqual(wanted);
});

test("a step whose perturbed parameters all have radius 0 is the base's step, whatever the others' radius", () => {
  const model = new Net();
  const layer = model.body.parameters().slice(1);
  const others = model.parameters().filter((parameter) => !layer.includes(parameter));
  const step = optim.create([{ parameters: layer, rho: 0 }, { parameters: others, rho: 0.3 }], { method: "norm-only", base }).compile((x) => model.forward(x).pow(2).mean());
  expect(step.sync(torch.randn([8, 4])).perturbedLoss).toBeUndefined();
});

test.each(["sync", "promise"] as const)("modules that the optimizer does not know may change their mode: %s", async (form) => {
  torch.manualSeed(4);
  const body = new nn.Sequential(new nn.Linear(4, 6), new nn.Dropout(0.5));
  const head = new nn.Linear(6, 3);
  const step = optim.create(head, { method: "sam", base: { name: "sgd", lr: 0 } }).compile((x) => head.forward(body.forward(x)).pow(2).mean());
  const x = torch.randn([8, 4]);
  const losses: number[] = [];
  for (const training of [true, false, false, true, false]) {
    body.train(training);
    torch.manualSeed(losses.length);
    losses.push((form === "sync" ? step.sync(x) : await step(x)).loss);
  }
  expect(new Set(losses).size).toBe(3);
  expect([losses[1], losses[2], losses[4]]).toEqual(Array(3).fill(expect.closeTo(head.forward(body.forward(x)).pow(2).mean().item() as number, 6)));
});

describe.each(["sync", "promise", "closure"] as const)("statistics of a body that the optimizer does not know move once a step, as those of one that it knows: %s", (form) => {
  test.each<[string, object]>([
    ["none", { method: "none" }],
    ["sam", { method: "sam" }],
    ["msam", { method: "msam", shards: 2 }],
    ["look", { method: "look", k: 2 }],
    ["gam", { method: "gam" }],
    ["momentum", { method: "momentum" }],
    ["sam, of which a step is skipped", { method: "sam", nonFinite: "skip" }],
  ])("%s", async (title, options) => {
    if (form === "closure" && title === "msam") return expect(() => optim.create(new nn.Linear(1, 1), { method: "msam", shards: 2, base }).step(() => torch.ones([]))).toThrow(SteppeError);
    const run = async (known: boolean) => {
      torch.manualSeed(5);
      const model = new Net();
      if (known) model.parameters(); // by which the optimizer knows whose the head is
      const optimizer = optim.create(known ? model.head.parameters() : model.head, { ...options, base } as optim.OptimizerOptions) as optim.Optimizer;
      const loss = (x: Tensor) => model.forward(x).pow(2).mean();
      const [one, other] = [optimizer.compile(loss as () => never), optimizer.compile(loss as () => never)] as unknown as optim.CompiledStep<[Tensor]>[];
      for (let s = 0; s < 5; s++) {
        torch.manualSeed(s);
        const x = torch.randn([s === 3 ? 6 : 8, 4]);
        if (s === 2 && "nonFinite" in options) x.mul_(NaN);
        torch.manualSeed(s);
        const step = s % 2 === 0 ? one! : other!;
        if (form === "closure") optimizer.step((() => loss(x)) as () => never);
        else if (form === "sync") step.sync(x);
        else await step(x);
      }
      return bytes(model.stateDict());
    };
    expect(await run(false)).toEqual(await run(true));
  });
});

test("the state of groups whose parameters have the same names is kept apart", () => {
  const make = () => {
    torch.manualSeed(2);
    const layers = [new nn.Linear(3, 3), new nn.Linear(3, 3)] as const;
    const optimizer = optim.create(layers.map((layer) => ({ parameters: layer })), { method: "sam", base });
    const step = (s: number) => {
      torch.manualSeed(s);
      const x = torch.randn([4, 3]);
      return optimizer.step(() => layers[1].forward(layers[0].forward(x).tanh()).pow(2).mean());
    };
    return { layers, optimizer, step };
  };
  const whole = make();
  for (let s = 0; s < 4; s++) whole.step(s);
  const first = make();
  for (let s = 0; s < 2; s++) first.step(s);
  const state = first.optimizer.stateDict();
  expect(Object.keys(state.tensors).sort()).toEqual(["bias", "groups[1].bias", "groups[1].weight", "weight"].map((name) => `${name}/momentum_buffer`));
  const second = make();
  second.layers.forEach((layer, i) => layer.loadStateDict(first.layers[i]!.stateDict()));
  second.optimizer.loadStateDict(state);
  for (let s = 2; s < 4; s++) second.step(s);
  second.layers.forEach((layer, i) => expect(bytes(layer.stateDict())).toEqual(bytes(whole.layers[i]!.stateDict())));
});

test("models are freed, also those whose parameters were asked for", () => {
  let most = 0;
  for (let i = 0; i < 600; i++) {
    const layer = new nn.Linear(512, 512); // 1 MiB
    expect(layer.parameters()).toHaveLength(2);
    most = Math.max(most, torch.memory().bytes);
  }
  expect(most).toBeLessThan(400 * 2 ** 20);
});

describe("parameters that are not perturbed", () => {
  test("norm-only is SAM with a group of all other parameters that is not perturbed, reports and all", async () => {
    for (const name of ["norms", "conv", "heads"] as const) {
      const run = (options: MethodOptions, groups: boolean) => {
        const model = makeModel(nets[name], 41);
        const layers = new Set(model.modules().filter((module) => module.isNormalization).flatMap((layer) => layer.parameters({ recurse: false })));
        const [inside, outside] = [true, false].map((is) => model.parameters().filter((p) => layers.has(p) === is));
        const trained = groups ? [{ parameters: inside! }, { parameters: outside!, perturb: false }] : model;
        const step = optim.create(trained, over(options) as never).compile(lossFunction(nets[name], model, "sam") as (x: Tensor, y: Tensor) => Tensor);
        const reports = [0, 1, 2].map((s) => {
          torch.manualSeed(s);
          return step.sync(...makeBatch(nets[name], 8, s));
        });
        return { reports, state: bytes(model.stateDict()) };
      };
      const [wanted, got] = [run({ method: "norm-only", rho: 0.4 }, false), run({ method: "sam", rho: 0.4 }, true)];
      expect(got.state).toEqual(wanted.state);
      got.reports.forEach((report, s) => expect(Math.abs(report.gradNorm / wanted.reports[s]!.gradNorm - 1)).toBeLessThan(1e-12));
    }
  });

  test.each(titled([...methods, ...drawing].filter(({ method }) => !["none", "norm-only", "k-sam", "efficient", "bilevel"].includes(method))))(
    "%s: nothing that the others do depends on their gradient",
    (_, options) => {
      // A loss in two parts that share no parameter: the second one's slope is another in each run.
      const run = (slope: number) => {
        torch.manualSeed(42);
        const [a, b] = [nn.parameter(torch.randn([4, 3], { dtype: "float64" })), nn.parameter(torch.randn([5], { dtype: "float64" }))];
        const optimizer = optim.create([{ parameters: [a] }, { parameters: [b], perturb: false }], over(options) as never) as optim.Optimizer;
        const step = optimizer.compile<[Tensor]>((x) => x.matmul(a).pow(2).add(1).sqrt().mean().add(b.sin().mean().mul(slope)));
        const reports = [0, 1, 2, 3, 4].map((s) => {
          torch.manualSeed(s);
          return step.sync(torch.randn([6, 4], { dtype: "float64" })).gradNorm;
        });
        return { reports, a: bytes({ a }), b: bytes({ b }) };
      };
      const [one, other] = [run(1), run(7)];
      expect(other.reports).toEqual(one.reports);
      expect(other.a).toEqual(one.a);
      expect(other.b).not.toEqual(one.b);
    },
  );

  test("of the base optimizer alone all count", () => {
    const [a, b] = [nn.parameter(torch.tensor([3], { dtype: "float64" })), nn.parameter(torch.tensor([4], { dtype: "float64" }))];
    const norm = (method: "none" | "sam") =>
      optim.create([{ parameters: [a] }, { parameters: [b], perturb: false }], { method, base: { name: "sgd", lr: 0 } }).compile(() => a.mul(3).add(b.mul(4)).sum()).sync().gradNorm;
    expect([norm("none"), norm("sam")]).toEqual([5, 3]);
  });
});

test("LookSAM takes no direction from what rounding leaves of two gradients that point the same way", () => {
  // One parameter: nothing of a gradient is orthogonal to another.
  const w = nn.parameter(torch.tensor([0.7], { dtype: "float64" }));
  const step = optim.create([w], { method: "look", k: 2, alpha: 0.5, rho: 0.1, base: { name: "sgd", lr: 0.1 } }).compile(() => w.pow(4).mul(0.3).sum());
  for (let s = 0; s < 6; s++) {
    const before = w.item() as number;
    const slope = (x: number) => 1.2 * x ** 3;
    step.sync();
    expect(w.item()).toBeCloseTo(before - 0.1 * slope(s % 2 === 0 ? before + 0.1 : before), 12);
  }
});
