import { describe, expect, test } from "vitest";
import { nn, optim, torch, type Tensor } from "../../lib/index.js";
import { distance } from "../support/python.js";

const { cuda } = torch;

function makeNet(dtype: "float32" | "float64" = "float64"): nn.Sequential {
  torch.manualSeed(0);
  return new nn.Sequential(new nn.Linear(12, 32), new nn.LayerNorm(32), new nn.Tanh(), new nn.Linear(32, 4)).to(dtype);
}

const lossOf = (net: nn.Sequential) => (x: Tensor, y: Tensor) => nn.functional.crossEntropy(net.forward(x), y);

/** Weights after some steps, on a device. */
async function train(device: "cpu" | "cuda:0", options: optim.OptimizerOptions, steps = 5): Promise<Tensor[]> {
  const net = makeNet().to(device);
  const step = optim.create(net, options).compile(lossOf(net));
  torch.manualSeed(1);
  for (let s = 0; s < steps; s++) {
    const [x, y] = [torch.randn([16, 12], { dtype: "float64" }), torch.randint(0, 4, [16])];
    await step(x.to(device), y.to(device));
  }
  return [...net.parameters()].map((parameter) => parameter.detach().cpu());
}

const bases = [
  { name: "sgd", lr: 0.1, momentum: 0.9, weightDecay: 1e-3 }, { name: "adam", lr: 0.01 }, { name: "adamw", lr: 0.01 }, { name: "adagrad", lr: 0.05 }, { name: "adadelta", lr: 1 },
  { name: "adamax", lr: 0.01 }, { name: "asgd", lr: 0.05 }, { name: "lamb", lr: 0.01 }, { name: "lion", lr: 1e-3 }, { name: "nadam", lr: 0.01 }, { name: "radam", lr: 0.01 },
  { name: "rmsprop", lr: 0.01 }, { name: "rprop", lr: 0.01 }, { name: "adafactor", lr: 0.01 }, { name: "adafactor-t5" }, { name: "adafactor-t5", lr: 0.01, relativeStep: false }, { name: "lbfgs", lr: 0.5 },
] as const;

const methods: Partial<optim.OptimizerOptions>[] = [
  { method: "none" }, { method: "sam" }, { method: "asam" }, { method: "gsam", alpha: 0.3 }, { method: "msam", shards: 4 }, { method: "gasam", steps: 2 }, { method: "friendly" },
  { method: "vasso" }, { method: "look" }, { method: "momentum", rho: 0.5 }, { method: "weighted" }, { method: "sparse" }, { method: "fisher" }, { method: "stable" },
  { method: "curvature" }, { method: "norm-only" }, { method: "async" }, { method: "gam" }, { method: "parallel" },
] as never;

describe.skipIf(!cuda.isAvailable())("training on a GPU ends where the CPU's does", () => {
  test.each(bases)("$name", async (base) => {
    const options = { method: base.name === "lbfgs" ? "none" : "sam", base } as optim.OptimizerOptions;
    const [here, there] = [await train("cpu", options), await train("cuda:0", options)];
    here.forEach((weights, k) => expect(distance(there[k]!, weights)).toBeLessThan(1e-7));
  });

  test.each(methods.map((options) => [options.method, options] as const))("%s", async (_, options) => {
    const momentum = options.method === "parallel" ? 0 : 0.9; // its rule has none
    const whole = { ...options, base: { name: "sgd", lr: 0.05, momentum } } as optim.OptimizerOptions;
    const [here, there] = [await train("cpu", whole), await train("cuda:0", whole)];
    here.forEach((weights, k) => expect(distance(there[k]!, weights)).toBeLessThan(1e-7));
  });

  test.each(["bfloat16", "float16"] as const)("autocast in %s lowers the loss", async (dtype) => {
    const net = makeNet("float32").to("cuda");
    const options = { method: "sam", rho: 0.05, base: { name: "adamw", lr: 0.01 }, ...(dtype === "float16" ? { nonFinite: "skip", lossScale: { initial: 2 ** 16 } } : {}) };
    const step = optim.create(net, options as optim.OptimizerOptions).compile(lossOf(net), { autocast: { device: "cuda", dtype } });
    const [x, y] = [torch.randn([64, 12], { device: "cuda" }), torch.randint(0, 4, [64], { device: "cuda" })];
    const losses: number[] = [];
    for (let s = 0; s < 40; s++) losses.push((await step(x, y)).loss);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
    expect(step.programs[0]!.text).toContain("aten::_to_copy");
  });

  test("a step that meets infinity leaves no trace", async () => {
    const net = makeNet().to("cuda");
    const step = optim.create(net, { method: "sam", nonFinite: "skip", base: { name: "adamw", lr: 0.01 } }).compile(lossOf(net));
    const [x, y] = [torch.randn([8, 12], { dtype: "float64", device: "cuda" }), torch.zeros([8], { dtype: "int64", device: "cuda" })];
    await step(x, y);
    const before = [...net.parameters()].map((parameter) => parameter.detach().clone());
    expect((await step(x.mul(Infinity), y)).skipped).toBe(true);
    [...net.parameters()].forEach((parameter, k) => expect(distance(parameter, before[k]!)).toBe(0));
    expect((await step(x, y)).updated).toBe(true);
  });

  test("cuDNN's LSTM and convolutions", async () => {
    torch.manualSeed(0);
    const lstm = new nn.LSTM(8, 16, { batchFirst: true }).to("cuda");
    const head = new nn.Linear(16, 3).to("cuda");
    const step = optim.create([...lstm.parameters(), ...head.parameters()], { method: "sam", base: { name: "adamw", lr: 0.01 } }).compile((x: Tensor, y: Tensor) =>
      nn.functional.crossEntropy(head.forward(lstm.forward(x)[0].select(1, -1)), y),
    );
    const [x, y] = [torch.randn([16, 5, 8], { device: "cuda" }), torch.randint(0, 3, [16], { device: "cuda" })];
    const losses: number[] = [];
    for (let s = 0; s < 60; s++) losses.push((await step(x, y)).loss);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
  });
});
