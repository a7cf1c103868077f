import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { resultOf } from "../support/child.js";

// Programs that may take little more address space than they have when they begin, and run out of it.
const hasPrlimit = process.platform === "linux" && spawnSync("prlimit", ["--version"]).error === undefined;

const prelude = `
  const { execFileSync } = await import("node:child_process");
  const { readFileSync } = await import("node:fs");
  const limit = (bytes) => execFileSync("prlimit", ["--pid", String(process.pid), "--as=" + bytes + ":"]);
  const leave = (more) => limit(Number(/VmSize:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024 + more);
  const MiB = 2 ** 20;
  torch.setMemoryLimits({ bytes: 2 ** 50, count: 2 ** 30 }); // no sweep but for want of memory
`;

describe.skipIf(!hasPrlimit)("where memory runs out", () => {
  test("what nobody holds is given back before the call fails", async () => {
    const { sweeps, bytes } = await resultOf<{ sweeps: number; bytes: number }>(`${prelude}
      torch.full([8], 1);
      leave(700 * MiB);
      for (let i = 0; i < 40; i++) torch.full([16 * MiB], i); // 64 MiB each
      console.log(JSON.stringify(torch.memory()));`);
    expect(sweeps).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(700 * 2 ** 20);
  });

  test("what is held stays, the error has its code, and work goes on", async () => {
    const result = await resultOf<{ code: string; kept: number; sum: number }>(`${prelude}
      leave(700 * MiB);
      function fill() {
        const kept = [];
        let code = "none";
        try { for (let i = 0; i < 40; i++) kept.push(torch.ones([16 * MiB])); } catch (error) { code = error.code; }
        return { code, kept: kept.length, first: kept[0].add_(1) };
      }
      const { first, ...found } = fill();
      console.log(JSON.stringify({ ...found, sum: torch.ones([16 * MiB]).add(first).mean().item() }));`);
    expect(result.code).toBe("OUT_OF_MEMORY");
    expect(result.kept).toBeGreaterThan(3);
    expect(result.sum).toBe(3);
  });

  test("a step that does not fit leaves no trace, and fits once there is room", async () => {
    const { code, same, failures } = await resultOf<{ code: string; same: boolean; failures: number }>(`${prelude}
      const nets = [0, 1].map(() => { torch.manualSeed(0); return new nn.Sequential(new nn.Linear(8, 4096), new nn.ReLU(), new nn.Linear(4096, 1)); });
      const steps = nets.map((net) => optim.create(net, { method: "sam", rho: 0.05, base: { name: "adamw", lr: 0.01 } }).compile((x) => net.forward(x).pow(2).mean()));
      const x = torch.randn([8192, 8]); // 128 MiB for each activation
      for (const step of steps) await step(x.narrow(0, 0, 8));
      leave(100 * MiB);
      let code = "none", failures = 0;
      for (const attempt of [() => steps[0](x), () => { steps[0].sync(x); }]) {
        try { await attempt(); } catch (error) { code = error.code; failures++; }
      }
      limit("unlimited");
      const reports = [];
      for (const step of steps) reports.push(await step(x));
      const weights = nets.map((net) => [...net.parameters()].map((w) => Buffer.from(w.toBytes()).toString("base64")).join());
      console.log(JSON.stringify({ code, failures, same: weights[0] === weights[1] && JSON.stringify(reports[0]) === JSON.stringify(reports[1]) }));`);
    expect([code, failures]).toEqual(["OUT_OF_MEMORY", 2]);
    expect(same).toBe(true);
  });

  // So much room that the first of two copies fits, and the second does not.
  test("a closure's weights, and a momentum that does not exist yet, are afterwards as they were", async () => {
    const found = await resultOf<{ closure: unknown; momentum: unknown }>(`${prelude}
      torch.setNumThreads(1);
      const N = 16 * MiB; // elements
      const codes = [];
      const attempt = (body) => { try { body(); codes.push("none"); } catch (error) { codes.push(error.code); } };
      const closure = () => {
        const [a, b, c] = [nn.parameter(torch.tensor([1, 2, 3], { dtype: "float32" })), nn.parameter(torch.ones([N])), torch.ones([N])];
        const optimizer = optim.create([a, b], { method: "sam", rho: 1000, base: { name: "sgd", lr: 0 } });
        leave(170 * MiB);
        attempt(() => optimizer.step(() => a.pow(2).sum().add(b.mul(c).sum())));
        limit("unlimited");
        return [codes.pop(), a.detach().toArray()];
      };
      const momentum = () => {
        const [a, b] = [nn.parameter(torch.zeros([4000])), nn.parameter(torch.zeros([N]))];
        const [x, y] = [torch.zeros([4000]), torch.ones([N])];
        const optimizer = optim.create([a, b], { method: "none", base: { name: "sgd", lr: 1, momentum: 0.9 } });
        const step = optimizer.compile((x, y) => a.mul(x).sum().add(b.mul(y).sum()));
        for (let i = 0; i < 300; i++) torch.full([4000], 12345).dispose(); // what a new buffer would find
        leave(175 * MiB);
        attempt(() => step.sync(x, y));
        limit("unlimited");
        const code = codes.pop();
        const kept = Object.keys(optimizer.stateDict().tensors).length;
        step.sync(x, y);
        return [code, code === "none" ? 0 : kept, a.abs().max().item(), b.max().item()];
      };
      console.log(JSON.stringify({ closure: closure(), momentum: momentum() }));`);
    expect(found).toEqual({ closure: ["OUT_OF_MEMORY", [1, 2, 3]], momentum: ["OUT_OF_MEMORY", 0, 0, -1] });
  });
});
