import { describe, expect, test } from "vitest";
import { SteppeError, Tensor, optim, torch } from "../../lib/index.js";
import type { nn } from "../../lib/index.js";
import { drawing, lossFunction, makeBatch, makeModel, methods, nets, over, takesClosures, titled, type MethodOptions, type Net } from "./nets.js";
import { bytes, difference, everything, walk } from "./walk.js";

// NaN and infinity in either pass, and loss scales, with every method.

// A second thread costs small tensors more than it gives.
torch.setNumThreads(1);

const all = [...methods, ...drawing];

describe("what is not finite", () => {
  /** The loss, but far away from 0, at ‖w‖ above 1000, it is NaN. */
  function walled(net: Net, model: nn.Sequential, method: optim.Method): (x: Tensor, y: Tensor) => Tensor {
    const given = lossFunction(net, model, method);
    const wall = () => model.parameters().reduce((left, p) => left.sub(p.pow(2).sum()), torch.tensor(1e6, { dtype: "float64" })).sqrt().mul(0);
    return (x, y) => {
      const result = given(x, y);
      return (result instanceof Tensor ? result.add(wall()) : { ...result, loss: result.loss.add(wall()) }) as Tensor;
    };
  }

  const hasRadius = (options: MethodOptions): boolean => !("rhoMin" in options) && !["none", "randomized"].includes(options.method);
  /** Whether the step has a pass at w + ε. */
  function takesPassAway({ method, ...options }: MethodOptions, step: number): boolean {
    if (["momentum", "async", "parallel"].includes(method)) return step > 0;
    return method !== "look" || step % (options["k"] as number) === 0;
  }

  test.each(titled(all))("%s: changes nothing and is not counted", async (_, given) => {
    const options = given.method === "adaptive-schedule" ? { ...given, lambda1: -1e6, lambda2: -1e6 } : given; // perturbs in every step
    const ways: ["sync" | "promise" | "closure", "throw" | "skip"][] = [["sync", "throw"], ["promise", "skip"]];
    if (takesClosures(given)) ways.push(["closure", "skip"]);
    for (const [[form, nonFinite], kind] of ways.flatMap((way) => (["first", "second"] as const).map((kind) => [way, kind] as const))) {
      if (kind === "second" && !hasRadius(options)) continue;
      const make = () => {
        const model = makeModel(nets.norms, 9);
        const optimizer = optim.create(model, over(options, { nonFinite }) as never) as optim.Optimizer;
        const loss = walled(nets.norms, model, options.method);
        return { model, optimizer, loss, step: optimizer.compile(loss) };
      };
      const [clean, disturbed] = [make(), make()];
      const take = async ({ step, optimizer, loss }: ReturnType<typeof make>, seed: number, [x, y]: [Tensor, Tensor]) => {
        torch.manualSeed(seed);
        return form === "sync" ? step.sync(x, y) : form === "promise" ? await step(x, y) : optimizer.step(() => loss(x, y));
      };
      for (let s = 0; s < 4; s++) {
        const [x, y] = makeBatch(nets.norms, 8, s);
        if (kind === "first" || takesPassAway(options, s)) {
          const before = everything(disturbed.model, disturbed.optimizer);
          const rho = disturbed.optimizer.rho;
          if (kind === "second") disturbed.optimizer.rho = 1e6;
          const bad: [Tensor, Tensor] = kind === "first" ? [x.mul(NaN), y] : [x, y];
          if (nonFinite === "skip") {
            expect((await take(disturbed, 50 + s, bad)).skipped).toBe(true);
          } else {
            const error: unknown = await take(disturbed, 50 + s, bad).then(() => null, (thrown: unknown) => thrown);
            expect(error).toBeInstanceOf(SteppeError);
            expect((error as SteppeError).code).toBe("NON_FINITE");
          }
          if (kind === "second") disturbed.optimizer.rho = rho;
          expect(everything(disturbed.model, disturbed.optimizer), `${kind} ${form} ${nonFinite} step ${s}`).toEqual(before);
        }
        for (const each of [clean, disturbed]) expect((await take(each, 70 + s, [x, y])).skipped).toBe(false);
      }
      expect(everything(disturbed.model, disturbed.optimizer), `${kind} ${form} ${nonFinite}`).toEqual(everything(clean.model, clean.optimizer));
    }
  });
});

describe("loss scale", () => {
  test.each(titled(all))("%s: changes nothing", async (_, options) => {
    // Not a power of two, so that a scale that is left in somewhere cannot hide.
    const run = (lossScale: unknown, form: "sync" | "closure" = "sync") => walk({ net: nets.norms, options: over(options, { lossScale }), seed: 10, form });
    const plain = await run(1);
    for (const lossScale of [1000, "dynamic"]) expect(difference(await run(lossScale), plain), String(lossScale)).toBeLessThanOrEqual(1e-9);
    if (takesClosures(options)) expect(difference(await run(1000, "closure"), plain), "closure").toBeLessThanOrEqual(1e-9);
  });

  test.each(titled(all))("%s: steps that overflow shrink it, good ones let it grow, as torch.amp.GradScaler", (_, options) => {
    const model = makeModel(nets.layered, 11, "float16");
    const optimizer = optim.create(model, over(options, { nonFinite: "throw", lossScale: { initial: 2 ** 22, growth: 4, backoff: 0.25, interval: 3 } }) as never) as optim.Optimizer;
    const step = optimizer.compile(lossFunction(nets.layered, model, options.method) as (x: Tensor, y: Tensor) => Tensor);
    let [scale, good, skipped] = [2 ** 22, 0, 0];
    for (let s = 0; s < 14; s++) {
      const before = bytes(model.stateDict());
      torch.manualSeed(s);
      const report = step.sync(...makeBatch(nets.layered, 8, s, "float16"));
      if (report.skipped) expect(bytes(model.stateDict())).toEqual(before);
      skipped += report.skipped ? 1 : 0;
      good = report.skipped ? 0 : good + 1;
      if (report.skipped) scale *= 0.25;
      if (good === 3) [scale, good] = [scale * 4, 0];
      expect(optimizer.lossScale, `after step ${s}`).toBe(scale);
    }
    expect(skipped).toBeGreaterThan(1);
    expect(skipped).toBeLessThan(12);
  });
});
