import { expect, test } from "vitest";
import { resultOf } from "../support/child.js";

// Only one pool of kernel threads at a time: with two, the threads together outnumber the processors and sleep between kernels.

const program = `
  const { readdirSync } = await import("node:fs");
  const threads = () => readdirSync("/proc/self/task").length;
  torch.setNumThreads(2);
  const model = new nn.Linear(256, 256);
  const x = torch.randn([256, 256]);
  const before = threads();
  const step = optim.create(model, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.1 } }).compile((x) => model.forward(x).square().mean());
  for (let i = 0; i < 3; i++) torch.scope(() => x.matmul(x).relu());
  const kernels = threads();
  await step(x);
  const first = threads();
  for (let i = 0; i < 3; i++) {
    torch.scope(() => x.matmul(x).relu()); // kernels on the main thread, in between
    await step(x);
  }
  console.log(JSON.stringify({ kernels: kernels - before, first: first - before, last: threads() - before }));`;

test.runIf(process.platform === "linux")("kernels on the main thread leave no threads behind that a step on the training thread would share the processors with", async () => {
  // Of two kernel threads one is the thread that calls. A step has the training thread, and that one's other kernel thread.
  expect(await resultOf(program)).toEqual({ kernels: 1, first: 2, last: 2 });
});
