import { afterEach, describe, expect, test, vi } from "vitest";
import { nn, optim, torch, type Tensor } from "../../lib/index.js";
import { native } from "../../lib/native.js";
import { Golden } from "../optim/golden-cases.js";
import { distance } from "../support/python.js";

afterEach(() => {
  vi.restoreAllMocks();
});

describe.skipIf(!torch.cuda.isAvailable())("steps in a CUDA graph", () => {
  test.each(["sam", "sam-adamw", "sam-bn-conv"])("golden trajectory %s", async (name) => {
    const created = vi.spyOn(native, "engineCreate");
    const golden = new Golden(name, "cuda:0");
    const { model, optimizer, step } = golden.setUp({ graphs: true });
    for (let s = 0; s < golden.spec.steps; s++) {
      if (golden.spec.learningRates !== null) optimizer.lr = golden.spec.learningRates[s]!;
      const [x, y] = golden.batch(s);
      golden.judge(s, await step(x, y), model.stateDict(), { relative: 2e-7, absolute: 1e-12 });
    }
    expect(native.engineGraphReplays(created.mock.results.at(-1)!.value as number)).toBeGreaterThan(0);
  });

  const train = async (graphs: boolean | "uncaptured", base: optim.BaseOptions) => {
    torch.manualSeed(0);
    const net = new nn.Sequential(new nn.Conv2d(1, 4, 3), new nn.BatchNorm2d(4), new nn.ReLU(), new nn.Flatten(), new nn.Linear(4 * 36, 3)).to("cuda");
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
});
