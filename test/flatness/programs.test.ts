import { describe, expect, test } from "vitest";
import { flatness, nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

torch.setNumThreads(1);

// Measures run as recorded programs on the training thread; `flatness.eager` calls the loss itself, through autograd.

class Convolutions extends nn.Module {
  conv = new nn.Conv2d(2, 4, 3, { padding: 1 });
  norm = new nn.BatchNorm2d(4);
  drop = new nn.Dropout(0.5);
  pool = new nn.AdaptiveAvgPool2d(2);
  out = new nn.Linear(16, 3);
  forward(x: Tensor) {
    return this.out.forward(this.drop.forward(this.pool.forward(nn.functional.gelu(this.norm.forward(this.conv.forward(x))))).flatten(1));
  }
}

class Attention extends nn.Module {
  embed = new nn.Embedding(11, 8);
  norm = new nn.LayerNorm(8);
  query = new nn.Linear(8, 8);
  key = new nn.Linear(8, 8);
  out = new nn.Linear(8, 3);
  forward(x: Tensor) {
    const h = this.norm.forward(this.embed.forward(x));
    const weights = this.query.forward(h).matmul(this.key.forward(h).transpose(1, 2)).softmax(-1);
    return this.out.forward(weights.matmul(h).mean(1));
  }
}

class Recurrent extends nn.Module {
  lstm = new nn.LSTM(4, 5, { batchFirst: true });
  out = new nn.Linear(5, 3);
  forward(x: Tensor) {
    return this.out.forward(this.lstm.forward(x)[0].select(1, -1));
  }
}

type Kind = "dense" | "convolutions" | "attention" | "recurrent";

function made(kind: Kind, dtype: "float32" | "float64" = "float64") {
  torch.manualSeed(4);
  const dense = new nn.Sequential(new nn.Linear(6, 9), new nn.BatchNorm1d(9), new nn.Tanh(), new nn.Dropout(0.4), new nn.Linear(9, 3));
  const model = { dense: () => dense, convolutions: () => new Convolutions(), attention: () => new Attention(), recurrent: () => new Recurrent() }[kind]();
  model.to(dtype);
  const frozen = model.namedParameters().find(([name]) => name === "out.bias");
  if (frozen !== undefined) frozen[1].requiresGrad = false;
  const input = (n: number) =>
    kind === "dense" ? torch.randn([n, 6], { dtype }) : kind === "convolutions" ? torch.randn([n, 2, 5, 5], { dtype }) : kind === "attention" ? torch.randint(0, 11, [n, 7], { dtype: "int64" }) : torch.randn([n, 4, 4], { dtype });
  // The last batch is smaller: a second signature.
  const batches = [6, 6, 4].map((n): [Tensor, Tensor] => [input(n), torch.randint(0, 3, [n], { dtype: "int64" })]);
  const calls = { count: 0 };
  const loss = (x: Tensor, y: Tensor) => {
    calls.count++;
    return nn.functional.crossEntropy((model as nn.Module & { forward(x: Tensor): Tensor }).forward(x), y);
  };
  return { model, loss, batches, calls };
}

type Measured = ReturnType<typeof made>;

const bits = (model: nn.Module) => Object.entries(model.stateDict()).map(([name, tensor]) => [name, Buffer.from(tensor.detach().toBytes()).toString("hex")]);

const measures: Record<string, (of: Measured, loss: Measured["loss"]) => Promise<number[]>> = {
  sharpness: async ({ model, batches }, loss) => [await flatness.sharpness(model, loss, batches, { rho: 0.2, steps: 4 }), await flatness.sharpness(model, loss, batches, { rho: 0.2, steps: 3, adaptive: true })],
  shardSharpness: async ({ model, batches }, loss) => [await flatness.shardSharpness(model, loss, batches, { rho: 0.2, steps: 3 })],
  averageSharpness: async ({ model, batches }, loss) => [await flatness.averageSharpness(model, loss, batches, { rho: 0.2, samples: 3 })],
  landscape: async ({ model, batches }, loss) => (await flatness.landscape(model, loss, batches, { points: 3 })).loss.flat(),
  interpolate: async ({ model, batches }, loss) => (await flatness.interpolate(model, loss, batches, { to: Object.fromEntries(model.namedParameters().map(([name, each]) => [name, each.detach().mul(1.5)])), points: 4 })).loss,
};
const secondOrder: typeof measures = {
  hessianEigenvalues: async ({ model, batches }, loss) => flatness.hessianEigenvalues(model, loss, batches, { k: 2, maxSteps: 6, tolerance: 0 }),
  hessianTrace: async ({ model, batches }, loss) => Object.values(await flatness.hessianTrace(model, loss, batches, { samples: 3 })),
  spectralDensity: async ({ model, batches }, loss) => (await flatness.spectralDensity(model, loss, batches, { steps: 4, samples: 1, points: 5 })).eigenvalues,
};

const close = (found: readonly number[], wanted: readonly number[], tolerance: number) =>
  expect(Math.max(...found.map((value, i) => Math.abs(value - wanted[i]!)))).toBeLessThanOrEqual(tolerance * Math.max(...wanted.map(Math.abs)));

describe.each(["dense", "convolutions", "attention", "recurrent"] as const)("%s", (kind) => {
  // LibTorch's LSTM layer has no second derivative.
  const applicable = kind === "recurrent" ? measures : { ...measures, ...secondOrder };
  test.each(Object.keys(applicable))("%s: a program for each shape of batches, and the value that autograd gives", async (name) => {
    const of = made(kind);
    const before = bits(of.model);
    const eager = await applicable[name]!(of, flatness.eager(of.loss));
    const passes = of.calls.count;
    of.calls.count = 0;
    const found = await applicable[name]!(of, of.loss);
    expect(found.length).toBe(eager.length);
    close(found, eager, 1e-9);
    // Twice where images are brought into another order first.
    const measured = name === "sharpness" ? 4 : 2;
    expect([measured, 2 * measured]).toContain(of.calls.count);
    expect(of.calls.count).toBeLessThan(passes);
    expect(bits(of.model)).toEqual(before);
    expect(of.model.training).toBe(true);
  });
});

test("float32 agrees to its rounding", async () => {
  for (const name of ["sharpness", "hessianTrace"]) {
    const of = made("dense", "float32");
    const all = { ...measures, ...secondOrder };
    close(await all[name]!(of, of.loss), await all[name]!(of, flatness.eager(of.loss)), 1e-4);
  }
});

test("programs run at other weights than the model's, which stay where they are", async () => {
  const { model, loss, batches } = made("dense");
  const before = bits(model);
  let looked = 0;
  const watched = {
    *[Symbol.iterator]() {
      for (const batch of batches) {
        expect(bits(model)).toEqual(before);
        looked++;
        yield batch;
      }
    },
  };
  await flatness.sharpness(model, loss, watched, { rho: 0.2, steps: 3 });
  expect(looked).toBe(12);
});

test("the event loop turns while a batch is under way", async () => {
  torch.manualSeed(0);
  const model = new nn.Sequential(new nn.Linear(1024, 1024), new nn.ReLU(), new nn.Linear(1024, 1024));
  let running = true;
  const passes = 6;
  const end = flatness.averageSharpness(model, (x: Tensor) => model.forward(x).square().mean(), [[torch.randn([1024, 1024])]], { rho: 0.1, samples: passes - 1 }).finally(() => (running = false));
  let turns = 0;
  for (; running; turns++) await new Promise((resolve) => setTimeout(resolve, 1));
  await end;
  // On this thread there would be one for each pass.
  expect(turns).toBeGreaterThan(2 * passes);
});

test("a loss that reads values is called for every batch, with the same result; so is one with batches of objects", async () => {
  const { model, loss, batches, calls } = made("dense");
  const wanted = await flatness.sharpness(model, loss, batches, { rho: 0.2, steps: 3 });
  const reading = (x: Tensor, y: Tensor) => {
    const value = loss(x, y);
    if (!Number.isFinite(value.item() as number)) throw new Error("not finite");
    return value;
  };
  calls.count = 0;
  close([await flatness.sharpness(model, reading, batches, { rho: 0.2, steps: 3 })], [wanted], 1e-9);
  expect(calls.count).toBeGreaterThanOrEqual(12);
  const before = bits(model);
  const trace = await flatness.hessianTrace(model, reading, batches, { samples: 2 });
  close([trace.trace], [(await flatness.hessianTrace(model, loss, batches, { samples: 2 })).trace], 1e-9);
  expect(bits(model)).toEqual(before);

  class Example {
    constructor(readonly x: Tensor) {}
  }
  const objects = batches.map(([x, y]) => [x, new Example(y)] as unknown as [Tensor, Tensor]);
  close([await flatness.sharpness(model, (x: Tensor, y: Tensor) => loss(x, (y as unknown as Example).x), objects, { rho: 0.2, steps: 3 })], [wanted], 1e-9);
});

test("a loss of more than its batch is looked at anew where it is marked", async () => {
  const { model, batches } = made("dense");
  let factor = 0;
  const growing = (x: Tensor, _: Tensor) => (model as nn.Sequential).forward(x).square().mean().mul(++factor);
  const [batch] = batches as [[Tensor, Tensor]];
  const { loss } = await flatness.interpolate(model, flatness.eager(growing), [batch], { to: model.stateDict(), points: 3 });
  expect(loss[1]! / loss[0]!).toBeCloseTo(2, 10);
  expect(loss[2]! / loss[0]!).toBeCloseTo(3, 10);
  expect(() => flatness.eager(1 as never)).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
});

test("the errors of a loss come through, and what is not finite is told", async () => {
  const { model, batches } = made("dense");
  await expect(flatness.sharpness(model, (_: Tensor, _y: Tensor) => torch.ones([2]), batches, { rho: 0.1 })).rejects.toThrow(expect.objectContaining({ code: "ARGUMENT" }));
  const throwing = (_: Tensor, _y: Tensor): Tensor => {
    throw new RangeError("mine");
  };
  await expect(flatness.sharpness(model, throwing, batches, { rho: 0.1 })).rejects.toThrow("mine");
  const infinite = (x: Tensor, _: Tensor) => (model as nn.Sequential).forward(x).sum().mul(Infinity);
  await expect(flatness.sharpness(model, infinite, batches, { rho: 0.1 })).rejects.toThrow(expect.objectContaining({ code: "NON_FINITE" }));
});
