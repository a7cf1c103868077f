import { expect, test } from "vitest";

// OpenMP looks at its limit when LibTorch is loaded.
process.env["OMP_THREAD_LIMIT"] = "2";
const { nn, optim, torch } = await import("../../lib/index.js");

test("threads that wait for each other do so also where OpenMP gives fewer than LibTorch has asked for", async () => {
  const run = async (threads: number) => {
    torch.setNumThreads(threads);
    torch.manualSeed(4);
    const layer = new nn.LSTM(16, 128);
    const step = optim.create(layer, { method: "none", base: { name: "sgd", lr: 0.1 } }).compile((x) => layer.forward(x)[0].sin().mean());
    return (await step(torch.randn([6, 8, 16]))).loss;
  };
  const alone = await run(1);
  for (const threads of [2, 3, 5]) expect(await run(threads)).toBe(alone);
}, 20_000);
