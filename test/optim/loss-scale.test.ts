import { describe, expect, test } from "vitest";
import { Tensor, nn, optim, torch } from "../../lib/index.js";
import { drawing, lossFunction, makeBatch, makeModel, methods, nets, over, takesClosures, titled, type MethodOptions } from "./nets.js";
import { difference, everything, walk } from "./walk.js";

// Dynamic loss scaling with every method. What GradScaler does with the same steps is in mixed-precision.test.ts.

// A second thread costs small tensors more than it gives.
torch.setNumThreads(1);

const all = [...methods, ...drawing];

describe("a power of two", () => {
  test.each(titled(all))("%s: takes the unscaled steps in float32, bit for bit", async (_, options) => {
    const run = (lossScale: unknown, form: "sync" | "closure", name: "norms" | "conv") =>
      walk({ net: nets[name], options: over(options, { lossScale }), seed: 21, dtype: "float32", form });
    for (const name of ["norms", "conv"] as const) {
      for (const form of takesClosures(options) ? (["sync", "closure"] as const) : (["sync"] as const)) {
        const plain = await run(1, form, name);
        for (const lossScale of [2 ** -9, { initial: 2 ** 16, interval: 2 }]) expect(difference(await run(lossScale, form, name), plain), `${name} ${form}`).toBe(0);
      }
    }
  });
});

describe("an infinity", () => {
  /** The loss, so steep where the weights are far away that its scaled gradient overflows there. */
  function steepFarAway(model: nn.Sequential, method: optim.Method): (x: Tensor, y: Tensor) => Tensor {
    const given = lossFunction(nets.norms, model, method);
    const cliff = () => model.parameters().map((p) => p.pow(2).sum()).reduce((sum, square) => sum.add(square)).sub(1e6).clamp({ min: 0 }).mul(1e22);
    return (x, y) => {
      const result = given(x, y);
      return (result instanceof Tensor ? result.add(cliff()) : { ...result, loss: result.loss.add(cliff()) }) as Tensor;
    };
  }
  const hasRadius = (options: MethodOptions): boolean => !("rhoMin" in options) && !["none", "randomized"].includes(options.method);
  const takesPassAway = ({ method, ...options }: MethodOptions, step: number): boolean =>
    ["momentum", "async", "parallel"].includes(method) ? step > 0 : method !== "look" || step % (options["k"] as number) === 0;

  test.each(titled(all))("%s: in either pass changes nothing but the scale", (_, given) => {
    const options = given.method === "adaptive-schedule" ? { ...given, lambda1: -1e6, lambda2: -1e6 } : given; // perturbs in every step
    const make = () => {
      const model = makeModel(nets.norms, 22, "float32");
      const optimizer = optim.create(model, over(options, { lossScale: { initial: 2 ** 60, backoff: 0.25, interval: 3 } }) as never) as optim.Optimizer;
      return { model, optimizer, step: optimizer.compile(steepFarAway(model, options.method)) };
    };
    const [clean, disturbed] = [make(), make()];
    let [scale, good] = [2 ** 60, 0];
    for (let s = 0; s < 5; s++) {
      const [x, y] = makeBatch(nets.norms, 8, s, "float32");
      for (const kind of ["first", "second"] as const) {
        if (kind === "second" && !(hasRadius(options) && takesPassAway(options, s))) continue;
        const before = everything(disturbed.model, disturbed.optimizer) as { rest: Record<string, unknown> };
        const rho = disturbed.optimizer.rho;
        if (kind === "second") disturbed.optimizer.rho = 1e6;
        torch.manualSeed(50 + s);
        expect(disturbed.step.sync(kind === "first" ? x.mul(Infinity) : x, y).skipped, `${kind} in step ${s}`).toBe(true);
        if (kind === "second") disturbed.optimizer.rho = rho;
        [scale, good] = [scale / 4, 0];
        expect(everything(disturbed.model, disturbed.optimizer)).toEqual({ ...before, rest: { ...before.rest, lossScale: scale, goodSteps: good } });
      }
      for (const each of [clean, disturbed]) {
        torch.manualSeed(70 + s);
        expect(each.step.sync(x, y).skipped).toBe(false);
      }
      if (++good === 3) [scale, good] = [scale * 2, 0];
    }
    const [got, wanted] = [disturbed, clean].map(({ model, optimizer }) => everything(model, optimizer) as { rest: Record<string, unknown> });
    expect(got).toEqual({ ...wanted, rest: { ...wanted!.rest, lossScale: scale, goodSteps: good } });
  });
});

describe("the scale stays a float32 that is above 0", () => {
  const make = (initial: number) => {
    const w = nn.parameter(torch.ones([3]));
    const optimizer = optim.create([w], { method: "sam", base: { name: "sgd", lr: 1 }, lossScale: { initial, interval: 1, growth: 4, backoff: 2 ** -60 } });
    return { optimizer, step: optimizer.compile((x) => w.mul(x).sum()) };
  };

  test("however many steps are good", () => {
    const { optimizer, step } = make(2 ** 122);
    const scales = Array.from({ length: 5 }, () => {
      expect(step.sync(torch.full([3], 1e-30)).skipped).toBe(false);
      return Math.log2(optimizer.lossScale);
    });
    expect(scales).toEqual([124, 126, 126, 126, 126]);
  });

  test("however many are not", () => {
    const { optimizer, step } = make(1);
    const scales = Array.from({ length: 4 }, () => {
      expect(step.sync(torch.full([3], NaN)).skipped).toBe(true);
      return Math.log2(optimizer.lossScale);
    });
    expect(scales).toEqual([-60, -120, -126, -126]);
    optimizer.loadStateDict(optimizer.stateDict());
    expect(step.sync(torch.full([3], 2 ** 20)).skipped).toBe(false);
  });
});
