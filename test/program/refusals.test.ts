import { beforeEach, describe, expect, test } from "vitest";
import { SteppeError, nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { Replay } from "./replay.js";

class Net extends nn.Module {
  fc = new nn.Linear(4, 3);
  norm = new nn.BatchNorm1d(3);
  forward(x: Tensor): Tensor {
    return this.norm.forward(this.fc.forward(x));
  }
}

let model: Net;
let x: Tensor;
beforeEach(() => {
  model = new Net();
  x = torch.randn([5, 4]);
});

function refusal(loss: (x: Tensor) => Tensor): SteppeError {
  const step = optim.create(model, { method: "sam", base: { name: "sgd" } }).compile((batch: Tensor) => loss(batch));
  try {
    step.sync(x);
  } catch (error) {
    expect(error).toBeInstanceOf(SteppeError);
    return error as SteppeError;
  }
  throw new Error("It was recorded.");
}

describe("what cannot be recorded is refused, and the message names the call", () => {
  const loss = (batch: Tensor) => model.forward(batch).pow(2).mean();
  const cases: [name: string, loss: (batch: Tensor) => Tensor, words: RegExp][] = [
    ["item()", (batch) => loss(batch).mul(batch.sum().item() as number), /item\(\) was called/],
    ["toArray()", (batch) => loss(batch).mul((batch.sum(1).toArray() as number[])[0]!), /toArray\(\) was called/],
    ["toTypedArray()", (batch) => loss(batch).mul(batch.toTypedArray().length), /toTypedArray\(\) was called/],
    ["toBytes()", (batch) => loss(batch).mul(batch.toBytes().length), /toBytes\(\) was called/],
    ["nonzero", (batch) => loss(batch).add(batch.nonzero().sum()), /aten::nonzero was called/],
    ["unique", (batch) => loss(batch).add(torch.uniqueConsecutive(batch)[0].sum()), /aten::unique_consecutive was called/],
    ["a mask as an index", (batch) => loss(batch).add(torch.at(batch, batch.gt(0)).sum()), /aten::index\.Tensor was called/],
    ["masked_select", (batch) => loss(batch).add(batch.maskedSelect(batch.gt(0)).sum()), /aten::masked_select was called/],
    ["a value read inside an operator", (batch) => loss(batch).mul(batch.equal(batch) ? 1 : 2), /aten::equal was called/],
    ["a value read by a composite operator", (batch) => loss(batch).add(torch.allclose(batch, batch) ? 1 : 0), /aten::allclose|aten::_local_scalar_dense|aten::item|aten::is_nonzero/],
    ["backward()", (batch) => (loss(batch).backward(), loss(batch)), /backward\(\) was called/],
    ["autograd.grad()", (batch) => torch.autograd.grad([loss(batch)], [model.fc.weight])[0]!.sum(), /autograd\.grad\(\) without createGraph was called/],
    ["no number", (batch) => model.forward(batch), /one floating-point number.*15 elements/],
    ["no floating-point number", (batch) => model.forward(batch).argmax(), /one floating-point number.*Long/],
    ["no parameter", (batch) => batch.mean(), /depends on no parameter/],
    ["a loss from elsewhere", () => outside, /not computed by operators that were called in it/],
    ["a parameter that is changed", (batch) => (torch.noGrad(() => model.fc.weight.mul_(2)), loss(batch)), /aten::mul_\.Scalar.*changes a parameter/],
    ["a parameter that is changed through a view", (batch) => (torch.noGrad(() => model.fc.weight.view([12]).zero_()), loss(batch)), /aten::zero_.*changes a parameter/],
    ["a tensor that an operator fills by itself", (batch) => torch.ctcLoss(model.forward(batch).unsqueeze(1).logSoftmax(2), torch.tensor([[1, 2]], { dtype: "int64" }), [5], [2], 0, 1), /was given a tensor that was filled by no operator/],
    ["a generator of its own", (batch) => loss(batch).mul(torch.rand([], { generator: new torch.Generator() })), /generator of its own/],
  ];
  const outside = torch.ones([], { requiresGrad: true }).mul(2);

  test("a view of a parameter that was made before: it would not see the perturbed one", () => {
    const row = model.fc.weight.detach().select(0, 0);
    expect(refusal((batch) => loss(batch).add(row.sum())).message).toContain("a tensor looks at a parameter's memory that was not made of the parameter in it");
  });

  test.each(cases)("%s", (_, body, words) => {
    const error = refusal(body);
    expect(error.message).toMatch(words);
    expect(error.code).toBe("RECORD");
    expect(error.message).toMatch(/optimizer\.step\(\)/);
  });

  test("what the function itself throws comes out as it is", () => {
    const step = optim.create(model, { method: "sam", base: { name: "sgd" } }).compile(() => {
      throw new RangeError("mine");
    });
    expect(() => step.sync()).toThrow(new RangeError("mine"));
  });

  test("no tensor", () => {
    const step = optim.create(model, { method: "sam", base: { name: "sgd" } }).compile((() => 3) as never);
    expect(() => step.sync()).toThrow(/Expected a Tensor/);
  });

  test("a step inside a step", () => {
    const inner = optim.create(new nn.Linear(4, 1), { method: "none", base: { name: "sgd" } }).compile((batch: Tensor) => batch.sum());
    const error = refusal((batch) => (inner.sync(batch), loss(batch)));
    expect(error.message).toMatch(/being recorded/);
  });
});

describe("a refused recording leaves no trace", () => {
  test("buffers, parameters, inputs and the generator are as before, and the next recording works", () => {
    const before = Object.values(model.stateDict()).map((tensor) => tensor.toArray());
    const rows = x.toArray();
    const loss = (batch: Tensor) => {
      batch.mul_(2);
      const result = torch.dropout(model.forward(batch), 0.5, true).mean();
      result.item();
      return result;
    };
    torch.manualSeed(3);
    const draw = torch.rand([4]).toArray();
    torch.manualSeed(3);
    refusal(loss);
    expect(torch.rand([4]).toArray()).toEqual(draw);
    expect(Object.values(model.stateDict()).map((tensor) => tensor.toArray())).toEqual(before);
    expect(x.toArray()).toEqual(rows);
    expect(x.mean().item()).toBeTypeOf("number");

    const replay = new Replay(model, (batch) => model.forward(batch!).pow(2).mean());
    expect(replay.replayed([x])).toEqual(replay.eager([x]));
  });
});

describe("where only the backward cannot be recorded", () => {
  // The gradient of prod() looks for zeros among the factors.
  const loss = (batch: Tensor) => model.forward(batch).prod();

  test("autograd does it, with the same result", () => {
    const replay = new Replay(model, (batch) => loss(batch!));
    for (const batch of [x, torch.randn([5, 4])]) expect(replay.replayed([batch])).toEqual(replay.eager([batch]));
    expect(replay.step.programs[0]!.backwardObstacle).toMatch(/aten::\S+ reads values/);
    expect(replay.text).not.toMatch(/^backward/m);
    expect(replay.text).toMatch(/aten::prod/);
  });
});

describe("inputs", () => {
  test("are never changed by a step, though the function overwrites them", () => {
    const replay = new Replay(model, (batch) => model.forward(batch!.relu_().mul_(3)).pow(2).mean());
    const rows = x.toArray();
    const expected = replay.eager([x.clone()]);
    for (let i = 0; i < 3; i++) {
      expect(replay.replayed([x])).toEqual(expected);
      expect(x.toArray()).toEqual(rows);
    }
  });

  test("may be the same tensor twice, and may share memory with a parameter", () => {
    const replay = new Replay(model, (a, b) => model.forward(a!.mul(2).add(b!)).pow(2).mean());
    expect(replay.replayed([x, x])).toEqual(replay.eager([x, x]));
    const other = torch.randn([5, 4]);
    expect(replay.replayed([x, other])).toEqual(replay.eager([x, other]));
    expect(replay.replayed([x, x])).toEqual(replay.eager([x, x]));
    const rows = model.fc.weight.detach();
    expect(replay.replayed([rows, rows])).toEqual(replay.eager([rows, rows]));
  });

  test("of another shape, dtype or layout are recorded anew", () => {
    const replay = new Replay(model, (batch) => model.forward(batch!.to("float32")).pow(2).mean());
    const batches = [x, torch.randn([3, 4]), torch.randn([5, 4], { dtype: "float64" }), torch.randn([4, 5]).t(), x];
    for (const batch of batches) expect(replay.replayed([batch])).toEqual(replay.eager([batch]));
    expect(replay.step.programs).toHaveLength(4);
  });
});
