import { describe, expect, test } from "vitest";
import { Tensor, nn, optim, torch } from "../../lib/index.js";
import { basesFor, drawing, lossFunction, makeBatch, makeModel, methods, nets, over, takesClosures, titled, type MethodOptions } from "./nets.js";
import { bytes, difference, everything, walk, type Walk } from "./walk.js";

// The rules that all methods share, each with every method. What is not finite has a file of its own.

// A second thread costs small tensors more than it gives.
torch.setNumThreads(1);

const all = [...methods, ...drawing];
const closed = all.filter(takesClosures);
const perturbing = all.filter(({ method }) => method !== "none");

describe("the weights come back exactly", () => {
  const dtypes = ["float64", "float32", "bfloat16", "float16"] as const;

  test.each(titled(all))("%s: with a learning rate of 0 they stay what they were, bit for bit", async (_, options) => {
    const base: optim.BaseOptions = { ...basesFor(options.method)[0]!, lr: 0 };
    for (const dtype of dtypes) {
      let before: unknown;
      const aliases: [Tensor, Tensor][] = [];
      for (const form of closed.includes(options) ? (["sync", "closure"] as const) : (["sync"] as const)) {
        const { model } = await walk({
          net: nets.layered,
          options: over(options, { base }),
          seed: 3,
          steps: 3,
          dtype,
          form,
          before: (step, _, model) => {
            if (step === 0) before = bytes(model.stateDict());
            if (step === 0) aliases.push(...model.parameters().map((p): [Tensor, Tensor] => [p, p.detach()]));
          },
        });
        expect(bytes(model.stateDict()), `${dtype} ${form}`).toEqual(before);
      }
      // Still the same memory.
      torch.noGrad(() => aliases.forEach(([p]) => void p.add_(1)));
      for (const [p, alias] of aliases) expect(torch.equal(p, alias)).toBe(true);
    }
  });

  test.each(titled(closed))("%s: when the loss function throws in any of its passes", (_, options) => {
    const model = makeModel(nets.norms, 5, "float32");
    const optimizer = optim.create(model, over(options) as never) as optim.Optimizer;
    const batches = [0, 1, 2].map((s) => makeBatch(nets.norms, 8, s, "float32"));
    const loss = lossFunction(nets.norms, model, options.method);
    const step = (throwAt: number, s: number): number => {
      let passes = 0;
      torch.manualSeed(s);
      try {
        optimizer.step(() => {
          if (passes++ === throwAt) throw new Error("thrown by the loss function");
          return loss(...batches[s]!) as Tensor;
        });
      } catch (error) {
        expect((error as Error).message).toBe("thrown by the loss function");
      }
      return passes;
    };
    step(-1, 0);
    step(-1, 1);
    for (let pass = 0; ; pass++) {
      const before = everything(model, optimizer);
      if (step(pass, 2) <= pass) break;
      expect(everything(model, optimizer), `pass ${pass}`).toEqual(before);
    }
  });
});

describe("weight decay", () => {
  test.each(titled(all.filter(({ method }) => method !== "bayesian")))("%s: is in no norm and moves no perturbation", async (_, options) => {
    const base = basesFor(options.method)[0]!;
    const [with_, without] = await Promise.all([{ ...base, weightDecay: 0.5 }, { ...base, weightDecay: 0 }].map((base) => walk({ net: nets.layered, options: over(options, { base }), seed: 4, steps: 1 })));
    expect(with_!.reports).toEqual(without!.reports);
    expect(difference(with_!, without!, false)).toBeGreaterThan(1e-3);
  });
});

describe("normalisation buffers", () => {
  test.each(titled(all))("%s: move once per step", async (_, options) => {
    const shards = options.method === "msam" ? Math.min(options["shards"] as number, 8) : 1;
    for (const form of closed.includes(options) ? (["sync", "closure"] as const) : (["sync"] as const)) {
      const { states } = await walk({ net: nets.norms, options: over(options), seed: 6, steps: 3, form, size: 9 });
      const counts = states.map((state) => Number(state["1.num_batches_tracked"]!.item()));
      if (options.method === "msam" && shards > 3) expect(counts).toEqual([9, 18, 26]);
      else expect(counts).toEqual([1, 2, 3].map((n) => n * shards));
    }
  });
});

describe("noise", () => {
  /** Methods whose passes of a step see the same batch, and one of them w itself or nearly so. */
  const comparable = perturbing.filter(({ method, ascentFraction }) => ascentFraction === undefined && !["k-sam", "efficient", "parallel", "momentum", "async", "bayesian", "norm-only"].includes(method));
  const tiny = (options: MethodOptions) => ({ ...options, ...("rhoMin" in options ? { rhoMin: 1e-9, rhoMax: 1e-9 } : { rho: 1e-9 }), ...(options.method === "random" ? { sigma: 1e-9 } : {}) });

  test.each(titled(comparable))("%s: is the same in both passes, or drawn anew", async (_, options) => {
    for (const form of closed.includes(options) ? (["sync", "closure"] as const) : (["sync"] as const)) {
      for (const sameNoise of [true, false]) {
        const { reports } = await walk({ net: nets.dropout, options: over(tiny(options), { sameNoise }), seed: 7, size: 16, form });
        const gaps = reports.flatMap(({ loss, perturbedLoss }) => (perturbedLoss === undefined ? [] : [Math.abs(loss - perturbedLoss)]));
        expect(gaps.length).toBeGreaterThan(0);
        if (sameNoise) expect(Math.max(...gaps)).toBeLessThan(1e-7);
        else expect(Math.min(...gaps)).toBeGreaterThan(1e-5);
      }
    }
  });

  test("differs from step to step, and a recorded step draws what a replayed one draws", async () => {
    const model = makeModel(nets.dropout, 1);
    const optimizer = optim.create(model, { method: "sam", rho: 1e-9, base: { name: "sgd", lr: 0 } });
    const [x, y] = makeBatch(nets.dropout, 8, 1);
    const losses = () => {
      const step = optimizer.compile(lossFunction(nets.dropout, model, "sam") as (x: Tensor, y: Tensor) => Tensor);
      return (first: number) => {
        torch.manualSeed(first);
        return [step.sync(x, y).loss, step.sync(x, y).loss, step.sync(x, y).loss];
      };
    };
    const run = losses();
    const [recorded, replayed] = [run(8), run(8)];
    expect(replayed).toEqual(recorded);
    expect(new Set(recorded).size).toBe(3);
  });
});

describe("clipping", () => {
  // Weighted SAM has a part that goes past the base optimizer, bSAM no gradient that it hands over.
  test.each(titled(all.filter(({ method }) => !["weighted", "bayesian"].includes(method))))("%s: acts on what the base gets, and on nothing before it", async (_, options) => {
    const base: optim.BaseOptions = { name: "sgd", lr: 1, ...(options.method === "momentum" ? { momentum: 0.9 } : {}) };
    const free = await walk({ net: nets.layered, options: over(options, { base }), seed: 8, steps: 1 });
    for (const [clip, form] of [[{ maxGradNorm: 1e-3 }, "sync"], [{ maxGradValue: 1e-4 }, "sync"], [{ maxGradNorm: 1e-3 }, "closure"]] as const) {
      if (form === "closure" && !closed.includes(options)) continue;
      const clipped = await walk({ net: nets.layered, options: over(options, { base, ...clip }), seed: 8, steps: 1, form });
      expect(clipped.reports).toEqual(free.reports);
      const start = makeModel(nets.layered, 8).stateDict();
      const moved = Object.entries(clipped.states[0]!).map(([name, tensor]) => tensor.sub(start[name]!));
      const norm = Math.sqrt(moved.reduce((sum, t) => sum + Number(t.pow(2).sum().item()), 0));
      if ("maxGradNorm" in clip) expect(Math.abs(norm - 1e-3 / (1 + 1e-6 / 1e-1))).toBeLessThan(1e-7);
      else expect(Math.max(...moved.map((t) => Number(t.abs().max().item())))).toBeCloseTo(1e-4, 9);
    }
  });
});

describe("closures", () => {
  test.each(titled(closed))("%s: take the same steps as compiled functions", async (_, options) => {
    for (const name of options.method === "norm-only" ? (["norms", "conv"] as const) : (["norms", "dropout", "lstm", "odd"] as const)) {
      const [compiled, closure] = await Promise.all((["sync", "closure"] as const).map((form) => walk({ net: nets[name], options: over(options), seed: 12, form })));
      expect(difference(closure!, compiled!), name).toBeLessThanOrEqual(1e-12);
    }
  });

  test.each(titled(all.filter((options) => !closed.includes(options))))("%s: are refused where a batch is to be cut", (_, options) => {
    const model = makeModel(nets.layered, 1);
    const optimizer = optim.create(model, over(options) as never) as optim.Optimizer;
    expect(() => optimizer.step(() => model.forward(torch.ones([2, 6], { dtype: "float64" })).sum())).toThrow(/use compile\(\)/);
  });

  test("gradients that are there in some passes only are paired by parameter", () => {
    const [a, b] = [nn.parameter(torch.tensor([3, 4], { dtype: "float64" })), nn.parameter(torch.tensor([1, 2], { dtype: "float64" }))];
    const optimizer = optim.create([b, a], { method: "sam", rho: 5, base: { name: "sgd", lr: 0.1 } });
    let pass = 0;
    // The first pass knows a alone, with the gradient a: ε = 5·(0.6, 0.8).
    const report = optimizer.step(() => (pass++ === 0 ? a.mul(a).sum().mul(0.5) : a.mul(a).sum().mul(0.5).add(b.sum())));
    expect(report.gradNorm).toBeCloseTo(5, 12);
    expect(report.perturbedLoss).toBeCloseTo(53, 12);
    expect(a.toArray()).toEqual([3 - 0.1 * 6, 4 - 0.1 * 8]);
    expect(b.toArray()).toEqual([0.9, 1.9]);
  });
});

describe("state", () => {
  test.each(titled(all))("%s: goes on from a file, bit for bit", async (_, options) => {
    const late = options.method === "none" ? {} : { startStep: 1 };
    const whole: Walk = { net: nets.norms, options: over(options, { ...late, lossScale: { initial: 256, interval: 3 } }), seed: 13, steps: 7 };
    const expected = await walk(whole);
    for (const at of [1, 2, 4]) {
      const { model, optimizer } = await walk({ ...whole, until: at });
      const { tensors, batch, ...rest } = optimizer.stateDict();
      // As it comes back from disk: the tensors by safetensors, the rest by JSON.
      const state: optim.OptimizerState = { ...(JSON.parse(JSON.stringify(rest)) as Omit<optim.OptimizerState, "tensors" | "batch">), tensors, batch };
      const resumed = await walk({ ...whole, from: { step: at, model: model.stateDict(), optimizer: state } });
      expect(difference(resumed, { ...expected, reports: expected.reports.slice(at), states: expected.states.slice(at) }), `from step ${at}`).toBe(0);
      expect(everything(resumed.model, resumed.optimizer)).toEqual(everything(expected.model, expected.optimizer));
    }
  });
});

describe("forms", () => {
  test.each(titled(all))("%s: promises, and calls that do not wait for each other, give what sync gives", async (_, options) => {
    const sync = await walk({ net: nets.norms, options: over(options), seed: 14 });
    expect(difference(await walk({ net: nets.norms, options: over(options), seed: 14, form: "promise" }), sync)).toBe(0);
    const run = async (form: "queued" | "sync") => {
      const model = makeModel(nets.layered, 15);
      const optimizer = optim.create(model, over(options) as never) as optim.Optimizer;
      const step = optimizer.compile(lossFunction(nets.layered, model, options.method) as (x: Tensor, y: Tensor) => Tensor);
      const batches = [8, 8, 5, 8].map((size, s) => makeBatch(nets.layered, size, s));
      torch.manualSeed(1);
      const reports = form === "sync" ? batches.map((batch) => step.sync(...batch)) : await Promise.all(batches.map((batch) => step(...batch)));
      return { reports, state: everything(model, optimizer) };
    };
    expect(await run("queued")).toEqual(await run("sync"));
  });

  test.each(titled(all))("%s: several compiled functions take turns on one optimizer", (_, options) => {
    const run = (count: number) => {
      const model = makeModel(nets.layered, 16);
      const optimizer = optim.create(model, over(options) as never) as optim.Optimizer;
      const compiled = Array.from({ length: count }, () => optimizer.compile(lossFunction(nets.layered, model, options.method) as (x: Tensor, y: Tensor) => Tensor));
      const reports = Array.from({ length: 6 }, (_, s) => {
        torch.manualSeed(s);
        return compiled[s % count]!.sync(...makeBatch(nets.layered, 8, s));
      });
      return { reports, state: everything(model, optimizer) };
    };
    expect(run(3)).toEqual(run(1));
  });
});

describe("a batch whose gradient is zero", () => {
  test.each(titled(all.filter(({ method }) => method !== "bayesian")))("%s: is the base optimizer's step with it, momentum and weight decay", async (_, options) => {
    for (const name of ["norms", "heads", "dropout"] as const) {
      if (options.method === "norm-only" && name === "dropout") continue;
      for (const form of closed.includes(options) ? (["sync", "closure"] as const) : (["sync"] as const)) {
        const net = nets[name];
        const run = (method: MethodOptions, zeros: (step: number) => boolean) => {
          const model = makeModel(net, 17);
          const optimizer = optim.create(model, over(method, { base: basesFor(options.method)[0] }) as never) as optim.Optimizer;
          const given = lossFunction(net, model, method.method);
          const loss = (x: Tensor, y: Tensor, factor: Tensor) => {
            const result = given(x, y);
            return (result instanceof Tensor ? result.mul(factor) : { ...result, loss: result.loss.mul(factor), logits: result.logits.mul(factor) }) as Tensor;
          };
          const step = optimizer.compile(loss);
          const reports = [0, 1, 2, 3].map((s) => {
            const args = [...makeBatch(net, 8, s), torch.tensor(zeros(s) ? 0 : 1, { dtype: "float64" })] as const;
            torch.manualSeed(s);
            return form === "sync" ? step.sync(...args) : optimizer.step(() => loss(...args));
          });
          return { model, reports };
        };
        // From the first step on.
        const [got, plain] = [run(options, () => true), run({ method: "none" }, () => true)];
        const wanted = Object.fromEntries(plain.model.namedParameters());
        for (const [key, tensor] of got.model.namedParameters()) expect(torch.equal(tensor, wanted[key]!), `${name} ${form} ${key}`).toBe(true);
        for (const { gradNorm, loss } of got.reports) expect([gradNorm, Math.abs(loss)]).toEqual([0, 0]);
        // And on the way: nothing but numbers comes of it.
        const mixed = run(options, (s) => s === 1 || s === 2);
        for (const [key, tensor] of mixed.model.namedParameters()) expect(tensor.isfinite().all().item(), `${name} ${form} ${key}`).toBe(true);
        expect(mixed.reports[1]!.gradNorm).toBe(0);
      }
    }
  });
});

test("a closure that goes back itself is told to leave that out", () => {
  const w = nn.parameter(torch.tensor([1, 2], { dtype: "float32" }));
  const optimizer = optim.create([w], { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.1 } });
  const closure = () => {
    const loss = w.square().sum();
    loss.backward();
    return loss;
  };
  expect(() => optimizer.step(closure)).toThrow("leave backward() out of the closure");
  expect(w.detach().toArray()).toEqual([1, 2]);
});
