import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { nn, optim, torch, type Tensor } from "../../lib/index.js";
import { native } from "../../lib/native.js";
import { Golden, names } from "../optim/golden-cases.js";
import { distance } from "../support/python.js";

beforeEach(() => {
  // What is compared is the same work: in full precision, by kernels that sum in one order.
  Object.assign(torch.backends.cudnn, { deterministic: true, allowTf32: false });
});
afterEach(() => {
  Object.assign(torch.backends.cudnn, { deterministic: false, allowTf32: true });
  vi.restoreAllMocks();
});

describe.skipIf(!torch.cuda.isAvailable())("steps in a CUDA graph", () => {
  // K-SAM has no such form; the CPU's dropout masks are not a GPU's.
  test.each(names.filter((name) => name !== "k-sam" && !new Golden(name).draws))("golden trajectory %s", async (name) => {
    const created = vi.spyOn(native, "engineCreate");
    const golden = new Golden(name, "cuda:0");
    const { model, optimizer, step } = golden.setUp({ graphs: true });
    for (let s = 0; s < golden.spec.steps; s++) {
      if (golden.spec.learningRates !== null) optimizer.lr = golden.spec.learningRates[s]!;
      const [x, y] = golden.batch(s);
      golden.judge(s, await step(x, y), model.stateDict(), { relative: 2e-7, absolute: 1e-12 });
    }
    const engine = created.mock.results.at(-1)!.value as number;
    expect(native.engineStepsOnDevice(engine)).toBeGreaterThanOrEqual(golden.spec.steps - 1);
    expect(step.explain()).toContain("Steps are taken as `graphs` says.");
  });

  const train = async (graphs: boolean | "uncaptured", base: optim.BaseOptions) => {
    torch.manualSeed(0);
    const net = new nn.Sequential(new nn.Conv2d(1, 4, 3, { bias: false }), new nn.BatchNorm2d(4), new nn.ReLU(), new nn.Flatten(), new nn.Linear(4 * 36, 3)).to("cuda");
    const optimizer = optim.create(net, { method: "sam", rho: 0.05, nonFinite: "skip", base });
    const step = optimizer.compile((x: Tensor, y: Tensor) => nn.functional.crossEntropy(net.forward(x), y), { graphs });
    torch.manualSeed(1);
    const reports = [];
    for (let s = 0; s < 30; s++) {
      optimizer.lr = s < 15 ? 0.0625 : 0.03125;
      const x = torch.randn([16, 1, 8, 8]);
      const y = torch.randint(0, 3, [16]);
      reports.push(await step((s === 20 ? x.mul(NaN) : x).cuda(), y.cuda()));
    }
    return { reports, tensors: [...net.parameters(), ...net.buffers()].map((each) => each.detach().cpu().to("float64")) };
  };

  test.each([{ name: "sgd", lr: 0.0625, momentum: 0.9 }, { name: "adamw", lr: 0.0625 }] as optim.BaseOptions[])("$name: the steps of a GPU without one, a step that is skipped and a new learning rate among them", async (base) => {
    const created = vi.spyOn(native, "engineCreate");
    const usual = await train(false, base);
    const captured = await train(true, base);
    const engine = created.mock.results.at(-1)!.value as number;
    expect(native.engineStepsOnDevice(engine)).toBeGreaterThan(20);
    expect(native.engineGraphReplays(engine)).toBeGreaterThan(10); // a capture that failed would leave the steps to calls
    captured.tensors.forEach((tensor, k) => expect(distance(tensor, usual.tensors[k]!)).toBeLessThan(1e-3));
    usual.reports.forEach(({ loss, skipped }, s) => {
      expect(captured.reports[s]!.skipped).toBe(skipped);
      if (!skipped) expect(Math.abs(captured.reports[s]!.loss - loss)).toBeLessThan(1e-3);
    });
    expect(usual.reports[20]!.skipped).toBe(true);
  });

  // Without biases before a norm: their gradients are nothing but rounding, of which Adam makes whole steps.
  const nets = {
    norms: () => new nn.Sequential(new nn.Conv2d(1, 4, 3, { bias: false }), new nn.BatchNorm2d(4), new nn.ReLU(), new nn.Conv2d(4, 4, 3, { bias: false }), new nn.BatchNorm2d(4), new nn.Flatten(), new nn.Linear(4 * 16, 3)),
    dropout: () => new nn.Sequential(new nn.Flatten(), new nn.Linear(64, 32), new nn.Dropout(0.3), new nn.ReLU(), new nn.Dropout(0.5), new nn.Linear(32, 3)),
  };
  /** Weights, buffers, reports after steps, and what the generator then gives. */
  const walk = async (net: keyof typeof nets, options: optim.OptimizerOptions, graphs: boolean | "uncaptured", samples = 15) => {
    const created = vi.spyOn(native, "engineCreate");
    torch.manualSeed(0);
    const model = nets[net]().to("cuda");
    const step = optim.create(model, options).compile((x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y), { graphs });
    torch.manualSeed(1);
    const batches = Array.from({ length: 12 }, () => [torch.randn([samples, 1, 8, 8]).cuda(), torch.randint(0, 3, [samples]).cuda()] as const);
    const reports = [];
    for (const [x, y] of batches) reports.push(await step(x, y));
    const replays = native.engineGraphReplays(created.mock.results.at(-1)!.value as number);
    return { reports, replays, noise: torch.rand([8], { device: "cuda" }).cpu(), tensors: [...model.parameters(), ...model.buffers()].map((each) => each.detach().cpu()) };
  };
  const base = { name: "sgd", lr: 0.0625, momentum: 0.5 } as const;

  test.each([2, 4, 11])("mSAM's %i shards on branches of the graph: bit for bit the same work call by call", async (shards) => {
    const options = { method: "msam", shards, rho: 0.1, base } as const;
    const [calls, graph] = [await walk("norms", options, "uncaptured"), await walk("norms", options, true)];
    expect(graph.replays).toBeGreaterThan(7);
    expect(graph.reports).toEqual(calls.reports);
    graph.tensors.forEach((tensor, k) => expect(distance(tensor, calls.tensors[k]!)).toBe(0));
  });

  test.each([
    { method: "none", base },
    { method: "sam", rho: 0.5, base },
    { method: "sam", rho: 0.5, sameNoise: false, base },
    { method: "sam", rho: 0.5, ascentFraction: 0.25, base },
    { method: "msam", rho: 0.5, shards: 3, base },
    { method: "curvature", rho: 0.5, base },
  ] as optim.OptimizerOptions[])("dropout draws what it draws without a graph, in every pass: %j", async (options) => {
    const [usual, graph] = [await walk("dropout", options, false), await walk("dropout", options, true)];
    expect(graph.replays).toBeGreaterThan(7);
    expect(distance(graph.noise, usual.noise)).toBe(0);
    graph.reports.forEach((report, s) => {
      expect(report.loss).toBeCloseTo(usual.reports[s]!.loss, 4);
      if (options.method !== "none") expect(report.perturbedLoss!).toBeCloseTo(usual.reports[s]!.perturbedLoss!, 4);
    });
    graph.tensors.forEach((tensor, k) => expect(distance(tensor, usual.tensors[k]!)).toBeLessThan(1e-4));
  });

  test.each([
    { method: "asam", rho: 0.5, base },
    { method: "friendly", rho: 0.1, base },
    { method: "look", k: 3, rho: 0.1, base },
    { method: "gam", rho: 0.1, base },
    { method: "gasam", rho: 0.5, alpha: 0.5, beta: 0.9, gamma: 1, steps: 2, base },
    { method: "sam", rho: 0.1, base: { name: "rmsprop", lr: 0.001 } },
    { method: "sam", rho: 0.1, base: { name: "adagrad", lr: 0.001 } },
    { method: "sam", rho: 0.1, base: { name: "nadam", lr: 0.001 } },
    { method: "sam", rho: 0.1, base: { name: "radam", lr: 0.001 } },
    { method: "sam", rho: 0.1, base: { name: "adafactor", lr: 0.001 } },
    { method: "sam", rho: 0.1, base: { name: "lamb", lr: 0.001 } },
    { method: "sam", rho: 0.1, lossScale: { initial: 1024, interval: 3 }, maxGradNorm: 0.5, base },
  ] as optim.OptimizerOptions[])("%j: the same work call by call", async (options) => {
    const [calls, graph] = [await walk("norms", options, "uncaptured"), await walk("norms", options, true)];
    expect(graph.replays).toBeGreaterThan(3);
    graph.tensors.forEach((tensor, k) => expect(distance(tensor, calls.tensors[k]!)).toBeLessThan(1e-5));
  });

  test("accumulated steps: the same work call by call", async () => {
    const options = { method: "sam", rho: 0.1, accumulationSteps: 2, base } as const;
    const [calls, graph] = [await walk("norms", options, "uncaptured"), await walk("norms", options, true)];
    expect(graph.replays).toBeGreaterThan(1); // of six steps the first makes the momentum, two go call by call
    graph.tensors.forEach((tensor, k) => expect(distance(tensor, calls.tensors[k]!)).toBeLessThan(1e-5));
  });

  test.each([true, false])("accumulated steps with dropout draw what they draw without a graph, sameNoise %s", async (sameNoise) => {
    const options = { method: "sam", rho: 0.5, sameNoise, accumulationSteps: 2, base } as const;
    const [usual, graph] = [await walk("dropout", options, false), await walk("dropout", options, true)];
    expect(graph.replays).toBeGreaterThan(1);
    expect(distance(graph.noise, usual.noise)).toBe(0);
    graph.reports.forEach((report, s) => expect(report.loss).toBeCloseTo(usual.reports[s]!.loss, 4));
    graph.tensors.forEach((tensor, k) => expect(distance(tensor, usual.tensors[k]!)).toBeLessThan(1e-4));
  });

  test("a batch that stays on the CPU is no part of a graph", async () => {
    const scale = new nn.Linear(4, 1).to("cuda");
    const step = optim.create(scale, { method: "sam", base }).compile((x: Tensor, factor: Tensor) => scale.forward(x).mul(factor).mean(), { graphs: true });
    const x = torch.ones([4, 4], { device: "cuda" });
    for (let s = 0; s < 6; s++) {
      const { loss } = await step(x, torch.tensor(s));
      const { loss: zero } = await step(x, torch.tensor(0));
      expect(zero).toBe(0);
      expect(loss === 0).toBe(s === 0);
    }
    expect(step.explain()).toContain("Steps are not captured in a CUDA graph: the batch is not where the weights are.");
  });
});
