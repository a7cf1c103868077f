import { expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

// A model that gets other parts after a step was recorded of it.

class Net extends nn.Module {
  body = new nn.Sequential(new nn.Linear(2, 3), new nn.Dropout(0));
  head = new nn.Linear(3, 1);
  scale: Tensor = this.registerBuffer("scale", torch.tensor(1.5));
  forward(x: Tensor): Tensor {
    return this.head.forward(this.body.forward(x) as Tensor).mul(this.scale);
  }
}

function make() {
  torch.manualSeed(0);
  const net = new Net();
  const x = torch.ones([4, 2]);
  const step = optim.create(net, { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0 } }).compile((x: Tensor) => net.forward(x).sum());
  const expectEager = async () => {
    const wanted = net.forward(x).sum().item() as number;
    expect(step.sync(x).loss).toBeCloseTo(wanted, 5);
    expect((await step(x)).loss).toBeCloseTo(wanted, 5);
  };
  return { net, x, step, expectEager };
}

test("is recorded anew after reset()", async () => {
  const { net, step, expectEager } = make();
  await expectEager();
  const count = step.programs.length;
  const changes = [
    () => net.registerBuffer("scale", torch.tensor(15.5)),
    () => net.setSubmodule("body.0", new nn.Linear(2, 3)),
    () => net.registerModule("head", new nn.Linear(3, 1)),
    () => net.body.append(new nn.Tanh() as never),
    () => net.head.registerForwardHook((_, __, output) => output.mul(3)),
  ];
  for (const change of changes) {
    change();
    step.reset();
    await expectEager();
  }
  expect(step.programs.length).toBe(count); // the others are gone
});

test("by assignment: after reset()", async () => {
  const { net, x, step, expectEager } = make();
  await expectEager();
  net.scale = torch.tensor(-2);
  const stale = step.sync(x).loss;
  step.reset();
  expect(step.programs).toEqual([]);
  await expectEager();
  expect(step.sync(x).loss / stale).toBeCloseTo(-2 / 1.5, 5);
  (net.body[1] as unknown as { p: number }).p = 1;
  step.reset();
  await expectEager();
  const other = make();
  const waits = other.step(other.x);
  expect(() => other.step.reset()).toThrow("Await the steps that are under way before step.reset().");
  await waits;
  const running = other.step(other.x);
  other.step.reset();
  expect(Number.isFinite((await running).loss)).toBe(true);
  await other.expectEager();
});

test("a parameter that an operator has made is refused", () => {
  const w = nn.parameter(torch.ones([2]));
  expect(() => optim.create([w.mul(2)], { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.1 } })).toThrow(/^Expected a leaf tensor, which no operator has made, for parameter parameters\[0\] but received /);
});
