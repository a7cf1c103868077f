import { expect, vi } from "vitest";
import { nn, optim, torch, type Tensor } from "../../lib/index.js";
import { native } from "../../lib/native.js";
import { distance } from "../support/python.js";

// Steps in the form that a GPU captures, beside ordinary ones.

/** How many steps of the optimizers made since were taken in that form. */
export function watch(): () => number {
  const created = vi.spyOn(native, "engineCreate");
  return () => created.mock.results.reduce((sum, { value }) => sum + native.engineStepsOnDevice(value as number), 0);
}

export const nets = {
  norms: () => new nn.Sequential(new nn.Linear(6, 8), new nn.BatchNorm1d(8), new nn.Tanh(), new nn.Linear(8, 3)),
  dropout: () => new nn.Sequential(new nn.Linear(6, 16), new nn.Dropout(0.3), new nn.Tanh(), new nn.Dropout(0.5), new nn.Linear(16, 3)),
};

export interface Trained {
  weights: Tensor[];
  buffers: Tensor[];
  reports: optim.StepReport[];
  state: optim.OptimizerState;
  noise: Tensor;
  explained: string;
}

export function trained(options: optim.OptimizerOptions, compile: optim.CompileOptions, { net: kind = "norms" as keyof typeof nets, steps = 8, samples = 10, bad = [] as readonly number[] } = {}): Trained {
  torch.manualSeed(0);
  const net = nets[kind]().to("float64");
  const optimizer = optim.create(net, options);
  const loss = (x: Tensor, y: Tensor) => {
    const logits = net.forward(x);
    const mean = nn.functional.crossEntropy(logits, y);
    return options.method === "bilevel" ? { loss: mean, logits, target: y } : mean;
  };
  const step = optimizer.compile<[Tensor, Tensor]>(loss as never, compile);
  torch.manualSeed(1);
  const reports = Array.from({ length: steps }, (_, s) => {
    const x = torch.randn([samples, 6], { dtype: "float64" });
    return step.sync(bad.includes(s) ? x.mul(Infinity) : x, torch.randint(0, 3, [samples]));
  });
  return { weights: [...net.parameters()].map((each) => each.detach()), buffers: [...net.buffers()], reports, state: optimizer.stateDict(), noise: torch.rand([4]), explained: step.explain() };
}

/** Weights, buffers, reports and the generator after steps in that form, held against those of ordinary ones. */
export function compare(options: optim.OptimizerOptions, setting: Parameters<typeof trained>[2] & { fewest?: number } = {}): void {
  const count = watch();
  const usual = trained(options, {}, setting);
  const other = trained(options, { graphs: "uncaptured" }, setting);
  expect(count()).toBeGreaterThanOrEqual(setting.fewest ?? 7);
  for (const kind of ["weights", "buffers"] as const) usual[kind].forEach((tensor, k) => expect(distance(other[kind][k]!, tensor)).toBeLessThan(1e-8)); // Adam makes much of rounding
  expect(distance(other.noise, usual.noise)).toBe(0);
  usual.reports.forEach((report, s) => {
    for (const kind of ["loss", "perturbedLoss", "gradNorm"] as const) {
      if (report[kind] === undefined) expect(other.reports[s]![kind]).toBeUndefined();
      else if (Number.isNaN(report[kind])) expect(other.reports[s]![kind]).toBeNaN();
      else expect(other.reports[s]![kind]).toBeCloseTo(report[kind], 9);
    }
    expect([other.reports[s]!.updated, other.reports[s]!.skipped]).toEqual([report.updated, report.skipped]);
  });
}

export const sgd = { name: "sgd", lr: 0.125, momentum: 0.5, weightDecay: 0.0625 } as const;
