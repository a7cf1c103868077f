import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
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
  const optimizer = optim.create(trained(model), { ...options, base } as optim.OptimizerOptions);
  const step = optimizer.compile<[Tensor, Tensor]>(((x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y)) as () => never);
  for (let s = 0; s < 5; s++) {
    if (s === 3) model.eval();
    torch.manualSeed(10 + s);
    step.sync(torch.randn([8, 4]), torch.randint(3, [8]));
  }
  return bytes(model.stateDict());
}

// Names (ASAM), normalisation layers (SAM-ON), buffers that move once, mode.
describe.each(["sam", "asam", "norm-only"] as const)("%s knows the model", (method) => {
  const options = { method, rho: 0.2 };
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
