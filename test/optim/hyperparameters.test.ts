import { expect, test } from "vitest";
import { optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { drawing, lossFunction, makeBatch, makeModel, methods, nets, over, titled, type MethodOptions } from "./nets.js";
import { bytes } from "./walk.js";

// Hyperparameters change between steps: the next step uses them, and nothing is recorded anew.

// A second thread costs small tensors more than it gives.
torch.setNumThreads(1);

const all = [...methods, ...drawing];

function make(options: MethodOptions & { base: optim.BaseOptions }) {
  const model = makeModel(nets.norms, 61);
  const [weights, rest] = [model.parameters().filter((p) => p.dim() > 1), model.parameters().filter((p) => p.dim() < 2)];
  const optimizer = optim.create([{ parameters: weights }, { parameters: rest, weightDecay: 0.3 }], options as never) as optim.Optimizer;
  return { model, optimizer, step: optimizer.compile(lossFunction(nets.norms, model, options.method) as (x: Tensor, y: Tensor) => Tensor) };
}

test.each(titled(all))("%s: what is set counts from the next step on, as if it had been created so, with the same programs", (_, options) => {
  const { method } = options;
  const given = over(options);
  const changes: ((group: optim.ParameterGroup, g: number) => void)[] = [
    (group, g) => (group.lr = 0.01 * (g + 1)),
    (group, g) => (group.weightDecay = 0.2 * g),
    (group, g) => group.set("maximize", g === 1),
    (group) => group.set("maximize", false),
    ...(given.base.name === "sgd" && !["parallel", "bayesian"].includes(method) ? [(group: optim.ParameterGroup) => group.set("momentum", 0.5)] : []),
    ...(method === "none" ? [] : [
      (group: optim.ParameterGroup, g: number) => (group.rho = 0.1 + 0.2 * g),
      (group: optim.ParameterGroup, g: number) => group.set("perturb", g === 1),
      (group: optim.ParameterGroup) => group.set("perturb", true),
    ]),
  ];
  const changed = make(given);
  const take = ({ step }: ReturnType<typeof make>, s: number) => {
    torch.manualSeed(s);
    return step.sync(...makeBatch(nets.norms, 8, s));
  };
  take(changed, 0);
  take(changed, 1);
  const [programs, words] = [changed.step.programs.length, changed.step.explain()];
  let moved = 0;
  changes.forEach((change, i) => {
    const before = changed.optimizer.stateDict();
    changed.optimizer.groups.forEach(change);
    // Another optimizer in the same state, which has never had other numbers.
    const fresh = make(given);
    fresh.model.loadStateDict(changed.model.stateDict());
    fresh.optimizer.loadStateDict({ ...before, groups: changed.optimizer.groups.map((group) => group.toJSON()) });
    const [a, b] = [take(changed, 2 + i), take(fresh, 2 + i)];
    expect(a, `change ${i}`).toEqual(b);
    expect(bytes(changed.model.stateDict()), `change ${i}`).toEqual(bytes(fresh.model.stateDict()));
    moved += JSON.stringify(before.groups) === JSON.stringify(changed.optimizer.groups.map((group) => group.toJSON())) ? 0 : 1;
  });
  expect(moved).toBe(changes.length);
  expect(changed.step.programs).toHaveLength(programs);
  expect(changed.step.explain()).toBe(words);
});

test("a radius that comes and goes records what its steps need once", () => {
  const model = makeModel(nets.norms, 62);
  const optimizer = optim.create(model, { method: "msam", shards: 2, rho: 0.1, base: { name: "sgd", lr: 0.1 } });
  const step = optimizer.compile(lossFunction(nets.norms, model, "msam") as (x: Tensor, y: Tensor) => Tensor);
  const samples: number[][] = [];
  for (const rho of [0.1, 0, 0.2, 0, 0.3]) {
    optimizer.rho = rho;
    step.sync(...makeBatch(nets.norms, 8, 1));
    samples.push(step.programs.map((program) => program.samples));
  }
  expect(samples).toEqual([[4], [4, 8], [4, 8], [4, 8], [4, 8]]);
});
