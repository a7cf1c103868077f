import { describe, expect, test } from "vitest";
import { nn, optim, SteppeError, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { distance, needsPython, pack, python, runPython, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";

// Under autocast a layer gets what the layer before gave, in the lower precision, while its weights are in float32.

const kinds = ["LSTM", "GRU", "RNN"] as const;
type Kind = (typeof kinds)[number];
type AnyRecurrent = nn.Module & { forward(x: Tensor, state?: unknown): [Tensor, unknown] };
type AnyCell = nn.Module & { forward(x: Tensor, state?: unknown): Tensor | Tensor[] };

const layers = {
  LSTM: (...args: [number, number, { batchFirst: true; numLayers?: number; bidirectional?: boolean }]) => new nn.LSTM(...args) as unknown as AnyRecurrent,
  GRU: (...args: [number, number, { batchFirst: true; numLayers?: number; bidirectional?: boolean }]) => new nn.GRU(...args) as unknown as AnyRecurrent,
  RNN: (...args: [number, number, { batchFirst: true; numLayers?: number; bidirectional?: boolean }]) => new nn.RNN(...args) as unknown as AnyRecurrent,
};
const cells = { LSTM: () => new nn.LSTMCell(4, 4), GRU: () => new nn.GRUCell(4, 4), RNN: () => new nn.RNNCell(4, 4) };

class Stack extends nn.Module {
  first = new nn.Linear(4, 4);
  below: AnyRecurrent;
  above: AnyRecurrent;
  cell: AnyCell;

  constructor(kind: Kind) {
    super();
    this.below = layers[kind](4, 4, { batchFirst: true, numLayers: 2, bidirectional: true });
    this.above = layers[kind](8, 4, { batchFirst: true });
    this.cell = cells[kind]() as unknown as AnyCell;
  }

  /** All that it computes on the way: [2, 5, 4] in. */
  forward(x: Tensor): Tensor[] {
    const low = this.first.forward(x);
    const [y, state] = this.below.forward(low);
    const [again] = this.below.forward(low, state); // states in the lower precision
    const [z] = this.above.forward(y.add(again));
    const after = this.cell.forward(z.select(1, -1));
    return [low, y, again, z, Array.isArray(after) ? after[0]! : after];
  }

  loss(x: Tensor): Tensor {
    return this.forward(x).reduce((sum, each) => sum.add(each.float().square().mean()), torch.zeros([]));
  }
}

const script = `
class Stack(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.below = getattr(nn, kind)(4, 4, 2, batch_first=True, bidirectional=True)
        self.above = getattr(nn, kind)(8, 4, batch_first=True)
        self.cell = getattr(nn, kind + "Cell")(4, 4)
    def forward(self, x):
        low = self.first(x)
        y, state = self.below(low)
        again, _ = self.below(low, state)
        z, _ = self.above(y + again)
        after = self.cell(z[:, -1])
        return [low, y, again, z, after[0] if isinstance(after, tuple) else after]
outputs = []
for case in inputs:
    model = Stack(case["kind"])
    model.load_state_dict({name: unpack(p) for name, p in case["state"].items()})
    with torch.autocast("cpu", dtype=getattr(torch, case["dtype"])):
        results = model(unpack(case["x"]))
        loss = sum(r.float().square().mean() for r in results)
    loss.backward()
    outputs.append({"results": [pack(r) for r in results], "grads": {name: pack(p.grad) for name, p in model.named_parameters()}})
`;

const cases = kinds.flatMap((kind) => (["bfloat16", "float16"] as const).map((dtype) => ({ kind, dtype })));

function made(kind: Kind): { model: Stack; x: Tensor } {
  torch.manualSeed(3);
  return { model: new Stack(kind), x: torch.randn([2, 5, 4]) };
}

describe.skipIf(python === null)(`recurrent layers on each other under autocast (${needsPython})`, () => {
  test("give PyTorch's numbers, in its dtypes, forward and backward", () => {
    const inputs = cases.map(({ kind, dtype }) => {
      const { model, x } = made(kind);
      return { kind, dtype, x: pack(x), state: Object.fromEntries(Object.entries(model.stateDict()).map(([name, t]) => [name, pack(t)])) };
    });
    const references = runPython<{ results: Packed[]; grads: Record<string, Packed> }[]>(script, inputs);
    cases.forEach(({ kind, dtype }, i) => {
      const { model, x } = made(kind);
      const unit = dtype === "bfloat16" ? 2 ** -8 : 2 ** -11;
      torch.autocast(() => {
        const results = model.forward(x);
        results.forEach((result, k) => {
          const theirs = references[i]!.results[k]!;
          expect(result.dtype, `${kind} ${dtype} ${k}`).toBe(theirs.dtype);
          expect(distance(result.float(), unpack({ ...theirs, dtype: "float32" })), `${kind} ${dtype} ${k}`).toBeLessThan(2 * unit);
        });
        return results.reduce((sum, each) => sum.add(each.float().square().mean()), torch.zeros([]));
      }, { dtype }).backward();
      for (const [name, { grad }] of model.namedParameters()) {
        const theirs = unpack(references[i]!.grads[name]!);
        expect(distance(grad!, theirs), `${kind} ${dtype} ${name}`).toBeLessThan(8 * unit * (Number(theirs.abs().max().item()) + 0.01));
      }
    });
  });
});

test.each(kinds)("a compiled step of %s in bfloat16 is the eager one", (kind) => {
  const [eager, compiled] = [made(kind), made(kind)];
  const options = { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.1 } } as const;
  const step = optim.create(compiled.model, options).compile((x: Tensor) => compiled.model.loss(x), { autocast: {} });
  const plain = optim.create(eager.model, options);
  for (let k = 0; k < 3; k++) {
    const { loss } = step.sync(compiled.x);
    expect(plain.step(() => torch.autocast(() => eager.model.loss(eager.x))).loss).toBeCloseTo(loss, 2);
  }
  expect(step.explain()).toMatch(/forward and backward are replayed\.$/m);
});

test("an LSTM of float32 in float16: as in float32 up to rounding, packed and with states, eagerly and compiled", () => {
  torch.manualSeed(5);
  const lstm = new nn.LSTM(6, 8, { batchFirst: true });
  const x = torch.randn([3, 7, 6]);
  const states: [Tensor, Tensor] = [torch.randn([1, 3, 8]), torch.randn([1, 3, 8])];
  const packed = nn.utils.rnn.packPaddedSequence(x, [7, 4, 2], { batchFirst: true });
  for (const run of [() => lstm.forward(x)[0], () => lstm.forward(x, states)[0], () => lstm.forward(packed)[0].data]) {
    const [half, whole] = [torch.autocast(run, { dtype: "float16" }), run()];
    expect(half.dtype).toBe("float16");
    expect(distance(half.float(), whole)).toBeLessThan(16 * 2 ** -11);
  }
  const loss = (input: Tensor) => lstm.forward(input)[0].float().square().mean();
  const optimizer = optim.create(lstm, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.1 }, lossScale: 1024 });
  const step = optimizer.compile(loss, { autocast: { dtype: "float16" } });
  const before = torch.noGrad(() => loss(x).item() as number);
  expect(Math.abs(step.sync(x).loss / before - 1)).toBeLessThan(0.01);
  for (let k = 0; k < 20; k++) expect(step.sync(x).skipped).toBe(false);
  expect(torch.noGrad(() => loss(x).item() as number)).toBeLessThan(before);
  expect(step.explain()).toMatch(/forward and backward are replayed\.$/m);
});

test("without autocast another dtype is refused", () => {
  expect(() => new nn.LSTM(4, 4).forward(torch.ones([2, 1, 4], { dtype: "bfloat16" }))).toThrow(SteppeError);
  torch.autocast(() => expect(() => torch.autocast(() => new nn.LSTM(4, 4).forward(torch.ones([2, 1, 4], { dtype: "bfloat16" })), { enabled: false })).toThrow(SteppeError));
});
