import { beforeAll, describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { needsPython, python, sameLibTorch } from "../support/python.js";
import { basesFor, drawing, lossFunction, makeBatch, makeModel, methods, nets, normalises, over, takesClosures, titled, type MethodOptions, type Net, type NetName } from "./nets.js";
import { compare, trajectories, type After, type Case } from "./reference.js";
import { bytes } from "./walk.js";

// Every method in mixed precision beside a plain implementation in PyTorch: torch.autocast, and torch.amp.GradScaler for float16.

// A second thread costs small tensors more than it gives.
torch.setNumThreads(1);

const steps = 4;
const all = [...methods, ...drawing];

interface Titled extends Case {
  title: string;
}

function makeCase(name: NetName, autocast: "bfloat16" | "float16", options: MethodOptions, seed: number): Titled {
  const net: Net = nets[name];
  // Adam turns a gradient that is nearly zero into a whole step, and its rounding into a step the other way.
  const bases = basesFor(options.method).filter(({ name }) => !name.startsWith("adam"));
  const base = bases[seed % bases.length]!;
  // So large at first that float16 overflows on the way back.
  const more = autocast === "float16" ? { nonFinite: "skip", lossScale: { initial: 2 ** 24, growth: 2, backoff: 2 ** -5, interval: 2 } } : {};
  const batches = Array.from({ length: autocast === "float16" ? steps + 2 : steps }, (_, s): [Tensor, Tensor] => makeBatch(net, s === steps - 1 ? 7 : 8, 1000 * seed + s, "float32"));
  return { title: `${autocast}: ${JSON.stringify(options)} over ${base.name} on ${name}`, net, options: { ...options, ...more, base }, seed, batches, autocast, dtype: "float32" };
}

const cases: Titled[] = [];
// The CPU has no LSTM in float16; its images are convolved in another order here, with the channels last.
for (const [autocast, names] of [["bfloat16", ["norms", "dropout", "conv", "lstm", "odd"]], ["float16", ["norms", "dropout"]]] as const) {
  for (const name of names) {
    for (const options of all) {
      if (options.method === "norm-only" && !normalises(nets[name])) continue;
      cases.push(makeCase(name, autocast, options, cases.length + 1));
    }
  }
}

describe.skipIf(python === null || !sameLibTorch)(`methods in mixed precision beside plain ones in ${needsPython}`, () => {
  let expected: After[][];
  beforeAll(() => {
    expected = trajectories(cases);
  }, 600_000);

  // The same kernels in the same order: almost all agree to float32's rounding. Where a sum is taken in another order, a value may
  // come out on the other side of a rounding of the lower precision, half a unit in the last place away, in every pass anew.
  const close = { relative: 1e-6, absolute: 1e-6 };
  const unit = { bfloat16: 2 ** -8, float16: 2 ** -11 };
  const agrees = (i: number, changes: Partial<Case> = {}): boolean => {
    try {
      compare({ ...cases[i]!, ...changes }, expected[i]!, close);
      return true;
    } catch {
      return false;
    }
  };

  test.each(cases.map(({ title }, i) => [title, i] as const))("%s", (_, i) => {
    const each = cases[i]!;
    const within = 4 * unit[each.autocast!];
    compare(each, expected[i]!, { relative: within, absolute: within });
  });

  test("almost all agree to float32's rounding, none in full precision", () => {
    const good = cases.filter((_, i) => agrees(i));
    expect(good.length).toBeGreaterThan(0.95 * cases.length);
    cases.forEach(({ title }, i) => {
      if (i % 9 === 0) expect(agrees(i, { autocast: undefined }), title).toBe(false);
    });
  });

  test("float16 overflows on the way back, and then does not", () => {
    cases.forEach(({ title, autocast }, i) => {
      const skipped = expected[i]!.map(({ report }) => report.skipped);
      if (autocast === "float16") expect([skipped[0], skipped.at(-1)], title).toEqual([true, false]);
      else expect(skipped, title).not.toContain(true);
    });
  });
});

describe("closures in mixed precision", () => {
  test.each(titled(all.filter(takesClosures)))("%s: take the steps of compiled functions", (_, options) => {
    for (const [name, autocast, lossScale] of [["norms", "bfloat16", 1], ["norms", "float16", 2 ** 8]] as const) {
      const run = (form: "compiled" | "closure") => {
        const model = makeModel(nets[name], 91, "float32");
        const optimizer = optim.create(model, over(options, { lossScale }) as never) as optim.Optimizer;
        const loss = lossFunction(nets[name], model, options.method) as (x: Tensor, y: Tensor) => Tensor;
        const step = optimizer.compile(loss, { autocast: { dtype: autocast } });
        const reports = [0, 1, 2].map((s) => {
          const [x, y] = makeBatch(nets[name], 8, s, "float32");
          torch.manualSeed(s);
          return form === "compiled" ? step.sync(x, y) : optimizer.step(() => torch.autocast(() => loss(x, y), { dtype: autocast }));
        });
        return { reports, state: bytes(model.stateDict()) };
      };
      // The same operators on the same numbers.
      expect(run("closure"), `${name} ${autocast}`).toEqual(run("compiled"));
    }
  });
});

test("parameters of several dtypes: the norm of a float16 gradient that float16 has no number for", () => {
  // 100 × 100 elements of 1000 have the norm 1e5.
  const make = (dtype: "float16" | "float32" | "float64") => nn.parameter(torch.zeros([100, 100], { dtype }));
  const [single, half, double] = [make("float32"), make("float16"), make("float64")];
  const optimizer = optim.create([single, half, double], { method: "sam", rho: 0.5, base: { name: "sgd", lr: 1e-3 } });
  const step = optimizer.compile(() => {
    return half.sum({ dtype: "float32" }).mul(1000).add(single.sum().mul(2000)).add(double.sum().mul(2000).to("float32"));
  });
  const { gradNorm, skipped } = step.sync();
  expect([gradNorm, skipped]).toEqual([expect.closeTo(3e5, -1), false]);
});

test.each(titled([{ method: "sam", rho: 0.1 }, { method: "sam", rho: 0.1, ascentFraction: 0.25 }, { method: "msam", rho: 0.1, shards: 4 }] as MethodOptions[]))(
  "%s: autocast around the call, in the options and in the loss function is the same, also after the weights were cast for something else",
  async (_, options) => {
    const trajectory = async (where: "call" | "options" | "function") => {
      const model = makeModel(nets.layered, 5);
      const optimizer = optim.create(model, { ...options, base: { name: "sgd", lr: 0.1 } } as never) as optim.Optimizer;
      const loss = lossFunction(nets.layered, model, options.method) as (x: Tensor, y: Tensor) => Tensor;
      const inside = (x: Tensor, y: Tensor) => torch.autocast(() => loss(x, y), { dtype: "bfloat16" });
      const step = optimizer.compile(where === "function" ? inside : loss, where === "options" ? { autocast: { dtype: "bfloat16" } } : {});
      const reports = [];
      for (let s = 0; s < steps; s++) {
        const [x, y] = makeBatch(nets.layered, 8, s);
        const taken = where !== "call" ? step(x, y) : torch.autocast(() => {
          loss(x, y).backward(); // casts the weights, and the casts are kept
          for (const p of model.parameters()) p.grad = null;
          return [s % 2 === 0 ? step.sync(x, y) : step(x, y)];
        }, { dtype: "bfloat16" })[0]!;
        reports.push(await taken);
      }
      return { reports, weights: bytes(model.stateDict()) };
    };
    const expected = await trajectory("options");
    expect(await trajectory("function")).toEqual(expected);
    expect(await trajectory("call")).toEqual(expected);
  },
);

test("a closure's passes under an autocast around it cast the weights where each is taken", () => {
  const trajectory = (outside: boolean) => {
    const model = makeModel(nets.layered, 6);
    const optimizer = optim.create(model, { method: "sam", rho: 0.5, base: { name: "sgd", lr: 0.1 } });
    const loss = lossFunction(nets.layered, model, "sam") as (x: Tensor, y: Tensor) => Tensor;
    const mixed = <T>(body: () => T) => torch.autocast(body, { dtype: "bfloat16" });
    return Array.from({ length: steps }, (_, s) => {
      const [x, y] = makeBatch(nets.layered, 8, s);
      return outside ? mixed(() => optimizer.step(() => loss(x, y))) : optimizer.step(() => mixed(() => loss(x, y)));
    });
  };
  expect(trajectory(true)).toEqual(trajectory(false));
});
