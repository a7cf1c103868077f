import { beforeAll, describe, expect, test } from "vitest";
import { nn, optim, torch, type Tensor } from "../../lib/index.js";
import { distance, needsPython, pack, python, runPython, unpack, type Packed } from "../support/python.js";

// L-BFGS beside PyTorch's: the same points are searched, by closure and by compiled step.

class Net extends nn.Module {
  hidden = new nn.Linear(3, 6);
  unused = new nn.Linear(2, 1);
  out = new nn.Linear(6, 2);

  forward(x: Tensor): Tensor {
    return this.out.forward(this.hidden.forward(x).tanh());
  }
}

function makeNet(dtype: "float64" | "float32" = "float64"): Net {
  torch.manualSeed(5);
  return new Net().to(dtype);
}

const input = (step: number) => torch.arange(60, { dtype: "float64" }).add(11 * step).mul(1.7).sin().reshape([20, 3]);
const target = (step: number) => torch.arange(40, { dtype: "float64" }).add(5 * step).mul(0.9).cos().reshape([20, 2]);
const lossOf = (net: Net, x: Tensor, y: Tensor) => nn.functional.mseLoss(net.forward(x), y);
const text = (net: nn.Module) => JSON.stringify(Object.values(net.stateDict()).map((tensor) => tensor.toArray()));

const cases: [Omit<optim.LbfgsOptions, "name">, { steps: number; sameBatch: boolean }][] = [
  [{ lr: 0.1 }, { steps: 2, sameBatch: true }],
  [{ lr: 0.3, maxIter: 4 }, { steps: 6, sameBatch: false }],
  [{ lineSearchFn: "strong_wolfe" }, { steps: 3, sameBatch: true }],
  [{ lineSearchFn: "strong_wolfe", maxIter: 5, historySize: 3 }, { steps: 6, sameBatch: false }],
  [{ lineSearchFn: "strong_wolfe", lr: 3, maxIter: 6, maxEval: 7 }, { steps: 4, sameBatch: true }],
  [{ lineSearchFn: "strong_wolfe", maxIter: 1 }, { steps: 5, sameBatch: true }],
  [{ lineSearchFn: "strong_wolfe", maxIter: 200, toleranceGrad: 1e-3 }, { steps: 2, sameBatch: true }],
  [{ lr: 0.5, maxIter: 200, toleranceChange: 1e-4 }, { steps: 2, sameBatch: true }],
  [{ lineSearchFn: "strong_wolfe", lr: 100, maxIter: 4, toleranceChange: 0.03 }, { steps: 3, sameBatch: true }],
];

type Expected = { loss: number; weights: Record<string, Packed>; evaluations: number; iterations: number; t: number };

const script = `
import re
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.unused, self.out = nn.Linear(3, 6), nn.Linear(2, 1), nn.Linear(6, 2)
    def forward(self, x):
        return self.out(self.hidden(x).tanh())

def run(options, batches):
    net = Net().double()
    net.load_state_dict({name: unpack(t) for name, t in inputs["weights"].items()})
    optimizer = torch.optim.LBFGS(net.parameters(), **{re.sub("([A-Z])", r"_\\1", key).lower(): value for key, value in options.items()})
    steps = []
    for x, y in batches:
        x, y = unpack(x), unpack(y)
        def closure():
            optimizer.zero_grad()
            loss = F.mse_loss(net(x), y)
            loss.backward()
            return loss
        loss = optimizer.step(closure).item()
        state = optimizer.state[net.hidden.weight]
        steps.append({"loss": loss, "weights": {name: pack(t) for name, t in net.state_dict().items()},
                      "evaluations": state["func_evals"], "iterations": state["n_iter"], "t": float(state["t"])})
    return steps

outputs = [run(case["options"], case["batches"]) for case in inputs["cases"]]
`;

describe.skipIf(python === null)(`beside ${needsPython}`, () => {
  const batch = (i: number, step: number) => {
    const number = cases[i]![1].sameBatch ? 0 : step;
    return [input(number), target(number)] as const;
  };
  let expected: Expected[][];
  beforeAll(() => {
    expected = runPython<Expected[][]>(script, {
      weights: Object.fromEntries(Object.entries(makeNet().stateDict()).map(([name, tensor]) => [name, pack(tensor)])),
      cases: cases.map(([options, { steps }], i) => ({ options, batches: Array.from({ length: steps }, (_, step) => batch(i, step).map(pack)) })),
    });
  });

  test.each(cases.map(([options], i) => [JSON.stringify(options), i] as const))("%s", (_, i) => {
    for (const compiled of [false, true]) {
      const net = makeNet();
      const optimizer = optim.create(net, { method: "none", base: { name: "lbfgs", ...cases[i]![0] } });
      const step = optimizer.compile((x, y) => lossOf(net, x, y));
      expected[i]!.forEach((want, s) => {
        const [x, y] = batch(i, s);
        const report = compiled ? step.sync(x, y) : optimizer.step(() => lossOf(net, x, y));
        expect(report.loss).toBeCloseTo(want.loss, 10);
        expect(report.skipped).toBe(false);
        const { tensors } = optimizer.stateDict();
        const state = (name: string) => tensors[`hidden.weight/${name}`]!.item() as number;
        expect([state("func_evals"), state("n_iter")], `step ${s}`).toEqual([want.evaluations, want.iterations]);
        expect(state("t")).toBeCloseTo(want.t, 7);
        for (const [name, tensor] of Object.entries(net.stateDict())) expect(distance(tensor, unpack(want.weights[name]!)), `${name} after step ${s}`).toBeLessThan(1e-8);
      });
    }
  });
});

test("finds the minimum of Rosenbrock's function", () => {
  const w = nn.parameter(torch.tensor([-1.2, 1], { dtype: "float64" }));
  const optimizer = optim.create([w], { method: "none", base: { name: "lbfgs", maxIter: 100, toleranceChange: 0, lineSearchFn: "strong_wolfe" } });
  const report = optimizer.step(() => {
    const [x, y] = [w.select(0, 0), w.select(0, 1)];
    return x.neg().add(1).pow(2).add(y.sub(x.pow(2)).pow(2).mul(100));
  });
  expect(report.loss).toBeCloseTo(24.2, 10);
  expect(report.gradNorm).toBeCloseTo(Math.hypot(-215.6, -88), 10);
  expect(distance(w, torch.ones([2], { dtype: "float64" }))).toBeLessThan(1e-7);
});

describe("state", () => {
  test("goes on bit for bit, and looking at it changes nothing", () => {
    const run = (resumeAt: number | null, look: boolean) => {
      let net = makeNet("float32");
      const make = () => optim.create(net, { method: "none", base: { name: "lbfgs", maxIter: 3, historySize: 4, lineSearchFn: "strong_wolfe" } });
      let optimizer = make();
      for (let i = 0; i < 5; i++) {
        const [x, y] = [input(i).to("float32"), target(i).to("float32")];
        optimizer.step(() => lossOf(net, x, y));
        if (look) optimizer.stateDict();
        if (i !== resumeAt) continue;
        const state = optimizer.stateDict();
        const weights = Object.fromEntries(Object.entries(net.stateDict()).map(([name, tensor]) => [name, tensor.clone()]));
        net = makeNet("float32");
        net.loadStateDict(weights);
        optimizer = make();
        optimizer.loadStateDict({ ...(JSON.parse(JSON.stringify({ ...state, tensors: {} })) as optim.OptimizerState), tensors: state.tensors });
      }
      return text(net);
    };
    const whole = run(null, false);
    expect(run(null, true)).toBe(whole);
    for (const at of [0, 2, 3]) expect(run(at, false)).toBe(whole);
  });

  test("is refused where it does not fit", () => {
    const net = makeNet();
    const make = () => optim.create(net, { method: "none", base: { name: "lbfgs" } });
    const optimizer = make();
    optimizer.step(() => lossOf(net, input(0), target(0)));
    const good = optimizer.stateDict();
    const change = (name: string, tensor: Tensor) => ({ ...good, tensors: { ...good.tensors, [`hidden.weight/${name}`]: tensor } });
    expect(() => make().loadStateDict(change("d", torch.ones([3])))).toThrow("Expected shape [41] for hidden.weight/d but received [3].");
    expect(() => make().loadStateDict(change("old_dirs", torch.ones([3])))).toThrow("Expected shape [any, 41] for hidden.weight/old_dirs but received [3].");
    const other = make();
    other.loadStateDict(change("ro", torch.ones([1])));
    expect(() => other.step(() => lossOf(net, input(0), target(0)))).toThrow("histories of different lengths");
  });
});

test("the first pass moves batch-norm statistics, once", () => {
  const make = () => {
    torch.manualSeed(1);
    return new nn.Sequential(new nn.Linear(3, 4), new nn.BatchNorm1d(4), new nn.Linear(4, 2)).to("float64");
  };
  const [net, once] = [make(), make()];
  const optimizer = optim.create(net, { method: "none", base: { name: "lbfgs", lineSearchFn: "strong_wolfe" } });
  optimizer.compile((x, y) => nn.functional.mseLoss(net.forward(x) as Tensor, y)).sync(input(0), target(0));
  once.forward(input(0));
  const buffers = (model: nn.Module) => model.namedBuffers().map(([, tensor]) => pack(tensor));
  expect(buffers(net)).toEqual(buffers(once));
});

test("all passes of a step see the same dropout masks", () => {
  const w = nn.parameter(torch.ones([50], { dtype: "float64" }));
  const optimizer = optim.create([w], { method: "none", base: { name: "lbfgs", maxIter: 30, toleranceChange: 0, lineSearchFn: "strong_wolfe" } });
  const seen = new Set<string>();
  torch.manualSeed(2);
  optimizer.step(() => {
    const mask = nn.functional.dropout(torch.ones([50], { dtype: "float64" }), 0.5);
    seen.add(String(mask.toArray()));
    return w.sub(3).mul(mask).pow(2).sum();
  });
  expect(seen.size).toBe(1);
  // The minimum of the elements that the mask keeps is reached, as no noise hinders it.
  const [mask] = [...seen].map((row) => row.split(",").map(Number));
  expect((w.toArray() as number[]).every((value, i) => Math.abs(value - (mask![i] === 0 ? 1 : 3)) < 1e-6)).toBe(true);
});

describe("not finite", () => {
  test("the first gradient: nothing changes", () => {
    const w = nn.parameter(torch.zeros([2], { dtype: "float64" }));
    const optimizer = optim.create([w], { method: "none", base: { name: "lbfgs" } });
    expect(() => optimizer.step(() => w.sqrt().sum())).toThrow("Not finite: the gradient of parameters[0] holds NaN or infinity.");
    expect(optimizer.stateDict()).toMatchObject({ steps: 0, tensors: {} });
  });

  test("where the search arrives: weights and state are as they were", () => {
    const make = (nonFinite: "throw" | "skip") => {
      const w = nn.parameter(torch.tensor([1, 2], { dtype: "float64" }));
      return { w, optimizer: optim.create([w], { method: "none", nonFinite, base: { name: "lbfgs", lr: 1e200, maxIter: 5 } }) };
    };
    const loss = (w: Tensor) => w.pow(4).sum();
    const { w, optimizer } = make("throw");
    expect(() => optimizer.step(() => loss(w))).toThrow("Not finite: a later pass's gradient of parameters[0] holds NaN or infinity.");
    expect(w.toArray()).toEqual([1, 2]);
    expect(optimizer.stateDict()).toMatchObject({ steps: 0, tensors: {} });
    const skipping = make("skip");
    expect(skipping.optimizer.step(() => loss(skipping.w)).skipped).toBe(true);
    expect(skipping.w.toArray()).toEqual([1, 2]);
  });

  test("a closure that throws half-way: weights and state are as they were", () => {
    const w = nn.parameter(torch.tensor([1, 2], { dtype: "float64" }));
    const optimizer = optim.create([w], { method: "none", base: { name: "lbfgs", lr: 0.01 } });
    let calls = 0;
    expect(() =>
      optimizer.step(() => {
        if (++calls === 4) throw new Error("enough");
        return w.pow(2).sum();
      }),
    ).toThrow("enough");
    expect(w.toArray()).toEqual([1, 2]);
    expect(optimizer.stateDict()).toMatchObject({ steps: 0, tensors: {} });
  });
});

test.each<[() => unknown, string]>([
  [() => optim.create(makeNet(), { method: "sam", base: { name: "lbfgs" } } as never), 'L-BFGS takes its gradients itself: use it with method: "none", not "sam".'],
  [() => optim.create(makeNet(), { method: "none", maxGradNorm: 1, base: { name: "lbfgs" } }), "L-BFGS cannot clip: leave options.maxGradNorm out."],
  [
    () => optim.create([{ parameters: makeNet().hidden }, { parameters: makeNet().out }], { method: "none", base: { name: "lbfgs" } }),
    "L-BFGS moves all parameters together: expected one parameter group but received 2.",
  ],
  [() => optim.create(makeNet(), { method: "none", base: { name: "lbfgs", maxEval: 0 } }), "Expected an integer of at least 1, or null, for options.base.maxEval but received 0 of type number."],
  [
    () => optim.create(makeNet(), { method: "none", base: { name: "lbfgs", lineSearchFn: "wolfe" as never } }),
    'Expected null or "strong_wolfe" for options.base.lineSearchFn but received "wolfe" of type string.',
  ],
])("refuses what has no meaning: %#", (make, message) => {
  expect(make).toThrow(message);
});
