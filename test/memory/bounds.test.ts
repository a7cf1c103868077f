import { describe, expect, test } from "vitest";
import { resultOf } from "../support/child.js";

// Node runs no finalizer inside a synchronous loop, and none of these programs disposes of anything. Each reports its peak
// resident memory; Node and LibTorch alone take about 170 MiB.

const MINUTES = 60_000;

function peakOf(loop: string): Promise<{ peak: number; tensors: number; sweeps: number }> {
  return resultOf(`${loop}
    const { tensors, sweeps } = torch.memory();
    console.log(JSON.stringify({ peak: process.resourceUsage().maxRSS / 1024, tensors, sweeps }));`);
}

describe("a synchronous loop without a scope stays under 600 MiB", () => {
  test("20,000 tensors of 1 MiB", async () => {
    const { peak, sweeps } = await peakOf("for (let i = 0; i < 20_000; i++) torch.full([512, 512], 0.5);");
    expect(peak).toBeLessThan(600);
    expect(sweeps).toBeGreaterThan(10);
  }, 15 * MINUTES);

  test("one million additions of 8×8", async () => {
    const { peak, tensors } = await peakOf("let a = torch.ones([8, 8]); const b = torch.ones([8, 8]); for (let i = 0; i < 1e6; i++) a = a.add(b); if (a.sum().item() !== 64 * (1e6 + 1)) throw 1;");
    expect(peak).toBeLessThan(600);
    expect(tensors).toBeLessThan(10_000);
  }, 5 * MINUTES);

  test("tensors among which every 50th lives on", async () => {
    const { peak } = await peakOf("const kept = []; for (let i = 0; i < 5000; i++) { torch.full([512, 512], 0.5); if (i % 50 === 0) kept.push(torch.ones([2])); }");
    expect(peak).toBeLessThan(600);
  }, 5 * MINUTES);

  test("tensors that live until 20 more were made", async () => {
    const { peak } = await peakOf("const last = []; for (let i = 0; i < 5000; i++) { last.push(torch.full([512, 512], 0.5)); if (last.length > 20) last.shift(); }");
    expect(peak).toBeLessThan(600);
  }, 5 * MINUTES);

  test("graphs of 3 MiB behind single numbers", async () => {
    const { peak } = await peakOf("const w = torch.ones([512, 512], { requiresGrad: true }); for (let i = 0; i < 1500; i++) torch.scope(() => w.exp().exp().exp().sum());");
    expect(peak).toBeLessThan(600);
  }, 5 * MINUTES);
});

test("a scope in a loop needs no sweep", async () => {
  const { sweeps, tensors } = await peakOf("const a = torch.ones([8, 8]); for (let i = 0; i < 50_000; i++) torch.scope(() => { a.add(a).mul(a); });");
  expect([sweeps, tensors]).toEqual([0, 1]);
}, 5 * MINUTES);

test("limits can be set", async () => {
  const program = (limits: string) => `torch.setMemoryLimits(${limits}); let a = torch.ones([8]); let most = 0; for (let i = 0; i < 5000; i++) { a = a.add(a); most = Math.max(most, torch.memory().tensors); } console.log(JSON.stringify(most));`;
  expect(await resultOf<number>(program("{ count: 500 }"))).toBeLessThan(1200);
  expect(await resultOf<number>(program("{ count: 10_000 }"))).toBe(5001);
  expect(await resultOf<number>(program("{ bytes: 32 * 500 }"))).toBeLessThan(1200);
});
