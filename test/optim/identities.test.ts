import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { basesFor, drawing, methods, nets, normalises, type MethodOptions, type NetName } from "./nets.js";
import { difference, walk, type Walk } from "./walk.js";

// What must hold between methods whatever the net, the batch, the radius and the base optimizer; and what theory says in
// closed form.

// The same draws in every run; a failing one is shown as it was drawn.
fc.configureGlobal({ seed: 20260, numRuns: 5, endOnFailure: true });
// A second thread costs small tensors more than it gives.
torch.setNumThreads(1);

const close = 1e-9;
const names = Object.keys(nets) as NetName[];

/** A net, batches, a radius, a base optimizer. */
const setting = (only: readonly NetName[] = names, bases: readonly optim.BaseOptions[] = basesFor("sam")) =>
  fc.record({
    name: fc.constantFrom(...only),
    seed: fc.integer({ min: 1, max: 10_000 }),
    size: fc.integer({ min: 4, max: 9 }),
    rho: fc.double({ min: 1e-3, max: 0.5, noNaN: true }),
    base: fc.constantFrom(...bases),
  });

type Setting = ReturnType<typeof setting> extends fc.Arbitrary<infer T> ? T : never;

function take({ name, rho, base, ...rest }: Setting, options: MethodOptions, more: Partial<Walk> = {}) {
  return walk({ net: nets[name], options: { ...(options.method === "none" ? {} : { rho }), ...options, base }, ...rest, ...more });
}

/** The nets that a method can train: with classes, with normalisation layers. */
function netsFor(method: optim.Method): NetName[] {
  return names.filter((name) => (method !== "bilevel" || nets[name].loss === "cross_entropy") && (method !== "norm-only" || normalises(nets[name])));
}

/** Two methods take the same steps. */
async function same(drawn: ReturnType<typeof setting>, one: MethodOptions | ((s: Setting) => MethodOptions), other: MethodOptions, within = close, reports = true) {
  await fc.assert(
    fc.asyncProperty(drawn, async (s) => {
      const options = typeof one === "function" ? one(s) : one;
      const [a, b] = [await take(s, options), await take(s, other, other.method === "none" ? { lossOf: options.method } : {})];
      expect(difference(a, b, reports)).toBeLessThanOrEqual(within);
    }),
  );
}

const sam: MethodOptions = { method: "sam" };
const base: MethodOptions = { method: "none" };

describe("is SAM", () => {
  const identities: [string, MethodOptions][] = [
    ["mSAM with one shard", { method: "msam", shards: 1 }],
    ["SAM whose whole batch climbs", { method: "sam", ascentFraction: 1 }],
    ["SAM whose share of the batch rounds up to all of it", { method: "sam", ascentFraction: 0.95 }],
    ["GA-SAM with α = 1, β = γ = 0, K = 1", { method: "gasam", alpha: 1, beta: 0, gamma: 0, steps: 1 }],
    ["GSAM with α = 0", { method: "gsam", alpha: 0 }],
    ["Friendly SAM with σ = 0", { method: "friendly", sigma: 0, lambda: 0.7 }],
    ["VaSSO with θ = 1", { method: "vasso", theta: 1 }],
    ["LookSAM with k = 1", { method: "look", k: 1 }],
    ["Fisher SAM with η = 0", { method: "fisher", eta: 0 }],
    ["Sparse SAM that keeps all", { method: "sparse", keep: 1, refresh: 2 }],
    ["the Fisher mask that keeps all", { method: "fisher-mask", keep: 1, refresh: 2 }],
    ["CR-SAM with γ = β = 0", { method: "curvature", gamma: 0, beta: 0 }],
    ["GAM with β₁ = 1, β₂ = β₃ = γ = 0", { method: "gam", beta1: 1, beta2: 0, beta3: 0, gamma: 0 }],
    ["RST with p = 1", { method: "randomized", p: 1 }],
    ["AE-SAM far below every threshold", { method: "adaptive-schedule", totalSteps: 3, lambda1: -1e6, lambda2: -1e6 }],
    ["SAM at every first step", { method: "sam", every: 1, startStep: 0 }],
    ["Random SAM without noise", { method: "random", sigma: 0 }],
  ];
  test.each(identities)("%s", (_, options) => same(setting(), options, sam));

  test.each<[string, (size: number) => MethodOptions]>([
    ["ESAM with β = γ = 1", () => ({ method: "efficient", beta: 1, gamma: 1 })],
    ["K-SAM with k = |B|", (size) => ({ method: "k-sam", k: size })],
    ["K-SAM with k above |B|", () => ({ method: "k-sam", k: 1000 })],
  ])("%s", (_, options) => same(setting(), ({ size }) => options(size), sam));

  test("WSAM with γ = ½ over plain SGD", () => same(setting(names, [{ name: "sgd", lr: 0.1 }, { name: "sgd", lr: 0.05, weightDecay: 0.1 }]), { method: "weighted", gamma: 0.5 }, sam));

  test("SAM-ON where all parameters are a normalisation layer's", async () => {
    const net = { ...nets.layered, layers: [{ type: "LayerNorm", normalized_shape: [6] }, { type: "BatchNorm1d", num_features: 6 }], outputs: 6 };
    const run = (method: optim.Method) => walk({ net, options: { method, rho: 0.2, base: { name: "sgd", lr: 0.1 } }, seed: 5 });
    expect(difference(await run("norm-only"), await run("sam"))).toBe(0);
  });
});

describe("is the base optimizer, bit for bit", () => {
  const all = [...methods, ...drawing].filter(({ method }) => method !== "none");
  // SAM-ON reports the norm over the normalisation layers alone.
  const reportsAlike = ({ method }: MethodOptions) => method !== "norm-only";

  test.each(all.map((options) => [JSON.stringify(options), options] as const))("%s with ρ = 0", (_, options) =>
    same(setting(netsFor(options.method), basesFor(options.method)), () => ("rhoMin" in options ? { ...options, rhoMin: 0, rhoMax: 0 } : { ...options, rho: 0 }), base, 0, reportsAlike(options)),
  );

  test.each(all.map((options) => [JSON.stringify(options), options] as const))("%s before its first step", (_, options) =>
    same(setting(netsFor(options.method), basesFor(options.method)), { ...options, startStep: 4 }, base, 0, reportsAlike(options)),
  );

  test.each<[string, MethodOptions]>([
    ["RST with p = 0", { method: "randomized", p: 0 }],
    ["SAM with probability 0", { method: "sam", probability: 0 }],
    ["AE-SAM far above every threshold", { method: "adaptive-schedule", totalSteps: 3, lambda1: 1e6, lambda2: 1e6 }],
  ])("%s", (_, options) => same(setting(), options, base, 0));
});

/** Steps with a closure that writes down where its passes are taken: the shift from w in each pass after the first, per step. */
function shifts(parameters: readonly Tensor[], loss: () => Tensor, options: MethodOptions, base: optim.BaseOptions, steps: number): number[][][] {
  const optimizer = optim.create(parameters, { ...options, base } as unknown as optim.OptimizerOptions);
  const values = () => parameters.flatMap((p) => Array.from(p.detach().toTypedArray() as Float64Array));
  return Array.from({ length: steps }, () => {
    const before = values();
    const seen: number[][] = [];
    optimizer.step(() => {
      seen.push(values().map((value, i) => value - before[i]!));
      return loss();
    });
    return seen.slice(1);
  });
}

const length = (vector: readonly number[]) => Math.hypot(...vector);
const lengthOf = (tensor: Tensor) => Number(tensor.norm().item());

/** Parameters of random shapes and a smooth loss of them that is no quadratic. */
const problem = fc
  .record({
    shapes: fc.array(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 }), { minLength: 1, maxLength: 4 }),
    seed: fc.integer({ min: 1, max: 10_000 }),
    rho: fc.double({ min: 1e-3, max: 2, noNaN: true }),
  })
  .map(({ shapes, seed, rho }) => {
    torch.manualSeed(seed);
    const draw = () => shapes.map((shape) => torch.randn(shape, { dtype: "float64" }));
    const [targets, weights] = [draw(), draw()];
    const parameters = draw().map((w) => nn.parameter(w));
    const loss = (factor = 1) =>
      parameters.map((p, k) => p.sub(targets[k]!).mul(weights[k]!).pow(2).add(1).sqrt().add(p.sin().mul(0.3)).sum()).reduce((a, b) => a.add(b)).mul(factor);
    return { parameters, loss, rho };
  });

const sgd: optim.BaseOptions = { name: "sgd", lr: 0.05, momentum: 0.5 };

describe("‖ε‖ = ρ", () => {
  // What each method's passes after the first are taken at: its last one at w + ε.
  test.each<MethodOptions>([
    { method: "sam" },
    { method: "gsam" },
    { method: "friendly" },
    { method: "vasso" },
    { method: "look", k: 1 },
    { method: "weighted" },
    { method: "stable" },
    { method: "curvature" },
    { method: "gasam", alpha: 1, beta: 0.5, gamma: 0, steps: 1 },
    { method: "gasam", alpha: 0.3, beta: 0.9, gamma: 0, steps: 1 },
    { method: "randomized", p: 1 },
    { method: "random" },
  ])("%j", (options) => {
    fc.assert(
      fc.property(problem, ({ parameters, loss, rho }) => {
        for (const passes of shifts(parameters, loss, { ...options, rho }, sgd, 3)) {
          expect(passes.length).toBeGreaterThan(0);
          for (const shift of passes) expect(Math.abs(length(shift) / rho - 1)).toBeLessThan(close);
        }
      }),
    );
  });

  test("at most, for several projected steps", () => {
    fc.assert(
      fc.property(problem, fc.integer({ min: 2, max: 6 }), ({ parameters, loss, rho }, steps) => {
        for (const passes of shifts(parameters, loss, { method: "gasam", alpha: 0.5, beta: 0.5, gamma: 0.5, steps, rho }, sgd, 3)) {
          expect(passes).toHaveLength(steps);
          for (const shift of passes) expect(length(shift)).toBeLessThan(rho * (1 + close));
        }
      }),
    );
  });

  test("by what a compiled step reports of a plane", async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom("sam", "friendly", "vasso", "stable"), fc.integer({ min: 1, max: 99 }), fc.double({ min: 1e-3, max: 10, noNaN: true }), async (method, seed, rho) => {
        torch.manualSeed(seed);
        const w = nn.parameter(torch.randn([4, 3], { dtype: "float64" }));
        const slope = torch.randn([4, 3], { dtype: "float64" });
        const step = optim.create([w], { method, rho, base: { name: "sgd", lr: 0.1 } }).compile((c) => w.mul(c).sum());
        for (const factor of [1, 3]) {
          const { loss, perturbedLoss, gradNorm } = await step(slope.mul(factor));
          expect(Math.abs(gradNorm / lengthOf(slope.mul(factor)) - 1)).toBeLessThan(close);
          // The second step of Friendly SAM climbs g − σm, which points the same way here.
          expect(Math.abs((perturbedLoss! - loss) / (rho * gradNorm) - 1)).toBeLessThan(1e-7);
        }
      }),
    );
  });
});

test("on ½wᵀAw the SAM gradient is A(w + ρ n(Aw))", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: 7 }), fc.double({ min: 1e-3, max: 5, noNaN: true }), async (seed, n, rho) => {
      torch.manualSeed(seed);
      const root = torch.randn([n, n], { dtype: "float64" });
      const A = root.matmul(root.t());
      const w = nn.parameter(torch.randn([n], { dtype: "float64" }));
      const step = optim.create([w], { method: "sam", rho, base: { name: "sgd", lr: 0.01 } }).compile((A) => w.dot(A.mv(w)).mul(0.5));
      for (let s = 0; s < 3; s++) {
        const before = w.detach().clone();
        const g = A.mv(before);
        const at = before.add(g.mul(rho / lengthOf(g)));
        const { loss, perturbedLoss } = await step(A);
        expect(lengthOf(w.detach().sub(before.sub(A.mv(at).mul(0.01)))) / lengthOf(before)).toBeLessThan(1e-12);
        expect(loss).toBeCloseTo(0.5 * Number(before.dot(g).item()), 10);
        expect(perturbedLoss! / (0.5 * Number(at.dot(A.mv(at)).item()))).toBeCloseTo(1, 10);
      }
    }),
  );
});

describe("scales", () => {
  test.each<MethodOptions>([{ method: "sam" }, { method: "asam" }, { method: "asam", eta: 0 }])("%j climbs as far, bit for bit, when the loss is multiplied by 2^k", (options) => {
    fc.assert(
      fc.property(problem, fc.integer({ min: -12, max: 12 }), ({ parameters, loss, rho }, k) => {
        const copies = parameters.map((p) => p.detach().clone());
        const once = (factor: number) => {
          torch.noGrad(() => parameters.forEach((p, i) => void p.copy_(copies[i]!)));
          return shifts(parameters, () => loss(factor), { ...options, rho }, sgd, 1)[0]![0]!;
        };
        const [plain, scaled] = [once(1), once(2 ** k)];
        expect(scaled).toEqual(plain);
      }),
    );
  });

  test("ASAM with η = 0 does not see w_l → c·w_l, w_{l+1} → w_{l+1}/c", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 999 }), fc.double({ min: 0.05, max: 20, noNaN: true }), fc.double({ min: 0.01, max: 1, noNaN: true }), async (seed, c, rho) => {
        const run = async (factor: number) => {
          torch.manualSeed(seed);
          const model = new nn.Sequential(new nn.Linear(5, 6, false), new nn.ReLU(), new nn.Linear(6, 4, false), new nn.ReLU(), new nn.Linear(4, 3));
          model.to("float64");
          torch.noGrad(() => {
            (model[0] as nn.Linear).weight.mul_(factor);
            (model[2] as nn.Linear).weight.mul_(1 / factor);
          });
          const [x, y] = [torch.randn([8, 5], { dtype: "float64" }), torch.randint(3, [8], { dtype: "int64" })];
          const optimizer = optim.create(model, { method: "asam", rho, eta: 0, base: { name: "sgd", lr: 0 } });
          return optimizer.compile((x, y) => nn.functional.crossEntropy(model.forward(x), y))(x, y);
        };
        const [plain, scaled] = [await run(1), await run(c)];
        expect(scaled.loss / plain.loss).toBeCloseTo(1, 10);
        expect(scaled.perturbedLoss! / plain.perturbedLoss!).toBeCloseTo(1, 9);
        // The gradient itself does see it.
        if (Math.abs(Math.log(c)) > 0.1) expect(Math.abs(scaled.gradNorm / plain.gradNorm - 1)).toBeGreaterThan(1e-6);
      }),
    );
  });
});

test("of equal losses K-SAM takes the first", () => {
  const w = nn.parameter(torch.tensor([0, 0, 0, 0, 0, 0], { dtype: "float64" }));
  const step = optim.create([w], { method: "k-sam", k: 2, rho: 0.1, base: { name: "sgd", lr: 1 } }).compile((x) => w.mul(x).sum([1]));
  // Sample i moves w_i alone, and all losses are 0.
  step.sync(torch.eye(6, { dtype: "float64" }));
  expect(w.toArray()).toEqual([-0.5, -0.5, 0, 0, 0, 0]);
});

test("mSAM records no shards where ρ is 0", () => {
  const model = new nn.Sequential(new nn.Linear(3, 4), new nn.BatchNorm1d(4));
  const step = optim.create(model, { method: "msam", shards: 4, rho: 0, base: { name: "sgd", lr: 0.1 } }).compile((x) => model.forward(x).pow(2).mean());
  step.sync(torch.randn([4, 3])); // a shard would be one sample, which batch norm refuses
  expect(step.programs.map(({ samples }) => samples)).toEqual([4]);
});

describe("maximize", () => {
  // What K-SAM and ESAM choose, and what BiSAM climbs, is told from the loss as it is.
  const all = [...methods, ...drawing].filter(({ method }) => !["k-sam", "efficient", "bilevel"].includes(method));

  test.each(all.map((options) => [JSON.stringify(options), options] as const))("%s: is the descent on −L, bit for bit", async (_, options) => {
    for (const base of basesFor(options.method)) {
      const s: Setting = { name: "norms", seed: 17, size: 8, rho: 0.2, base };
      const [a, b] = [await take({ ...s, base: { ...base, maximize: true } }, options), await take(s, options, { sign: -1 })];
      expect(difference(a, b, false), base.name).toBe(0);
      const seen = (reports: readonly optim.StepReport[], sign: number) => reports.map(({ loss, perturbedLoss, gradNorm }) => [sign * loss, perturbedLoss === undefined ? undefined : sign * perturbedLoss, gradNorm]);
      expect(seen(a.reports, 1)).toEqual(seen(b.reports, -1));
    }
  });
});

describe("steps of two kinds", () => {
  /** A method whose radius is 0 in the steps that are not chosen. */
  const chosen = (s: Setting, options: MethodOptions, isChosen: (step: number) => boolean) =>
    take(s, options, { steps: 7, before: (step, optimizer) => void (optimizer.rho = isChosen(step) ? s.rho : 0) });

  test.each<MethodOptions>([{ method: "sam" }, { method: "asam" }, { method: "vasso" }, { method: "msam", shards: 2 }])("%j at every third step", async (options) => {
    await fc.assert(
      fc.asyncProperty(setting(), async (s) => {
        const [a, b] = [await take(s, { ...options, every: 3, startStep: 1 }, { steps: 7 }), await chosen(s, options, (step) => step > 0 && (step - 1) % 3 === 0)];
        expect(difference(a, b)).toBe(0);
      }),
    );
  });

  test("a mask that keeps all is SAM's, also where the step in which it is due does not perturb", async () => {
    for (const seed of [1, 2, 3, 4]) {
      const s: Setting = { name: "norms", seed, size: 8, rho: 0.3, base: { name: "sgd", lr: 0.1 } };
      const [a, b] = [await take(s, { method: "sparse", keep: 1, probability: 0.4 }, { steps: 7 }), await take(s, { method: "sam", probability: 0.4 }, { steps: 7 })];
      expect(difference(a, b)).toBeLessThanOrEqual(close);
    }
  });

  test("each step of RST is one or the other, about as often as p says", async () => {
    let perturbed = 0;
    const count = 60;
    const { reports } = await walk({ net: nets.mlp, options: { method: "randomized", p: 0.3, rho: 0.1, base: { name: "sgd", lr: 0.01 } }, seed: 3, steps: count });
    for (const report of reports) perturbed += report.perturbedLoss === undefined ? 0 : 1;
    expect(perturbed).toBeGreaterThan(0.1 * count);
    expect(perturbed).toBeLessThan(0.5 * count);
  });
});
