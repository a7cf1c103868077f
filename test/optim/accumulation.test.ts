import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { distance, needsPython, pack, python, runPython, unpack, type Packed } from "../support/python.js";
import { compiled, convnet, crossEntropy, double, expectClose, expectCloseReport, net, plain, sgd, state, windows, type Batch, type Window } from "./micro-batches.js";

// Gradient accumulation: a step over several micro-batches is the step over all of them at once ("full"), or mSAM's over shards
// ("shard").

describe('accumulate: "full" is the step on the whole batch', () => {
  const methods: Record<string, object> = {
    none: {},
    sam: { rho: 0.3 },
    "sam every 2nd step": { method: "sam", rho: 0.3, every: 2 },
    "sam with probability": { method: "sam", rho: 0.3, probability: 0.5 },
    "sam from step 2 on": { method: "sam", rho: 0.3, startStep: 2 },
    "sam with a loss scale": { method: "sam", rho: 0.3, lossScale: 1024 },
    "sam, elements clipped": { method: "sam", rho: 0.3, maxGradValue: 0.01 },
    msam: { shards: 1 },
    gasam: { steps: 2, alpha: 1, gamma: 0.5 },
    asam: {},
    gsam: {},
    friendly: {},
    vasso: {},
    look: { k: 3 },
    momentum: { rho: 0.5 },
    weighted: {},
    "norm-only": {},
    sparse: { refresh: 2 },
    "fisher-mask": { refresh: 2 },
    fisher: {},
    random: { sigma: 0.1 },
    stable: {},
    curvature: {},
    async: {},
    "adaptive-schedule": { totalSteps: 4 },
    randomized: {},
    bayesian: { dataSize: 10, base: plain, maxGradNorm: undefined },
    gam: {},
    parallel: { base: plain },
    bilevel: {},
  };

  test.each(Object.entries(methods))("%s", async (name, own) => {
    const options = { method: name, base: sgd, maxGradNorm: 0.5, ...own };
    const [reference, model] = [net(), net()];
    const { step: whole } = compiled(reference, options);
    const { step, optimizer } = compiled(model, { ...options, accumulationSteps: 3 });
    const start = state(model);
    for (const [s, window] of windows(5, [3, 5, 1]).entries()) {
      torch.manualSeed(s);
      const wanted = await whole(...window.whole);
      torch.manualSeed(s);
      const before = state(model);
      for (const [j, micro] of window.micros.entries()) {
        const report = await step(...micro);
        if (j === 2) {
          expectCloseReport(report, wanted);
          continue;
        }
        expect([report.updated, report.skipped, report.perturbedLoss]).toEqual([false, false, undefined]);
        const loss = torch.noGrad(() => crossEntropy(model)(...micro)).item() as number;
        expect(Math.abs(report.loss - loss)).toBeLessThan(1e-12);
        expect(Number.isNaN(report.gradNorm)).toBe(["momentum", "async", "random", "bayesian", "parallel"].includes(name));
        expect(state(model)).toEqual(before);
      }
      expectClose(model, reference);
    }
    expect(state(model)).not.toEqual(start);
    expect(optimizer.stateDict().steps).toBe(5);
  });

  test("without a dimension of samples all micro-batches count alike", () => {
    const weight = nn.parameter(torch.tensor([1, 2], double));
    const step = optim.create([weight], { method: "none", base: { name: "sgd", lr: 1 }, accumulationSteps: 2 }).compile<[Tensor]>((a) => weight.mul(a).sum());
    step.sync(torch.tensor(1, double));
    const report = step.sync(torch.tensor(3, double));
    expect(weight.toArray()).toEqual([-1, 0]);
    expect(report).toEqual({ loss: 6, gradNorm: Math.sqrt(8), perturbedLoss: undefined, skipped: false, updated: true });
  });
});

describe('accumulate: "shard" is mSAM', () => {
  // Plain steps of mSAM run over the whole batch at once, which batch norm would tell apart.
  test.each([
    ["batch norm", {}],
    ["batch norm", { maxGradNorm: 0.1 }],
    ["layer norm", { every: 2 }],
    ["layer norm", { startStep: 1 }],
    ["layer norm", { probability: 0.5 }],
  ] as const)("with %s, %j", async (norm, own) => {
    const make = norm === "batch norm" ? convnet : net;
    const [reference, model] = [make(), make()];
    const { step: whole } = compiled(reference, { method: "msam", shards: 3, rho: 0.3, base: sgd, ...own });
    const { step } = compiled(model, { method: "sam", rho: 0.3, base: sgd, accumulationSteps: 3, accumulate: "shard", ...own });
    for (const [s, window] of windows(5, [5, 4, 4], norm === "batch norm" ? [2, 6, 6] : [5]).entries()) {
      torch.manualSeed(s);
      const wanted = await whole(...window.whole);
      torch.manualSeed(s);
      const before = state(model);
      const reports = await Promise.all(window.micros.slice(0, 2).map((micro) => step(...micro)));
      expect(state(model)).toEqual(before);
      reports.push(await step(...window.micros[2]!));
      expect(reports.map(({ updated }) => updated)).toEqual([false, false, true]);
      const perturbed = wanted.perturbedLoss !== undefined;
      expect(reports.map(({ perturbedLoss }) => perturbedLoss !== undefined)).toEqual([perturbed, perturbed, perturbed]);
      for (const key of perturbed ? (["loss", "gradNorm", "perturbedLoss"] as const) : (["loss"] as const)) {
        const mean = reports.reduce((sum, report, j) => sum + (report[key]! * window.micros[j]![0].size(0)) / 13, 0);
        expect(Math.abs(mean - wanted[key]!), `${key} of step ${s}`).toBeLessThan(1e-12);
      }
      expectClose(model, reference);
    }
  });

  test("methods that cut the batch cut each micro-batch", async () => {
    const [reference, model] = [convnet(), convnet()];
    const { step: whole } = compiled(reference, { method: "msam", shards: 6, base: sgd });
    const { step } = compiled(model, { method: "msam", shards: 2, base: sgd, accumulationSteps: 3, accumulate: "shard" });
    for (const window of windows(3, [4, 4, 4], [2, 6, 6])) {
      await whole(...window.whole);
      for (const micro of window.micros) await step(...micro);
      expectClose(model, reference);
    }
  });
});

describe("NaN in one micro-batch", () => {
  const bad = ([x, y]: Batch): Batch => [x.mul(NaN), y];

  test.each([
    ["sam", "full"],
    ["sam", "shard"],
    ["momentum", "full"],
    ["random", "full"],
  ] as const)("skips the step as a whole: %s, %s", async (method, accumulate) => {
    for (const place of [0, 1, 2]) {
      const model = convnet();
      const { step, optimizer } = compiled(model, { method, base: sgd, accumulationSteps: 3, accumulate, nonFinite: "skip" });
      const [first, second] = windows(2, [3, 3, 2], [2, 6, 6]) as [Window, Window];
      const before = state(model);
      const reports = await Promise.all(first.micros.map((micro, j) => step(...(j === place ? bad(micro) : micro))));
      expect(reports.map(({ skipped }) => skipped)).toEqual([false, false, true]);
      expect(reports.map(({ updated }) => updated)).toEqual([false, false, false]);
      if (place < 2) expect(reports[place]!.loss).toBeNaN();
      expect(state(model)).toEqual(before);
      expect(optimizer.stateDict()).toMatchObject({ steps: 0, window: [] });
      const reference = convnet();
      const { step: clean } = compiled(reference, { method, base: sgd, accumulationSteps: 3, accumulate });
      for (const micro of second.micros) {
        torch.manualSeed(4);
        const report = await step(...micro);
        torch.manualSeed(4);
        expect(report).toEqual(await clean(...micro));
      }
      expect(state(model)).toEqual(state(reference));
    }
  });

  test.each(["full", "shard"] as const)("throws at once, and the step begins anew: %s", async (accumulate) => {
    const options = { method: "sam", base: sgd, accumulationSteps: 3, accumulate };
    const [model, reference] = [convnet(), convnet()];
    const [{ micros }] = windows(1, [3, 3, 2], [2, 6, 6]) as [Window];
    const { step, optimizer } = compiled(model, options);
    await step(...micros[0]!);
    await expect(step(...bad(micros[1]!))).rejects.toMatchObject({ code: "NON_FINITE" });
    expect(optimizer.stateDict().window).toEqual([]);
    expect(state(model)).toEqual(state(reference));
    const { step: clean } = compiled(reference, options);
    for (const micro of micros) expect(await step(...micro)).toEqual(await clean(...micro));
    expect(state(model)).toEqual(state(reference));
  });

  test("a dynamic loss scale moves once per step", async () => {
    const { step, optimizer } = compiled(net(), { method: "sam", base: sgd, accumulationSteps: 2, lossScale: { initial: 64, interval: 2 } });
    const [{ micros }] = windows(1, [3, 3]) as [Window];
    const scales: number[] = [];
    for (const micro of [...micros, ...micros, bad(micros[0]!), micros[1]!]) {
      await step(...micro);
      scales.push(optimizer.lossScale);
    }
    expect(scales).toEqual([64, 64, 64, 128, 128, 64]);
  });
});

describe("random numbers are each micro-batch's own, whatever is drawn between the calls", () => {
  test.each(["none", "sam", "async", "momentum", "parallel"] as const)("%s", (method) => {
    torch.manualSeed(0);
    const net = new nn.Sequential(new nn.Linear(4, 10), new nn.Dropout(0.5), new nn.Linear(10, 3)).to("float64");
    const [xs, ys] = [[0, 1].map(() => torch.randn([6, 4], { dtype: "float64" })), [0, 1].map(() => torch.randint(0, 3, [6]))];
    const loss = (x: Tensor, y: Tensor) => nn.functional.crossEntropy(net.forward(x), y);
    const eager = xs.map((x, i) => {
      torch.manualSeed(10 + i);
      return loss(x, ys[i]!).item() as number;
    });
    const options = { method, accumulationSteps: 2, base: { name: "sgd", lr: 0.1, momentum: method === "parallel" ? 0 : 0.9 } };
    const step = optim.create(net, options as optim.OptimizerOptions).compile(loss);
    const reports = xs.map((x, i) => {
      torch.manualSeed(10 + i);
      return step.sync(x, ys[i]!);
    });
    expect(reports[0]!.loss).toBeCloseTo(eager[0]!, 12);
    expect(reports[1]!.loss).toBeCloseTo((eager[0]! + eager[1]!) / 2, 12);
  });
});

describe("the forms of a call", () => {
  test.each(["full", "shard"] as const)("awaited, queued and synchronous give the same: %s", async (accumulate) => {
    const run = async (form: "awaited" | "queued" | "sync") => {
      const model = net();
      const { step, optimizer } = compiled(model, {
        method: "sam", base: sgd, accumulationSteps: 3, accumulate, lrSchedule: { name: "exponential", gamma: 0.5 }, rhoSchedule: { name: "proportional" },
      });
      const reports: (optim.StepReport | Promise<optim.StepReport>)[] = [];
      for (const micro of windows(3, [3, 5, 1]).flatMap(({ micros }) => micros)) {
        const result = form === "sync" ? step.sync(...micro) : step(...micro);
        if (form === "awaited") await result;
        reports.push(result);
      }
      return { reports: await Promise.all(reports), weights: state(model), lr: optimizer.scheduled[0]!["lr"] };
    };
    const wanted = await run("awaited");
    expect(wanted.reports.map(({ updated }) => updated)).toEqual([false, false, true, false, false, true, false, false, true]);
    expect(wanted.lr).toBe(0.1 * 0.5 ** 3);
    expect(await run("queued")).toEqual(wanted);
    expect(await run("sync")).toEqual(wanted);
  });

  test("the caller may change or dispose of a micro-batch once its call is over; no tensors pile up", async () => {
    const [reference, model] = [net(), net()];
    const { step } = compiled(model, { method: "sam", base: sgd, accumulationSteps: 3 });
    const { step: clean } = compiled(reference, { method: "sam", base: sgd, accumulationSteps: 3 });
    const live: number[] = [];
    for (const { micros } of windows(6, [3, 5, 1])) {
      for (const micro of micros) await clean(...micro);
      for (const [x, y] of micros) {
        const own = x.clone();
        await step(own, y);
        own.fill_(NaN);
        own.dispose();
      }
      live.push(torch.memory().tensors);
    }
    expect(state(model)).toEqual(state(reference));
    expect(live[5]).toBeLessThanOrEqual(live[1]!);
  });

  test("an average takes only whole steps", async () => {
    const model = net();
    const { step } = compiled(model, { method: "sam", base: sgd, accumulationSteps: 3 });
    const average = optim.average(model, { kind: "ema", decay: 0.5 });
    for (const micro of windows(2, [3, 5, 1]).flatMap(({ micros }) => micros)) average.update(await step(...micro));
    expect(average.averaged).toBe(2);
  });
});

describe("refused in words", () => {
  const create = (own: object) => () => optim.create(net(), { method: "sam", base: sgd, ...own } as never);

  test.each([
    [{ accumulationSteps: 0 }, /Expected an integer of at least 1 for options.accumulationSteps/],
    [{ accumulationSteps: 2.5 }, /Expected an integer of at least 1 for options.accumulationSteps/],
    [{ accumulate: "shard" }, /options.accumulate needs options.accumulationSteps/],
    [{ accumulationSteps: 2, accumulate: "shards" }, /Expected "full" or "shard" for options.accumulate/],
    [{ accumulationSteps: 2, method: "none", base: { name: "lbfgs" } }, /L-BFGS needs its whole batch in one call/],
    [{ accumulationSteps: 2, ascentFraction: 0.5 }, /sam with these options cannot take options.accumulate "full".*use "shard"/],
    [{ accumulationSteps: 2, method: "msam", shards: 2 }, /cannot take options.accumulate "full"/],
    [{ accumulationSteps: 2, method: "k-sam" }, /cannot take options.accumulate "full"/],
    [{ accumulationSteps: 2, method: "efficient" }, /cannot take options.accumulate "full"/],
    ...["friendly", "vasso", "look", "async", "weighted", "sparse", "fisher-mask", "gasam"].map((method) => [{ accumulationSteps: 2, accumulate: "shard", method }, /cannot take options.accumulate "shard".*use "full"/]),
    [{ accumulationSteps: 2, accumulate: "shard", method: "adaptive-schedule", totalSteps: 3 }, /use "full"/],
    [{ accumulationSteps: 2, accumulate: "shard", method: "parallel", base: plain }, /use "full"/],
    [{ accumulationSteps: 2, accumulate: "shard", method: "bayesian", dataSize: 3, base: plain }, /use "full"/],
  ] as [object, RegExp][])("%j", (own, message) => {
    expect(create(own)).toThrow(message);
  });

  test("GA-SAM without memory can be sharded", () => {
    expect(create({ accumulationSteps: 2, accumulate: "shard", method: "gasam", beta: 0 })).not.toThrow();
  });

  test("a closure", () => {
    const model = net();
    const optimizer = optim.create(model, { method: "sam", base: sgd, accumulationSteps: 2 });
    expect(() => optimizer.step(() => model.forward(torch.ones([2, 5], double)).sum())).toThrow(/which a closure cannot give/);
  });
});

describe.skipIf(python === null)(`SAM over micro-batches with batch norm, beside ${needsPython}`, () => {
  test("each micro-batch is normalised by itself, and moves the running statistics once", async () => {
    const model = convnet();
    const initial = Object.fromEntries(Object.entries(model.stateDict()).map(([name, tensor]) => [name, pack(tensor)]));
    const steps = windows(4, [5, 3, 2], [2, 6, 6]);
    const { step } = compiled(model, { method: "sam", rho: 0.3, base: sgd, accumulationSteps: 3, maxGradNorm: 1 });
    const reports: number[][] = [];
    for (const { micros } of steps) {
      for (const micro of micros) {
        const { loss, gradNorm, perturbedLoss, updated } = await step(...micro);
        if (updated) reports.push([loss, gradNorm, perturbedLoss!]);
      }
    }
    const wanted = runPython<{ state: Record<string, Packed>; reports: number[][] }>(
      `
model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)).double()
model.load_state_dict({k: unpack(v) for k, v in inputs["initial"].items()})
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)
params = list(model.parameters())
bn = model[1]
def gradient(micros):
    opt.zero_grad()
    total = 0
    for x, y in micros:
        loss = F.cross_entropy(model(x), y) * (len(x) / 10)
        loss.backward()
        total += loss.item()
    return total, [p.grad.clone() for p in params]
reports = []
for step in inputs["steps"]:
    micros = [(unpack(x), unpack(y)) for x, y in step]
    loss, g = gradient(micros)
    norm = torch.sqrt(sum((e ** 2).sum() for e in g))
    bn.track_running_stats = False
    saved = (bn.running_mean.clone(), bn.running_var.clone(), bn.num_batches_tracked.clone())
    w = [p.detach().clone() for p in params]
    with torch.no_grad():
        for p, e in zip(params, g): p.add_(0.3 * e / norm)
    perturbed, _ = gradient(micros)
    with torch.no_grad():
        for p, e in zip(params, w): p.copy_(e)
        bn.running_mean.copy_(saved[0]); bn.running_var.copy_(saved[1]); bn.num_batches_tracked.copy_(saved[2])
    bn.track_running_stats = True
    nn.utils.clip_grad_norm_(params, 1)
    opt.step()
    reports.append([loss, norm.item(), perturbed])
outputs = {"state": {k: pack(v) for k, v in model.state_dict().items()}, "reports": reports}
`,
      {
        initial,
        steps: steps.map(({ micros }) => micros.map(([x, y]) => [pack(x), pack(y)])),
      },
    );
    const got = model.stateDict();
    for (const [name, packed] of Object.entries(wanted.state)) expect(distance(got[name]!, unpack(packed)), name).toBeLessThan(1e-12);
    wanted.reports.forEach((values, s) => values.forEach((value, i) => expect(Math.abs(reports[s]![i]! - value), `report ${i} of step ${s}`).toBeLessThan(1e-12)));
    expect(Number(got["1.num_batches_tracked"]!.item())).toBe(12);
  });
});
