import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { DType } from "../../lib/index.js";

// Weights in half precision: squares, products and factors of their gradients lie beyond its range long before these do.

torch.setNumThreads(1);
const halves = ["float16", "bfloat16"] as const;

// Of the loss Σ c w the gradient is c, and a step to ρ c/‖c‖ raises it by ρ ‖c‖.
describe.each(halves)("the perturbation's length, %s", (dtype) => {
  const methods: object[] = [{ method: "sam" }, { method: "gasam" }, { method: "fisher", eta: 0 }, { method: "gsam", alpha: 0.5 }, { method: "look", k: 1 }];
  const gradients: [size: number, each: number, rhos: number[]][] = [
    [1024, 1000, [0.05, 0.002, 0.0008]],
    [64, 1e-4, [0.5, 4]],
  ];
  test.each(methods)("%j", (method) => {
    for (const [size, each, rhos] of gradients) {
      for (const rho of rhos) {
        const w = nn.parameter(torch.zeros([size], { dtype }));
        const c = torch.full([size], each, { dtype });
        const step = optim.create([w], { ...method, rho, base: { name: "sgd", lr: 0 } } as optim.OptimizerOptions).compile((c) => w.to({ dtype: "float32" }).mul(c.to({ dtype: "float32" })).sum());
        const { loss, perturbedLoss } = step.sync(c);
        const wanted = rho * Number(c.to("float64").square().sum().sqrt().item());
        expect(Math.abs((perturbedLoss! - loss) / wanted - 1), `${size} of ${each}, rho ${rho}`).toBeLessThan(dtype === "float16" ? 2e-3 : 8e-3);
      }
    }
  });
});

// Σ a w² with gradients of 100 to 800, and of 4e-5 to 2e-4: as in float32 but for rounding.
describe.each(halves)("two steps, %s", (dtype) => {
  test.each<[object, number, number]>([
    [{ method: "gsam", alpha: 0.9 }, 64, 1e-4],
    [{ method: "gsam", alpha: 0.9 }, 2e-5, 1000],
    [{ method: "look", k: 2, alpha: 0.9 }, 64, 1e-4],
    [{ method: "look", k: 2, alpha: 0.9 }, 2e-5, 1000],
    [{ method: "fisher", eta: 0 }, 64, 1e-4],
    [{ method: "fisher", eta: 0.01 }, 64, 1e-4],
    [{ method: "gam" }, 64, 1e-4],
    [{ method: "asam" }, 64, 1e-4],
    [{ method: "asam" }, 2e-5, 1000],
    [{ method: "friendly", sigma: 0.4 }, 64, 1e-4],
    [{ method: "vasso", theta: 0.4 }, 2e-5, 1000],
    [{ method: "weighted", gamma: 0.4 }, 64, 1e-4],
    [{ method: "stable" }, 2e-5, 1000],
    [{ method: "curvature" }, 64, 1e-4],
    [{ method: "gasam", steps: 3 }, 64, 1e-4],
    [{ method: "sparse" }, 64, 1e-4],
    [{ method: "sparse" }, 2e-5, 1000],
    [{ method: "fisher-mask", keep: 0.3 }, 64, 1e-4],
  ])("%j, gradients times %d", (method, scale, lr) => {
    const run = (dtype: DType) => {
      const w = nn.parameter(torch.tensor([1, 2, 3, 4], { dtype }));
      const a = torch.tensor([1, 3, 2, 1], { dtype }).mul(scale);
      const step = optim.create([w], { ...method, rho: 0.5, base: { name: "sgd", lr } } as optim.OptimizerOptions).compile((a) => w.mul(w).mul(a).sum());
      for (let i = 0; i < 2; i++) step.sync(a);
      return w.detach().to("float64").toArray() as number[];
    };
    const wanted = run("float32");
    run(dtype).forEach((value, i) => expect(Math.abs(value - wanted[i]!)).toBeLessThan((dtype === "float16" ? 6e-3 : 4e-2) * Math.max(1, Math.abs(wanted[i]!))));
  });

  // α‖g‖ of LookSAM's steps between two perturbations is beyond float16's largest number.
  test("a factor beyond the dtype's range", () => {
    const w = nn.parameter(torch.zeros([4096], { dtype }));
    const c = torch.arange(4096).to({ dtype: "float32" }).add(4000).to({ dtype });
    const step = optim.create([w], { method: "look", k: 2, alpha: 0.2, rho: 0.05, base: { name: "sgd", lr: 1e-9 } }).compile((c) => w.to({ dtype: "float32" }).add(1).square().mul(c.to({ dtype: "float32" })).sum());
    for (let i = 0; i < 3; i++) expect(step.sync(c).updated).toBe(true);
  });

  // 1/scale lies between two of float16's smallest numbers.
  test("a loss scale leaves nothing behind", () => {
    const w = nn.parameter(torch.zeros([3], { dtype }));
    const c = torch.full([3], 2 ** -13, { dtype });
    const step = optim.create([w], { method: "none", base: { name: "sgd", lr: 1 }, lossScale: 3 * 2 ** 14 }).compile((c) => w.mul(c).to({ dtype: "float32" }).sum());
    step.sync(c);
    expect(w.toArray()).toEqual(Array(3).fill(-(2 ** -13)));
  });

  // −lr γ/(1−γ) is below float16's smallest number, and times the difference of the gradients far above it.
  test("WSAM's second part has a factor below the dtype's range", () => {
    const w = nn.parameter(torch.zeros([1], { dtype }));
    const c = torch.tensor([256], { dtype });
    const step = optim.create([w], { method: "weighted", gamma: 0.5, rho: 1, base: { name: "sgd", lr: 1e-8 } }).compile((c) => w.mul(w).mul(c).sum().add(w.sum()));
    step.sync(c); // g = 1, g_p = 1 + 2 · 256
    expect(w.item()).toBeCloseTo(-1e-8 * (1 + 512), 7);
    expect(w.item()).toBeLessThan(-4e-6);
  });
});
