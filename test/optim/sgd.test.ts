import { afterAll, describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { DType, Tensor } from "../../lib/index.js";

// SGD's loops go over the elements of all parameters as if they were one: each step beside its rule in float64, and the same numbers on any
// number of threads.

const threads = torch.getNumThreads();
afterAll(() => torch.setNumThreads(threads));

// One element, none, parts of vectors, several threads' parts, and memory in another order.
const shapes = [[1], [0], [15], [3, 7], [8193], [40, 50, 30], [20_000]];
const transposed = 5;

type Options = { lr: number; momentum?: number; dampening?: number; weightDecay?: number; nesterov?: boolean; maximize?: boolean };

function values(seed: number, dtype: DType): Tensor[] {
  torch.manualSeed(seed);
  return shapes.map((shape, k) => {
    const drawn = torch.randn(shape, { dtype });
    return k === transposed ? drawn.transpose(0, 2) : drawn;
  });
}

/** The weights after each step; the parameter `late` has no gradient in the first one. */
function trajectory(dtype: DType, base: Options, count: number, late: number) {
  torch.setNumThreads(count);
  const weights = values(0, dtype).map((w) => nn.parameter(w));
  const optimizer = optim.create(weights, { method: "none", base: { name: "sgd", ...base } });
  return [1, 2, 3].map((seed) => {
    const gradients = values(seed, dtype);
    optimizer.step(() => weights.map((w, k) => (seed === 1 && k === late ? null : w.mul(gradients[k]!).sum())).reduce((a, b) => (a === null ? b : b === null ? a : a.add(b)))!);
    return weights.map((w) => w.detach().clone());
  });
}

/** The same in float64. */
function expected(dtype: DType, { lr, momentum = 0, dampening = 0, weightDecay = 0, nesterov = false, maximize = false }: Options, late: number) {
  const weights = values(0, dtype).map((w) => w.to("float64"));
  const buffers: Tensor[] = [];
  return [1, 2, 3].map((seed) => {
    values(seed, dtype).forEach((given, k) => {
      if (seed === 1 && k === late) return;
      const d = given.to("float64");
      let g = maximize ? d.neg() : d;
      if (weightDecay !== 0) g = g.add(weights[k]!.mul(weightDecay));
      if (momentum !== 0) {
        buffers[k] = buffers[k] === undefined ? g : buffers[k].mul(momentum).add(g.mul(1 - dampening));
        g = nesterov ? g.add(buffers[k].mul(momentum)) : buffers[k];
      }
      weights[k] = weights[k]!.sub(g.mul(lr));
    });
    return [...weights];
  });
}

const late = 4;

describe.each([
  ["float32", 1e-6],
  ["float64", 1e-14],
] as const)("%s", (dtype, tolerance) => {
  test.each([
    { lr: 0.1 },
    { lr: 0.3, weightDecay: 0.01, maximize: true },
    { lr: 0.1, momentum: 0.9 },
    { lr: 0.1, momentum: 0.9, nesterov: true },
    { lr: 0.03, momentum: 0.7, dampening: 0.3, weightDecay: 0.01 },
    { lr: 0.03, momentum: 0.7, weightDecay: 0.1, nesterov: true, maximize: true },
  ] as Options[])("%j", (base) => {
    const wanted = expected(dtype, base, late);
    const one = trajectory(dtype, base, 1, late);
    one.forEach((weights, step) =>
      weights.forEach((w, k) => {
        expect([...w.stride()]).toEqual([...wanted[0]![k]!.stride()]);
        if (w.numel() > 0) expect(Number(w.to("float64").sub(wanted[step]![k]!).abs().max().item()), `w${k} after step ${step + 1}`).toBeLessThan(4 * tolerance);
      }),
    );
    for (const count of [2, 3, 5])
      trajectory(dtype, base, count, late).forEach((weights, step) =>
        weights.forEach((w, k) => expect(torch.equal(w, one[step]![k]!), `w${k} after step ${step + 1} with ${count} threads`).toBe(true)),
      );
  });
});

test("weights count as changed in place", () => {
  const w = nn.parameter(torch.ones([3]));
  const squares = w.square().sum();
  optim.create([w], { method: "none", base: { name: "sgd", lr: 0.5 } }).step(() => w.sum());
  expect(() => squares.backward()).toThrow();
});

test("parameters that overlap in memory get both updates, on any number of threads", () => {
  for (const count of [1, 3]) {
    torch.setNumThreads(count);
    const all = torch.ones([60_000]);
    const weights = [all.narrow(0, 0, 40_000), all.narrow(0, 20_000, 40_000)].map((w) => w.requiresGrad_());
    const optimizer = optim.create(weights, { method: "none", base: { name: "sgd", lr: 0.25 } });
    optimizer.step(() => weights[0]!.sum().add(weights[1]!.sum()));
    const expected = torch.cat([torch.full([20_000], 0.75), torch.full([20_000], 0.5), torch.full([20_000], 0.75)]);
    expect(torch.equal(all, expected)).toBe(true);
  }
});
