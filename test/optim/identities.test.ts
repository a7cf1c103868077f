import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// Methods that must coincide: a whole trajectory of each beside the other's, over several nets, batches and bases.

const bases: optim.BaseOptions[] = [
  { name: "sgd", lr: 0.1, momentum: 0.9, weightDecay: 0.01 },
  { name: "adamw", lr: 0.02 },
];
const plain: optim.BaseOptions = { name: "sgd", lr: 0.1 };

const nets: Record<string, () => nn.Sequential> = {
  mlp: () => new nn.Sequential(new nn.Linear(4, 8), new nn.Tanh(), new nn.Linear(8, 3)),
  norms: () => new nn.Sequential(new nn.Linear(4, 8), new nn.BatchNorm1d(8), new nn.ReLU(), new nn.Linear(8, 6), new nn.LayerNorm(6), new nn.Linear(6, 3)),
  dropout: () => new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Dropout(0.4), new nn.Linear(8, 3)),
};

type Options = Record<string, unknown> & { method: optim.Method };

/** Weights and buffers after some steps, as one flat list. */
function walk(net: string, seed: number, options: Options): number[] {
  torch.manualSeed(seed);
  const model = nets[net]!().to("float64") as nn.Sequential;
  const perSample = ["k-sam", "efficient"].includes(options.method);
  const loss = (x: Tensor, y: Tensor): unknown => {
    const logits = model.forward(x);
    if (options.method === "bilevel") return { loss: nn.functional.crossEntropy(logits, y), logits, target: y };
    return nn.functional.crossEntropy(logits, y, { reduction: perSample ? "none" : "mean" });
  };
  const step = optim.create(model, options as unknown as optim.OptimizerOptions).compile<[Tensor, Tensor]>(loss as () => never);
  for (const [s, n] of [9, 9, 8, 9].entries()) {
    torch.manualSeed(100 * seed + s);
    const [x, y] = [torch.randn([n, 4], { dtype: "float64" }), torch.randint(3, [n])];
    torch.manualSeed(1000 * seed + s);
    step.sync(x, y);
  }
  return Object.values(model.stateDict()).flatMap((tensor) => Array.from(tensor.toTypedArray() as ArrayLike<number | bigint>, Number));
}

function farthest(a: number[], b: number[]): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

const rho = 0.3;
const isSam: [string, Options, ("mlp" | "norms" | "dropout")[]?][] = [
  ["one shard", { method: "msam", shards: 1 }],
  ["the whole batch ascends", { method: "sam", ascentFraction: 1 }],
  ["GA-SAM α 1, β γ 0, K 1", { method: "gasam", alpha: 1, beta: 0, gamma: 0, steps: 1 }],
  ["GSAM α 0", { method: "gsam", alpha: 0 }],
  ["Friendly SAM σ 0", { method: "friendly", sigma: 0 }],
  ["VaSSO θ 1", { method: "vasso", theta: 1 }],
  ["LookSAM k 1", { method: "look", k: 1 }],
  ["ESAM β γ 1", { method: "efficient", beta: 1, gamma: 1 }],
  ["K-SAM with all samples", { method: "k-sam", k: 9 }],
  ["Fisher SAM η 0", { method: "fisher", eta: 0 }],
  ["a mask that keeps all", { method: "sparse", keep: 1 }],
  ["a Fisher mask that keeps all", { method: "fisher-mask", keep: 1 }],
  ["CR-SAM γ β 0", { method: "curvature", gamma: 0, beta: 0 }],
  ["RST p 1", { method: "randomized", p: 1 }],
  ["Random SAM without noise", { method: "random", sigma: 0 }],
  ["every step", { method: "sam", every: 1 }],
  ["AE-SAM that always perturbs", { method: "adaptive-schedule", totalSteps: 10, lambda1: -1e6, lambda2: -1e6 }],
];

describe("is SAM", () => {
  test.each(isSam)("%s", (_, options) => {
    for (const net of Object.keys(nets)) {
      // The selecting forward of K-SAM moves batch norm's buffers; with all samples chosen it is the pass at w.
      for (const [i, base] of bases.entries()) {
        expect(farthest(walk(net, i + 1, { ...options, rho, base }), walk(net, i + 1, { method: "sam", rho, base })), net).toBeLessThan(1e-9);
      }
    }
  });

  test("WSAM γ ½ over plain SGD", () => {
    for (const net of Object.keys(nets)) {
      expect(farthest(walk(net, 3, { method: "weighted", gamma: 0.5, rho, base: plain }), walk(net, 3, { method: "sam", rho, base: plain })), net).toBeLessThan(1e-9);
    }
  });
});

const all: Options[] = [
  { method: "sam" }, { method: "sam", ascentFraction: 0.3 }, { method: "msam", shards: 3 }, { method: "gasam", steps: 2 }, { method: "asam" }, { method: "gsam" },
  { method: "friendly" }, { method: "vasso" }, { method: "look", k: 2 }, { method: "efficient" }, { method: "momentum" }, { method: "weighted" }, { method: "norm-only" },
  { method: "sparse" }, { method: "fisher-mask" }, { method: "fisher" }, { method: "random" }, { method: "stable" }, { method: "curvature" }, { method: "async" },
  { method: "adaptive-schedule", totalSteps: 9 }, { method: "randomized" }, { method: "k-sam" }, { method: "bayesian", dataSize: 100 }, { method: "gam" },
  { method: "parallel" }, { method: "bilevel" },
];

describe("is the base optimizer, bit for bit", () => {
  test.each(all)("%j", (options) => {
    const base = ["bayesian", "parallel"].includes(options.method) ? plain : bases[0]!;
    for (const net of options.method === "norm-only" ? ["norms"] : Object.keys(nets)) {
      const reference = walk(net, 5, { method: "none", base });
      expect(walk(net, 5, { ...options, rho: 0, base }), `${net}, rho 0`).toEqual(reference);
      expect(walk(net, 5, { ...options, rho, startStep: 4, base }), `${net}, before its first step`).toEqual(reference);
    }
  });

  test("RST p 0, probability 0", () => {
    const reference = walk("dropout", 6, { method: "none", base: bases[0] });
    expect(walk("dropout", 6, { method: "randomized", p: 0, rho, base: bases[0] })).toEqual(reference);
    expect(walk("dropout", 6, { method: "asam", probability: 0, rho, base: bases[0] })).toEqual(reference);
  });
});

describe("closed forms", () => {
  const a = () => torch.tensor([[2, 0.5], [0.5, 1]], { dtype: "float64" });

  test("on ½wᵀAw the SAM gradient is A(w + ρ n(Aw))", () => {
    const w = nn.parameter(torch.tensor([1, -2], { dtype: "float64" }));
    const A = a();
    const step = optim.create([w], { method: "sam", rho: 0.1, base: { name: "sgd", lr: 1 } }).compile(() => w.dot(A.mv(w)).mul(0.5));
    const { loss, perturbedLoss, gradNorm } = step.sync();
    const g = [2 * 1 + 0.5 * -2, 0.5 * 1 - 2] as const;
    const length = Math.hypot(...g);
    const p = [1 + (0.1 * g[0]) / length, -2 + (0.1 * g[1]) / length] as const;
    const gp = [2 * p[0] + 0.5 * p[1], 0.5 * p[0] + p[1]] as const;
    expect(gradNorm).toBeCloseTo(length, 12);
    expect(loss).toBeCloseTo(0.5 * (g[0] * 1 + g[1] * -2), 12);
    expect(perturbedLoss!).toBeCloseTo(0.5 * (gp[0] * p[0] + gp[1] * p[1]), 12);
    const [w0, w1] = w.toArray() as [number, number];
    expect(w0).toBeCloseTo(1 - gp[0], 12);
    expect(w1).toBeCloseTo(-2 - gp[1], 12);
  });

  // On a linear loss ⟨c, w⟩ the loss at w + ε is higher by ⟨c, ε⟩ = ρ‖c‖ if ε points along c and has the length ρ.
  test.each([{ method: "sam" }, { method: "vasso" }, { method: "stable" }, { method: "gsam" }, { method: "friendly", sigma: 0.5 }] as Options[])("‖ε‖ = ρ: %j", (options) => {
    const w = nn.parameter(torch.tensor([0.3, -1, 2], { dtype: "float64" }));
    const c = torch.tensor([1, -2, 2], { dtype: "float64" });
    const step = optim.create([w], { ...options, rho: 0.7, base: { name: "sgd", lr: 0.1 } } as unknown as optim.OptimizerOptions).compile((() => w.dot(c)) as () => never);
    for (let s = 0; s < 3; s++) {
      const { loss, perturbedLoss } = step.sync();
      expect(perturbedLoss! - loss).toBeCloseTo(0.7 * 3, 12);
    }
  });

  test.each(["sam", "asam"] as const)("%s climbs as far when the loss is multiplied by 2^k", (method) => {
    const run = (factor: number) => {
      torch.manualSeed(4);
      const model = nets["mlp"]!();
      const step = optim.create(model, { method, rho: 0.3, base: { name: "sgd", lr: 0 } }).compile((x, y) => nn.functional.crossEntropy(model.forward(x), y).mul(factor));
      return step.sync(torch.randn([6, 4]), torch.randint(3, [6])).perturbedLoss! / factor;
    };
    for (const k of [-20, 3, 10]) expect(run(2 ** k)).toBe(run(1));
  });
});
