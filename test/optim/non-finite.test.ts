import { describe, expect, test } from "vitest";
import { SteppeError, Tensor, nn, optim, torch } from "../../lib/index.js";
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

// The losses that choose samples hold NaN because of one sample, which batch norm spreads to all; those that are chosen may do without it.
test.each(["k-sam", "efficient"] as const)("%s: a forward alone that gives NaN changes nothing", (method) => {
  torch.manualSeed(0);
  const norm = new nn.BatchNorm1d(3);
  const model = new nn.Sequential(new nn.Linear(4, 3, false), norm, new nn.Linear(3, 2));
  const optimizer = optim.create(model, { method, rho: 0.1, nonFinite: "skip", base: { name: "sgd", lr: 0.1 } } as never) as optim.Optimizer;
  const step = optimizer.compile(((x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y, { reduction: "none" })) as never);
  const [x, y] = [torch.randn([8, 4]), torch.randint(0, 2, [8])];
  step.sync(x, y);
  const before = bytes(model.stateDict());
  x.select(0, 7).fill_(NaN);
  const report = step.sync(x, y);
  expect([report.skipped, report.updated, report.loss]).toEqual([true, false, NaN]);
  expect(bytes(model.stateDict())).toEqual(before);
});

test("look: a parameter without a gradient in a step that reuses is left alone", () => {
  torch.manualSeed(0);
  const [a, b, c] = [new nn.Linear(4, 4), new nn.Linear(4, 4), new nn.Linear(4, 2)];
  const optimizer = optim.create(new nn.Sequential(a, b, c), { method: "look", k: 2, rho: 0.1, base: { name: "adamw", lr: 0.1, weightDecay: 0.1 } });
  const step = optimizer.compile((x: Tensor, y: Tensor, all: boolean) => nn.functional.mseLoss(c.forward(all ? b.forward(a.forward(x)) : a.forward(x)), y));
  const [x, y] = [torch.randn([6, 4]), torch.randn([6, 2])];
  step.sync(x, y, true);
  const [before, moves] = [bytes(b.stateDict()), bytes(a.stateDict())];
  step.sync(x, y, false);
  expect(bytes(b.stateDict())).toEqual(before);
  expect(bytes(a.stateDict())).not.toEqual(moves);
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
