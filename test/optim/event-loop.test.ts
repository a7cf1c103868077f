import { expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";

// Steps run on the training thread: JavaScript goes on meanwhile.

/** Turns of the event loop, each with a timer's wait, until a promise settles. */
async function turnsWhile(work: Promise<unknown>): Promise<number> {
  let running = true;
  const end = work.finally(() => (running = false));
  let turns = 0;
  for (; running; turns++) await new Promise((resolve) => setTimeout(resolve, 1));
  await end;
  return turns;
}

function heavy() {
  torch.manualSeed(0);
  const model = new nn.Sequential(new nn.Linear(1024, 1024), new nn.ReLU(), new nn.Linear(1024, 1024));
  const step = optim.create(model, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 1e-3 } }).compile((x) => model.forward(x).pow(2).mean());
  return { step, x: torch.randn([1024, 1024]) };
}

test("the event loop turns while a long step runs, and while several wait", async () => {
  const { step, x } = heavy();
  await step(x); // records: this runs the loss in JavaScript
  expect(await turnsWhile(step(x))).toBeGreaterThan(5);
  expect(await turnsWhile(Promise.all([step(x), step(x), step(x)]))).toBeGreaterThan(15);
});

test("tensors can be made, read and disposed of while a long step runs", async () => {
  const { step, x } = heavy();
  await step(x);
  let running = true;
  const result = step(x).finally(() => (running = false));
  let made = 0;
  while (running) {
    const t = torch.ones([8, 8]).mul(made);
    expect(t.sum().item()).toBe(64 * made);
    t.dispose();
    made++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(made).toBeGreaterThan(5);
  expect((await result).skipped).toBe(false);
});

test("step.sync does not turn it", async () => {
  const { step, x } = heavy();
  await step(x);
  let turned = false;
  setImmediate(() => (turned = true));
  step.sync(x);
  expect(turned).toBe(false);
});
