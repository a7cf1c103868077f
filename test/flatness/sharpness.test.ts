import { describe, expect, test } from "vitest";
import { data, flatness, nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { Quadratic, maximumInBall, rowsAround } from "./quadratic.js";

const lambda = [4, 1, 0.5, 2, -1];
const linear = [0.3, -0.2, 0.1, 0, 0.4];

function problem({ weight = [1, -2, 0.5], bias = [0.25, 1], b = linear, batchSize = 4 } = {}) {
  const model = new Quadratic(weight, bias);
  const loader = data.loader(new data.TensorDataset(rowsAround(lambda, 11), rowsAround(b, 11)), { batchSize });
  const loss = (x: Tensor, y: Tensor) => model.forward(x, y);
  const w = [...weight, ...bias];
  return { model, loader, loss, w, gradient: w.map((value, j) => lambda[j]! * value + b[j]!) };
}

describe("on a quadratic, against the closed form", () => {
  test.each([0.01, 0.1, 1, 5])("rho %f, batches of different sizes", async (rho) => {
    const { model, loader, loss, gradient } = problem();
    const exact = maximumInBall(gradient, lambda, rho);
    const found = await flatness.sharpness(model, loss, loader, { rho, steps: 60 });
    expect(found / exact).toBeGreaterThan(0.9999);
    expect(found / exact).toBeLessThan(1 + 1e-9);
  });

  test("one step is SAM's perturbation", async () => {
    const { model, loader, loss, gradient } = problem();
    const length = Math.hypot(...gradient);
    const rise = gradient.reduce((sum, g, j) => sum + 0.3 * (g * g) / length + 0.5 * lambda[j]! * (0.3 * g / length) ** 2, 0);
    expect(await flatness.sharpness(model, loss, loader, { rho: 0.3, steps: 1 })).toBeCloseTo(rise, 12);
  });

  test("at a stationary point the largest eigenvalue decides: ½ρ²λ", async () => {
    const { model, loader, loss } = problem({ weight: [0, 0, 0], bias: [0, 0], b: [0, 0, 0, 0, 0] });
    expect(await flatness.sharpness(model, loss, loader, { rho: 0.7, steps: 200 })).toBeCloseTo(0.5 * 0.49 * 4, 3);
  });

  test("adaptive: the ball of ASAM's T, |w|+η on weights, 1 on biases", async () => {
    const { model, loader, loss, w, gradient } = problem();
    const eta = 0.05;
    const t = w.map((value, j) => (j < 3 ? Math.abs(value) + eta : 1));
    const exact = maximumInBall(gradient.map((g, j) => g * t[j]!), lambda.map((l, j) => l * t[j]! ** 2), 0.5);
    const found = await flatness.sharpness(model, loss, loader, { rho: 0.5, steps: 60, adaptive: true, eta });
    expect(found / exact).toBeGreaterThan(0.9999);
    expect(found / exact).toBeLessThan(1 + 1e-9);
  });

  test("frozen parameters stay where they are", async () => {
    const { model, loader, loss, gradient } = problem();
    model.bias.requiresGrad = false;
    const exact = maximumInBall(gradient.slice(0, 3), lambda.slice(0, 3), 0.5);
    expect((await flatness.sharpness(model, loss, loader, { rho: 0.5, steps: 60 })) / exact).toBeCloseTo(1, 4);
  });

  test("rho 0 is no rise, and at a maximum nothing rises", async () => {
    const { model, loader, loss } = problem();
    expect(await flatness.sharpness(model, loss, loader, { rho: 0 })).toBe(0);
    const down = (x: Tensor, _y: Tensor) => model.weight.mul(model.weight).sum().neg().add(x.sum().mul(0)).add(model.bias.sum().mul(0));
    model.weight.detach().zero_();
    expect(await flatness.sharpness(model, down, loader, { rho: 0.1 })).toBe(0);
  });

  test("average over directions: ½ρ² times the mean eigenvalue, the same for the same seed", async () => {
    const { model, loader, loss } = problem();
    const measure = (seed: number) => flatness.averageSharpness(model, loss, loader, { rho: 0.4, samples: 400, seed });
    const first = await measure(1);
    // The linear part has mean 0 and a standard error of ρ‖g‖/√(5·400).
    const exact = 0.5 * 0.16 * (lambda.reduce((a, b) => a + b) / 5);
    expect(Math.abs(first - exact)).toBeLessThan(4 * (0.4 * 5) / Math.sqrt(5 * 400));
    expect(await measure(1)).toBe(first);
    expect(await measure(2)).not.toBe(first);
  });
});

/** A small net with everything that behaves differently in training. */
function net(): nn.Sequential {
  torch.manualSeed(4);
  return new nn.Sequential(new nn.Conv2d(1, 4, 3), new nn.BatchNorm2d(4), new nn.ReLU(), new nn.Dropout(0.5), new nn.Flatten(), new nn.Linear(144, 10));
}

async function digits(count: number, batchSize: number) {
  return data.loader((await data.digits()).train.slice(0, count), { batchSize });
}

const bytes = (tensors: readonly Tensor[]) => tensors.map((tensor) => Buffer.from(tensor.toBytes()).toString("hex"));
const state = (model: nn.Module) => bytes([...model.parameters(), ...model.buffers()]);

describe("what it leaves behind", () => {
  test("weights, buffers, modes, gradients and memory as they were, bit for bit; the batches do not matter", async () => {
    const model = net();
    const loss = (x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x) as Tensor, y);
    const [, batchNorm] = model.modules().filter((module) => module !== model);
    batchNorm!.eval();
    const [x, y] = [...(await digits(50, 50))][0]!;
    loss(x, y).backward();
    const [before, gradients] = [state(model), bytes(model.parameters().map((parameter) => parameter.grad!))];
    const loaders = [[...(await digits(50, 50))], [...(await digits(50, 7))]];
    torch.sweep(); // what earlier tests left
    const live = torch.memory().tensors;
    const values = [];
    for (const loader of loaders) values.push(await flatness.sharpness(model, loss, loader, { rho: 0.1, steps: 5, adaptive: true }));
    await flatness.averageSharpness(model, loss, loaders[1]!, { rho: 0.1, samples: 3 });
    expect(torch.memory().tensors).toBeLessThanOrEqual(live);
    expect(values[0]).toBeGreaterThan(0);
    expect(Math.abs(values[1]! - values[0]!)).toBeLessThan(1e-4 * values[0]!);
    expect(state(model)).toEqual(before);
    expect(bytes(model.parameters().map((parameter) => parameter.grad!))).toEqual(gradients);
    expect(model.modules().map((module) => module.training)).toEqual(model.modules().map((module) => module !== batchNorm));
  });

  test.each([1, 2, 3, 7, 12])("a loss that throws at its call %i", async (call) => {
    const model = net();
    const before = state(model);
    let calls = 0;
    const loss = (x: Tensor, y: Tensor) => {
      if (++calls === call) throw new RangeError("enough");
      return nn.functional.crossEntropy(model.forward(x) as Tensor, y);
    };
    await expect(flatness.sharpness(model, flatness.eager(loss), await digits(60, 30), { rho: 0.5, steps: 6 })).rejects.toThrow(new RangeError("enough"));
    expect(calls).toBe(call);
    expect(state(model)).toEqual(before);
    expect(model.modules().every((module) => module.training)).toBe(true);
  });

  test("a loss that becomes NaN away from the weights", async () => {
    const { model, loader, loss } = problem();
    const before = state(model);
    // The loss grows towards weight[0] = 1.05, and beyond it the logarithm is of a negative number.
    const logged = (x: Tensor, y: Tensor) => loss(x, y).sub(model.weight.select(0, 0).sub(1.05).neg().log());
    await expect(flatness.sharpness(model, logged, loader, { rho: 3 })).rejects.toThrow(expect.objectContaining({ code: "NON_FINITE" }));
    expect(state(model)).toEqual(before);
  });
});

test("the event loop runs meanwhile", async () => {
  const model = net();
  const loader = await digits(400, 50);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await flatness.sharpness(model, (x, y) => nn.functional.crossEntropy(model.forward(x) as Tensor, y), loader, { rho: 0.1, steps: 5 });
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(10);
});

describe("wrong arguments", () => {
  const { model, loader, loss } = problem();
  const call = (change: { model?: unknown; loss?: unknown; loader?: unknown; options?: unknown }) => {
    const args = { model, loss, loader, options: { rho: 0.1 }, ...change };
    return flatness.sharpness(args.model as never, args.loss as never, args.loader as never, args.options as never);
  };
  function* once() {
    yield* loader;
  }
  test.each<[string, Parameters<typeof call>[0], RegExp]>([
    ["no model", { model: {} }, /a module for model/],
    ["no loss", { loss: 1 }, /a function of a batch for loss/],
    ["no loader", { loader: 1 }, /an iterable of batches/],
    ["a generator", { loader: once() }, /batches that can be gone through again/],
    ["an empty loader", { loader: [] }, /at least one batch/],
    ["batches of something else", { loader: [[1, 2]] }, /an array of tensors, the samples in the first dimension/],
    ["a loss per sample", { loss: (x: Tensor) => x }, /one number, the mean over the batch/],
    ["no options", { options: undefined }, /an object with rho/],
    ["no rho", { options: {} }, /a number of at least 0 for rho but received nothing/],
    ["rho NaN", { options: { rho: NaN } }, /a number of at least 0 for rho/],
    ["a misspelled option", { options: { rho: 1, step: 3 } }, /Did you mean "steps"/],
    ["steps 0", { options: { rho: 1, steps: 0 } }, /a positive integer for steps/],
    ["adaptive 1", { options: { rho: 1, adaptive: 1 } }, /true or false for adaptive/],
    ["a negative eta", { options: { rho: 1, eta: -1 } }, /a number of at least 0 for eta/],
  ])("%s", async (_, change, message) => {
    await expect(call(change)).rejects.toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringMatching(message) }));
  });
});
