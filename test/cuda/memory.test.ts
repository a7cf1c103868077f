import { describe, expect, test } from "vitest";
import { nn, optim, SteppeError, torch, type Tensor } from "../../lib/index.js";

const { cuda } = torch;
const MiB = 2 ** 20;

describe.skipIf(!cuda.isAvailable())("memory of a GPU", () => {
  test("is counted", () => {
    torch.sweep();
    const before = cuda.memoryAllocated();
    const x = torch.zeros([8 * MiB], { device: "cuda" });
    expect(cuda.memoryAllocated() - before).toBe(32 * MiB);
    expect(cuda.memoryReserved()).toBeGreaterThanOrEqual(cuda.memoryAllocated());
    expect(cuda.maxMemoryAllocated()).toBeGreaterThanOrEqual(cuda.memoryAllocated());
    x.dispose();
    expect(cuda.memoryAllocated()).toBe(before);
    cuda.resetPeakMemoryStats();
    expect(cuda.maxMemoryAllocated()).toBe(before);
    cuda.emptyCache();
    expect(cuda.memoryStats()["num_ooms"]).toBe(0);
  });

  test("that runs out is an error with a code, after which work goes on", () => {
    const [, total] = cuda.memGetInfo();
    const kept: Tensor[] = [];
    let caught: unknown;
    try {
      for (;;) kept.push(torch.empty([Math.ceil(total / 16)], { dtype: "uint8", device: "cuda" }));
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(SteppeError);
    expect((caught as SteppeError).code).toBe("OUT_OF_MEMORY");
    for (const each of kept.splice(0)) each.dispose();
    expect(torch.ones([MiB], { device: "cuda" }).sum().item()).toBe(MiB);
  });

  test("that nobody holds is given back before a call fails", () => {
    torch.setMemoryLimits({ bytes: 2 ** 50, count: 2 ** 30 });
    const [, total] = cuda.memGetInfo();
    for (let i = 0; i < 40; i++) torch.empty([Math.ceil(total / 16)], { dtype: "uint8", device: "cuda" });
    torch.setMemoryLimits();
    torch.sweep();
  });

  test("that a step lacks leaves the weights as they are", async () => {
    const net = new nn.Linear(1024, 1024).to("cuda");
    const step = optim.create(net, { method: "sam", base: { name: "sgd", lr: 0.1 } }).compile((x: Tensor) => net.forward(x).pow(2).mean());
    const small = torch.ones([8, 1024], { device: "cuda" });
    await step(small);
    const before = net.weight.detach().clone();
    const [, total] = cuda.memGetInfo();
    const rows = Math.ceil((0.4 * total) / 4096);
    const large = torch.ones([1, 1024], { device: "cuda" }).expand([rows, 1024]); // takes no memory itself
    await expect(step(large)).rejects.toMatchObject({ code: "OUT_OF_MEMORY" });
    expect(torch.equal(net.weight, before)).toBe(true);
    expect((await step(small)).updated).toBe(true);
  });
});
