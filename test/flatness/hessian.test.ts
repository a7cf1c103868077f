import { describe, expect, test } from "vitest";
import { data, flatness, nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { Quadratic, rowsAround } from "./quadratic.js";

torch.setNumThreads(1);

const lambda = [4, 1, 0.5, 2, -1];

/** The quadratic of sharpness.test.ts: its Hessian is diagonal, with lambda in the diagonal. */
function quadratic() {
  const model = new Quadratic([1, -2, 0.5], [0.25, 1]);
  const loader = data.loader(new data.TensorDataset(rowsAround(lambda, 11), rowsAround([0.3, -0.2, 0.1, 0, 0.4], 11)), { batchSize: 4 });
  return { model, loader, loss: (a: Tensor, b: Tensor) => model.forward(a, b) };
}

/** A small net whose Hessian can be written down in full, with dropout that must not drop. */
function net() {
  torch.manualSeed(2);
  const model = new nn.Sequential(new nn.Linear(3, 5), new nn.Tanh(), new nn.Dropout(0.5), new nn.Linear(5, 3)).to("float64");
  const x = torch.randn([20, 3], { dtype: "float64" });
  const y = torch.randint(0, 3, [20], { dtype: "int64" });
  const loss = (x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y);
  return { model, loss, loader: data.loader(new data.TensorDataset(x, y), { batchSize: 7 }), x, y };
}

/** The Hessian, row by row. */
function dense({ model, loss, x, y }: ReturnType<typeof net>): Tensor {
  model.eval();
  const parameters = model.parameters();
  const gradient = torch.cat(torch.autograd.grad([loss(x, y)], parameters, { createGraph: true }).map((part) => part!.flatten()));
  const rows = Array.from({ length: gradient.numel() }, (_, i) => torch.cat(torch.autograd.grad([gradient.select(0, i)], parameters, { retainGraph: true }).map((part) => part!.flatten())));
  model.train();
  return torch.stack(rows);
}

describe("eigenvalues", () => {
  test("of a quadratic: exactly its coefficients, the largest first", async () => {
    const { model, loss, loader } = quadratic();
    const found = await flatness.hessianEigenvalues(model, loss, loader, { k: 5, tolerance: 0 });
    [4, 2, 1, 0.5, -1].forEach((value, i) => expect(found[i]).toBeCloseTo(value, 10));
    expect(await flatness.hessianEigenvalues(model, loss, loader)).toEqual([expect.closeTo(4, 3)]);
  });

  test("of a net: those of its Hessian in full", async () => {
    const made = net();
    const exact = (torch.linalgEigvalsh(dense(made)).toArray() as number[]).reverse();
    const found = await flatness.hessianEigenvalues(made.model, made.loss, made.loader, { k: 6, tolerance: 1e-8 });
    found.forEach((value, i) => expect(value).toBeCloseTo(exact[i]!, 7));
    expect(made.model.training).toBe(true);
    const [rough] = await flatness.hessianEigenvalues(made.model, made.loss, made.loader, { tolerance: 1e-2 });
    expect(Math.abs(rough! / exact[0]! - 1)).toBeLessThan(1e-2);
  });

  test("fewer where the Hessian has no more; a linear loss has none but 0", async () => {
    const { model, loss, loader } = quadratic();
    expect(await flatness.hessianEigenvalues(model, loss, loader, { k: 9, tolerance: 0 })).toHaveLength(5);
    const linear = (a: Tensor, _: Tensor) => model.weight.sum().mul(a.mean()).add(model.bias.sum());
    expect(await flatness.hessianEigenvalues(model, linear, loader)).toEqual([0]);
  });

  test("weights, gradients and modes stay, and memory", async () => {
    const made = net();
    const batches = [...made.loader];
    const before = made.model.parameters().map((parameter) => parameter.detach().clone());
    await flatness.hessianEigenvalues(made.model, made.loss, batches, { k: 2 });
    const { tensors } = torch.memory();
    for (let i = 0; i < 5; i++) await flatness.hessianEigenvalues(made.model, made.loss, batches, { k: 2 });
    expect(torch.memory().tensors).toBeLessThanOrEqual(tensors);
    made.model.parameters().forEach((parameter, i) => {
      expect(torch.equal(parameter, before[i]!)).toBe(true);
      expect(parameter.grad).toBeNull();
    });
  });
});

test("trace: exact for a diagonal Hessian, within its error for a net", async () => {
  const { model, loss, loader } = quadratic();
  const exact = await flatness.hessianTrace(model, loss, loader, { samples: 3 });
  expect(exact.trace).toBeCloseTo(6.5, 10);
  expect(exact.standardError).toBeCloseTo(0, 10);
  const made = net();
  const trace = dense(made).trace().item() as number;
  const found = await flatness.hessianTrace(made.model, made.loss, made.loader, { samples: 60, seed: 1 });
  expect(Math.abs(found.trace - trace)).toBeLessThan(4 * found.standardError);
  expect(found.standardError).toBeLessThan(0.2 * trace);
});

test("spectral density: its integral is 1, its mean the trace over n, its peaks at the eigenvalues", async () => {
  const { model, loss, loader } = quadratic();
  const { eigenvalues, density } = await flatness.spectralDensity(model, loss, loader, { samples: 60, points: 2000, width: 0.02, steps: 5 });
  const step = eigenvalues[1]! - eigenvalues[0]!;
  const integral = (of: (x: number) => number) => density.reduce((sum, value, i) => sum + value * of(eigenvalues[i]!) * step, 0);
  expect(integral(() => 1)).toBeCloseTo(1, 3);
  // Each start vector weighs the eigenvalues by chance: a standard deviation of about 0.1 of the mean over 60 of them.
  expect(Math.abs(integral((x) => x) - 6.5 / 5)).toBeLessThan(0.4);
  for (const value of lambda) expect(Math.abs(integral((x) => (Math.abs(x - value) < 0.25 ? 1 : 0)) - 0.2)).toBeLessThan(0.12);
}, 60_000);

describe("landscapes", () => {
  test("in one dimension, along the direction as it was drawn", async () => {
    const { model, loss, loader } = quadratic();
    const w = [1, -2, 0.5, 0.25, 1];
    const generator = new torch.Generator().manualSeed(7);
    const direction = [...(torch.randn([3], { generator }).toArray() as number[]), ...(torch.randn([2], { generator }).toArray() as number[])];
    const b = [0.3, -0.2, 0.1, 0, 0.4];
    const value = (t: number) => w.reduce((sum, wj, j) => sum + 0.5 * lambda[j]! * (wj + t * direction[j]!) ** 2 + b[j]! * (wj + t * direction[j]!), 0);
    const { coordinates, loss: found } = await flatness.landscape(model, loss, loader, { dimensions: 1, points: 5, range: [-2, 2], normalization: "none", seed: 7 });
    expect(coordinates).toEqual([-2, -1, 0, 1, 2]);
    (found as number[]).forEach((each, i) => expect(each).toBeCloseTo(value(coordinates[i]!), 10));
  });

  test("in two dimensions filters are as long as the weights', vectors stay", async () => {
    const made = net();
    const [first] = made.model.parameters();
    // A loss that tells how far each filter has moved.
    const before = first!.detach().clone();
    const moved = (_x: Tensor, _y: Tensor) => first!.sub(before).norm(2, [1]).div(before.norm(2, [1])).mean();
    const bias = made.model.parameters()[1]!;
    const biasBefore = bias.detach().clone();
    const { loss } = await flatness.landscape(made.model, moved, made.loader, { points: 3, range: [-0.5, 0.5] });
    const values = loss as number[][];
    expect(values[1]![1]).toBeCloseTo(0, 12);
    expect(values[0]![1]).toBeCloseTo(0.5, 6);
    expect(values[1]![2]).toBeCloseTo(0.5, 6);
    const stays = await flatness.landscape(made.model, (_x: Tensor, _y: Tensor) => bias.sub(biasBefore).abs().sum(), made.loader, { dimensions: 1, points: 2 });
    expect(stays.loss).toEqual([0, 0]);
  });

  test("between two minima", async () => {
    const { model, loss, loader } = quadratic();
    const to = { weight: torch.tensor([0, 0, 0]), bias: torch.tensor([0, 0]), buffer: torch.ones([1]) };
    const { coordinates, loss: found } = await flatness.interpolate(model, loss, loader, { to, points: 3 });
    const w = [1, -2, 0.5, 0.25, 1];
    const b = [0.3, -0.2, 0.1, 0, 0.4];
    coordinates.forEach((t, i) => expect(found[i]).toBeCloseTo(w.reduce((sum, wj, j) => sum + 0.5 * lambda[j]! * ((1 - t) * wj) ** 2 + b[j]! * (1 - t) * wj, 0), 10));
    await expect(flatness.interpolate(model, loss, loader, { to: { weight: to.weight } })).rejects.toThrow('Expected a tensor for to["bias"] but received nothing');
    await expect(flatness.interpolate(model, loss, loader, { to: { ...to, bias: torch.ones([3]) } })).rejects.toThrow("Expected shape [2]");
  });

  test("a loss that is infinite far out is told as it is", async () => {
    const { model, loader } = quadratic();
    const { loss } = await flatness.landscape(model, (_a: Tensor, _b: Tensor) => model.weight.mul(1e4).exp().sum(), loader, { dimensions: 1, points: 2, normalization: "none" });
    expect((loss as number[]).some((value) => value === Infinity)).toBe(true);
  });
});

test("per shard: the mean of the batches' own sharpness", async () => {
  const { model, loss, loader } = quadratic();
  const whole = await flatness.sharpness(model, loss, loader, { rho: 0.5 });
  const shards = await flatness.shardSharpness(model, loss, loader, { rho: 0.5 });
  const batches = [...loader];
  const each: number[] = [];
  for (const batch of batches) each.push(await flatness.sharpness(model, loss, [batch], { rho: 0.5 }));
  const mean = each.reduce((sum, value, i) => sum + value * batches[i]![0].shape[0]!, 0) / 11;
  expect(shards).toBeCloseTo(mean, 12);
  // A mean of maxima is at least the maximum of the mean.
  expect(shards).toBeGreaterThan(whole);
});

test("wrong arguments", async () => {
  const { model, loss, loader } = quadratic();
  const any = flatness as never as Record<string, (...args: unknown[]) => Promise<unknown>>;
  await expect(any["hessianEigenvalues"]!(model, loss, loader, { k: 0 })).rejects.toThrow("Expected a positive integer for k but received 0");
  await expect(any["hessianEigenvalues"]!(model, loss, loader, { K: 1 })).rejects.toThrow('Did you mean "k"?');
  await expect(any["hessianEigenvalues"]!(model, loss, loader, { k: 3, maxSteps: 2 })).rejects.toThrow("Expected an integer of at least 3 for maxSteps");
  await expect(any["hessianTrace"]!(model, loss, loader, { samples: 0.5 })).rejects.toThrow("Expected a positive integer for samples");
  await expect(any["spectralDensity"]!(model, loss, loader, { width: 0 })).rejects.toThrow("Expected a number above 0 for width");
  await expect(any["landscape"]!(model, loss, loader, { dimensions: 3 })).rejects.toThrow("Expected 1 or 2 for dimensions but received 3");
  await expect(any["landscape"]!(model, loss, loader, { range: [1, 0] })).rejects.toThrow("Expected two numbers, the smaller first for range");
  await expect(any["hessianEigenvalues"]!(model, (a: Tensor, b: Tensor) => model.forward(a, b).mul(NaN), loader)).rejects.toThrow(expect.objectContaining({ code: "NON_FINITE" }));
});
