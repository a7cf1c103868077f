import { afterAll, describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { DType, Tensor } from "../../lib/index.js";

// What methods compute between passes goes over the elements of all parameters, some on each thread. Of a loss x̄ Σ a_k‖w_k‖²/2 the gradient is
// x̄ a_k w_k, so each rule is written here once more, over one vector of float64 that holds all elements.

const threads = torch.getNumThreads();
afterAll(() => torch.setNumThreads(threads));

const [lr, rho, decay, steps] = [0.25, 0.5, 0.05, 3];
// Less than a register, several pieces, odd ends, nothing at all, and memory in another order.
const shapes = [[1], [0], [4096 * 3 - 5], [3, 7], [4096 * 33 - 7], [1, 1], [40, 50, 30], [2, 3, 4], [129, 65]];
const transposed = 6;
const factors = shapes.map((_, k) => 1 + k / 3);
const isWeight = (k: number) => k % 2 === 0;

class Parameters extends nn.Module {
  constructor(dtype: DType) {
    super();
    torch.manualSeed(3);
    shapes.forEach((shape, k) => {
      const drawn = torch.randn(shape, { dtype });
      this.registerParameter(`${isWeight(k) ? "weight" : "bias"}${k}`, nn.parameter(k === transposed ? drawn.transpose(0, 2) : drawn));
    });
  }
}

const x = [0.5, 1, 2, 0.25];
const mean = 3.75 / 4;
const flat = (tensors: Tensor[]) => torch.cat(tensors.map((each) => each.detach().to("float64").reshape([-1])));
const each = (of: (k: number) => number) => torch.cat(shapes.map((shape, k) => torch.full(shape, of(k), { dtype: "float64" }).reshape([-1])));
const a = each((k) => factors[k]! * mean);
const weights = each((k) => (isWeight(k) ? 1 : 0));
const sizes = shapes.map((shape) => shape.reduce((product, size) => product * size, 1));
/** A thread that has not been called yet in a step is, for so many elements: `parts_of_elements` in native/elements.h. */
const perThread = 65_536;

const gradient = (w: Tensor) => w.mul(a);
const norm = (v: Tensor) => Number(v.square().sum().sqrt().item());
const dot = (u: Tensor, v: Tensor) => Number(u.mul(v).sum().item());
const unit = (v: Tensor) => v.div(norm(v));
const across = (u: Tensor, v: Tensor) => u.sub(v.mul(dot(u, v) / norm(v) ** 2));
const climbed = (w: Tensor, direction: Tensor, far = rho) => gradient(w.add(unit(direction).mul(far)));
/** Each tensor's part of v, by what `factor` says of it. */
const byTensor = (v: Tensor, factor: (part: Tensor, k: number) => number) => torch.cat(v.split(sizes).map((part, k) => part.mul(factor(part, k))));

interface Memory {
  mean?: Tensor;
  kept?: Tensor;
  squares?: Tensor;
  mask?: Tensor;
  precision?: Tensor;
  strengths?: number[];
  updates?: number;
}
/** The direction that the base optimizer takes; `late`: what is added to the weights after it. noise: normal numbers, of a variance of 1. */
type Rule = (w: Tensor, memory: Memory, step: number, noise: Tensor) => Tensor | { d: Tensor; late: Tensor };

/** Each element's norm of the filter that it is in: of the first dimension's one index, of a vector all. */
const filterNorms = (w: Tensor) =>
  torch.cat(
    w.split(sizes).map((part, k) => {
      const shape = k === transposed ? [...shapes[k]!].reverse() : shapes[k]!;
      const rows = part.reshape([shape.length > 1 ? shape[0]! : 1, -1]);
      return rows.square().sum(1, { keepdim: true }).sqrt().expandAs(rows).reshape([-1]);
    }),
  );

function topShare(scores: Tensor, share: number): Tensor {
  const least = torch.sort(scores, -1, true)[0]!.narrow(0, Math.ceil(share * scores.numel()) - 1, 1);
  return scores.ge(least).to("float64");
}

/** GA-SAM with β = 0.9 and γ = 0. */
function gasam(alpha: number, count: number): Rule {
  return (w, memory) => {
    const g = gradient(w);
    memory.strengths ??= shapes.map(() => 0);
    memory.updates = (memory.updates ?? 0) + 1;
    const corrected = g.split(sizes).map((part, k) => {
      memory.strengths![k] = 0.9 * memory.strengths![k]! + (0.1 * norm(part)) / Math.sqrt(Math.max(sizes[k]!, 1));
      return memory.strengths![k]! / (1 - 0.9 ** memory.updates!);
    });
    const whole = Math.sqrt(corrected.reduce((sum, strength, k) => sum + sizes[k]! * strength ** (2 * alpha), 0));
    const radii = corrected.map((strength, k) => (rho * Math.sqrt(sizes[k]!) * strength ** alpha) / whole);
    const far = Math.min(1, 2.5 / count);
    let delta = torch.zerosLike(w);
    for (let i = 0; i < count; i++) {
      const climbing = gradient(w.add(delta));
      delta = delta.add(byTensor(climbing, (part, k) => (sizes[k] === 0 ? 0 : (far * radii[k]!) / norm(part))));
      delta = byTensor(delta, (part, k) => (norm(part) > radii[k]! ? radii[k]! / norm(part) : 1));
    }
    return gradient(w.add(delta));
  };
}

const rules: [optim.OptimizerOptions, Rule][] = (
  [
    [
      { method: "asam", rho, eta: 0.2 },
      (w) => {
        const t = w.abs().add(0.2).mul(weights).add(weights.neg().add(1));
        const tg = gradient(w).mul(t);
        return gradient(w.add(tg.mul(t).mul(rho / norm(tg))));
      },
    ],
    [
      { method: "fisher", rho, eta: 0.7 },
      (w) => {
        const g = gradient(w);
        const v = g.div(g.square().mul(0.7).add(1));
        return gradient(w.add(v.mul(rho / Math.sqrt(dot(g, v)))));
      },
    ],
    [{ method: "gsam", rho, alpha: 0.3 }, (w) => climbed(w, gradient(w)).sub(across(gradient(w), climbed(w, gradient(w))).mul(0.3))],
    [
      { method: "friendly", rho, sigma: 0.6, lambda: 0.5 },
      (w, memory) => {
        const g = gradient(w);
        const v = memory.mean === undefined ? g : g.sub(memory.mean.mul(0.6));
        memory.mean = memory.mean === undefined ? g : memory.mean.mul(0.5).add(g.mul(0.5));
        return climbed(w, v);
      },
    ],
    [
      { method: "vasso", rho, theta: 0.4 },
      (w, memory) => {
        const g = gradient(w);
        memory.mean = memory.mean === undefined ? g : memory.mean.mul(0.6).add(g.mul(0.4));
        return climbed(w, memory.mean);
      },
    ],
    [
      { method: "look", rho, k: 2, alpha: 0.3 },
      (w, memory, step) => {
        const g = gradient(w);
        if (step % 2 === 1) return g.add(memory.kept!.mul(0.3 * norm(g)));
        const ahead = climbed(w, g);
        memory.kept = unit(across(ahead, g));
        return ahead;
      },
    ],
    [{ method: "weighted", rho, gamma: 0.8 }, (w) => ({ d: gradient(w), late: climbed(w, gradient(w)).sub(gradient(w)).mul((-lr * 0.8) / (1 - 0.8)) })],
    [
      { method: "sparse", rho, keep: 0.3, refresh: 2 },
      (w, memory, step) => {
        const g = gradient(w);
        memory.squares = memory.squares === undefined ? g.square() : memory.squares.add(g.square());
        if (step % 2 === 0) memory.mask = topShare(memory.squares, 0.3);
        return gradient(w.add(unit(g).mul(memory.mask!).mul(rho)));
      },
    ],
    [
      { method: "fisher-mask", rho, keep: 0.2, refresh: 2 },
      (w, memory, step) => {
        const g = gradient(w);
        if (step % 2 === 0) memory.mask = topShare(g.square(), 0.2);
        return gradient(w.add(unit(g).mul(memory.mask!).mul(rho)));
      },
    ],
    [
      { method: "stable", rho },
      (w) => {
        const ahead = climbed(w, gradient(w));
        return ahead.mul(norm(gradient(w)) / norm(ahead));
      },
    ],
    [
      { method: "curvature", rho, gamma: 0.2, beta: 0.1 },
      (w) => {
        const g = gradient(w);
        const [ahead, behind] = [climbed(w, g), climbed(w, g, -rho)];
        return ahead.add(ahead.add(behind).sub(g.mul(2)).mul(0.2)).add(ahead.sub(behind).mul(0.1));
      },
    ],
    [
      { method: "gam", rho, normRho: 0.3, beta1: 0.9, beta2: 0.8, beta3: 0.7, gamma: 0.2 },
      (w) => {
        const g = gradient(w);
        const ahead = climbed(w, g);
        const w1 = w.add(unit(ahead.sub(g)).mul(0.3));
        const g2 = gradient(w1);
        const together = ahead.mul(0.9).add(climbed(w1, g2).mul(0.7));
        return together.sub(across(g.add(g2.mul(0.8)), together).mul(0.2));
      },
    ],
    [
      { method: "random", rho, sigma: 0.1, lambda: 1.5 },
      (w, _, __, noise) => {
        const z = noise.mul(filterNorms(w)).mul(0.1);
        return climbed(w, gradient(w.add(z)).mul(1.5).add(z));
      },
    ],
    [
      { method: "bayesian", rho, dataSize: 50, beta1: 0.8, beta2: 0.9, zeta: 0.1, initialPrecision: 2 },
      (w, memory, _, noise) => {
        const s = memory.precision ?? torch.fullLike(w, 2);
        const sampled = gradient(w.add(noise.div(s.mul(50).sqrt())));
        const ascended = gradient(w.add(sampled.div(s).mul(rho)));
        memory.mean = (memory.mean ?? torch.zerosLike(w)).mul(0.8).add(ascended.add(w.mul(decay)).mul(0.2));
        memory.precision = s.mul(0.9).add(s.sqrt().mul(sampled.abs()).add(0.1 + decay).mul(0.1));
        return { d: torch.zerosLike(w), late: memory.mean.div(s).mul(-lr) };
      },
    ],
    [{ method: "gasam", rho, alpha: 0.5, beta: 0.9, gamma: 0, steps: 1 }, gasam(0.5, 1)],
    [{ method: "gasam", rho, alpha: 0, beta: 0.9, gamma: 0, steps: 3 }, gasam(0, 3)],
  ] as [Omit<optim.OptimizerOptions, "base">, Rule][]
).map(([options, rule]) => [{ ...options, base: { name: "sgd", lr, ...(options.method === "bayesian" ? { weightDecay: decay } : {}) } } as optim.OptimizerOptions, rule]);

function walk(dtype: DType, options: optim.OptimizerOptions, count: number): Tensor {
  torch.setNumThreads(count);
  const net = new Parameters(dtype);
  const loss = (x: Tensor) =>
    net
      .parameters()
      .map((w, k) => w.square().sum().mul(factors[k]!))
      .reduce((sum, each) => sum.add(each))
      .mul(0.5)
      .mul(x.mean());
  const step = optim.create(net, options).compile(loss);
  for (let i = 0; i < steps; i++) {
    torch.manualSeed(i);
    step.sync(torch.tensor(x, { dtype }));
  }
  return flat(net.parameters());
}

test("there are elements enough for several threads, among weights alone, too", () => {
  for (const some of [sizes, sizes.filter((_, k) => isWeight(k))]) expect(some.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(2 * perThread);
});

describe.each([
  ["float32", 2e-5],
  ["float64", 1e-13],
] as const)("%s", (dtype, tolerance) => {
  test.each(rules)("%j", (options, rule) => {
    const parameters = new Parameters(dtype).parameters();
    let wanted = flat(parameters);
    const start = wanted;
    const memory: Memory = {};
    for (let i = 0; i < steps; i++) {
      torch.manualSeed(i);
      const noise = flat(parameters.map((w) => torch.randnLike(w)));
      const found = rule(wanted, memory, i, noise);
      wanted = "late" in found ? wanted.sub(found.d.mul(lr)).add(found.late) : wanted.sub(found.mul(lr));
    }
    const one = walk(dtype, options, 1);
    expect(norm(one.sub(wanted)) / norm(wanted.sub(start))).toBeLessThan(tolerance);
    for (const count of [2, 3, 5]) expect(torch.equal(walk(dtype, options, count), one), `with ${count} threads`).toBe(true);
  });
});

// Of w³/3 the gradient is w²: 1e-40, of which the inverse is beyond float32, and ρ² where the perturbation ends.
test.each([{ method: "sam" }, { method: "asam", eta: 1 }, { method: "gasam", steps: 3, alpha: 1 }, { method: "gasam", steps: 3, alpha: 0 }, { method: "vasso" }])("a gradient of float32's smallest numbers: %j", (options) => {
  const w = nn.parameter(torch.tensor([1e-20, 0]));
  const step = optim.create([w], { ...options, rho, base: { name: "sgd", lr: 1 } } as optim.OptimizerOptions).compile((third: Tensor) => w.mul(w).mul(w).sum().mul(third));
  const { perturbedLoss } = step.sync(torch.tensor(1 / 3));
  expect(perturbedLoss).toBeCloseTo(rho ** 3 / 3, 6);
  const [first, second] = w.detach().toArray() as number[];
  expect(first).toBeCloseTo(-(rho ** 2), 6);
  expect(second).toBe(0);
});
