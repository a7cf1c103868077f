import { describe, expect, test } from "vitest";
import { resultOf, runProgram } from "../support/child.js";

// Several environments in one process: the main thread and worker threads, each with tensors of its own. A crash would end
// the whole process, so every test is one.

const MINUTE = 180_000;

/** In a program: starts a worker that runs an async function's body; `torch`, `nn`, `optim`, `parent` are at hand in it. */
const workers = `
const { Worker } = await import("node:worker_threads");
const { once } = await import("node:events");
function start(body, options = {}) {
  return new Worker(\`(async () => {
    const { parentPort: parent, workerData } = require("node:worker_threads");
    const { torch, nn, optim } = await import(\${JSON.stringify(packageUrl)});
    \${body}
  })()\`, { eval: true, execArgv: [], ...options });
}
const say = (value) => console.log(JSON.stringify(value));
`;

/** In a program or worker: a SAM step on a network whose size decides how long it takes. */
const training = `
function trainer(width = 16, depth = 2) {
  const layers = Array.from({ length: depth }, () => new nn.Linear(width, width));
  const model = new nn.Sequential(...layers);
  layers.forEach((layer, i) => torch.noGrad(() => layer.weight.fill_((1 + 0.1 * i) / width)));
  layers.forEach((layer) => torch.noGrad(() => layer.bias.fill_(0.1)));
  const step = optim.create(model, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 1e-6 } }).compile((x) => model.forward(x).square().mean());
  const x = torch.linspace(-1, 1, 8 * width).reshape([8, width]);
  return { step, x };
}
`;
const asText = (code: string) => code.replace(/[`\\$]/g, "\\$&");

describe("several environments", () => {
  test("a worker may be the first to load the addon, and go", async () => {
    const program = `${workers}
      const sums = [];
      for (let i = 0; i < 2; i++) {
        const worker = start("parent.postMessage(torch.ones([3]).mul(workerData).sum().item());", { workerData: i + 1 });
        const ended = once(worker, "exit");
        sums.push((await once(worker, "message"))[0]);
        await ended;
      }
      const { torch } = await import(packageUrl);
      sums.push(torch.ones([3]).mul(5).sum().item());
      const worker = start("parent.postMessage(torch.ones([3]).mul(7).sum().item());");
      const ended = once(worker, "exit");
      sums.push((await once(worker, "message"))[0], (await ended)[0]);
      say(sums);`;
    expect(await resultOf(program, { load: false })).toEqual([3, 6, 15, 21, 0]);
  }, MINUTE);

  test("train at the same time, with the same results", async () => {
    const body = `${training} const { step, x } = trainer(); const losses = []; for (let i = 0; i < 40; i++) losses.push((await step(x)).loss);`;
    const program = `${workers}${training}
      const threads = [1, 2, 3].map(() => start(\`${asText(body)} parent.postMessage(losses);\`));
      const theirs = threads.map((worker) => once(worker, "message").then(([losses]) => losses));
      const run = new (Object.getPrototypeOf(async () => {}).constructor)("torch", "nn", "optim", \`${asText(body)} return losses;\`);
      const ours = await run(torch, nn, optim);
      const all = await Promise.all(theirs);
      say({ same: all.every((losses) => JSON.stringify(losses) === JSON.stringify(ours)), falling: ours.at(-1) < ours[0], steps: ours.length });`;
    expect(await resultOf(program)).toEqual({ same: true, falling: true, steps: 40 });
  }, 2 * MINUTE);

  test("each counts its own tensors, and sweeps its own", async () => {
    const program = `${workers}
      const mine = torch.ones([4]);
      const worker = start("const kept = [torch.ones([2]), torch.ones([2])]; for (let i = 0; i < 20000; i++) kept[0].add(1); torch.sweep(); const { tensors, sweeps } = torch.memory(); parent.postMessage({ tensors: tensors < 200, sweeps: sweeps > 1, alive: kept.every((t) => t.isAlive) });");
      const ended = once(worker, "exit");
      const [theirs] = await once(worker, "message");
      await ended;
      say([theirs, torch.memory(), mine.toArray()]);`;
    expect(await resultOf(program)).toEqual([{ tensors: true, sweeps: true, alive: true }, { tensors: 1, bytes: 16, sweeps: 0, stepBytes: 0 }, [1, 1, 1, 1]]);
  }, MINUTE);

  test("a tensor of another one is refused", async () => {
    const program = `${workers}
      const mine = torch.ones([2]);
      const worker = start(\`
        parent.on("message", (posted) => {
          const codes = [];
          const { Tensor } = torch;
          for (const use of [() => torch.neg(posted), () => torch.ones([2]).add(posted), () => torch.cat([posted]), () => new Tensor(posted.handle).shape, () => torch.neg(new Tensor(posted.handle))]) {
            try { use(); codes.push("none"); } catch (error) { codes.push(error.code + ": " + error.message.split("\\\\n")[0]); }
          }
          parent.postMessage(codes);
          parent.close();
        });\`);
      worker.postMessage(mine);
      const [codes] = await once(worker, "message");
      say([codes, mine.toArray()]);`;
    const foreign = (name: string) => `FOREIGN: Expected a Tensor of this thread for ${name} but received one of another thread or of another copy of steppe. Tensors cannot be posted: post toTypedArray(), and make a tensor of it there.`;
    const stale = "DISPOSED: The tensor is not alive here: it was disposed, freed at the end of its scope, or belongs to another environment (worker thread).";
    expect(await resultOf(program)).toEqual([[foreign("aten::neg"), foreign("aten::add"), foreign("aten::cat"), stale, stale], [1, 1]]);
  }, MINUTE);

  test("grad mode and scopes are each one's own", async () => {
    const program = `${workers}
      const worker = start("const w = torch.ones([1], { requiresGrad: true }); parent.once('message', () => { parent.postMessage([torch.isGradEnabled(), w.mul(2).requiresGrad, torch.scope(() => w.mul(3)).isAlive]); }); parent.postMessage('ready');");
      await once(worker, "message");
      const reply = once(worker, "message");
      torch.noGrad(() => torch.scope(() => { worker.postMessage("go"); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300); }));
      say((await reply)[0]);`;
    expect(await resultOf(program)).toEqual([true, true, true]);
  }, MINUTE);
});

describe("an environment that ends in mid-step", () => {
  const busy = `${training} const { step, x } = trainer(1024, 12); await step(x);`;
  const endless = `(async () => { for (;;) await step(x); })();`;

  test("a worker that is terminated: the process and its other environments go on", async () => {
    const program = `${workers}${busy}
      for (let i = 0; i < 4; i++) {
        const worker = start(\`${asText(busy)} step(x); step(x); step(x); parent.postMessage("under way");\`);
        await once(worker, "message");
        const [before] = await Promise.all([step(x), worker.terminate()]);
        if (!Number.isFinite(before.loss)) throw before;
      }
      say(Number.isFinite((await step(x)).loss));`;
    expect(await resultOf(program)).toBe(true);
  }, 3 * MINUTE);

  test.each([
    ["a closure", `optim.create([w], { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.1 } }).step(() => { parent.postMessage(1); for (;;); });`],
    ["a closure of the base optimizer", `optim.create([w], { method: "none", base: { name: "sgd", lr: 0.1 } }).step(() => { parent.postMessage(1); for (;;); });`],
    ["a closure of L-BFGS", `optim.create([w], { method: "none", base: { name: "lbfgs", lr: 0.1 } }).step(() => { parent.postMessage(1); for (;;); });`],
    ["closures, one after the other", `const o = optim.create([w], { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.1 } }); parent.postMessage(1); for (;;) o.step(() => w.square().sum());`],
    ["steps that do not wait", `const s = optim.create([w], { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.1 } }).compile((x) => w.mul(x).sum()); parent.postMessage(1); for (;;) s.sync(w.detach());`],
    ["a checkpoint's second run", `let n = 0; nn.checkpoint((t) => { if (n++ > 0) { parent.postMessage(1); for (;;); } return t.mul(w); }, w).sum().backward();`],
    ["a loss function that is recorded", `optim.create([w], { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.1 } }).compile((x) => { parent.postMessage(1); for (;;); }).sync(w.detach());`],
    ["tensors whose owners are looked for", `let young = [], kept = []; parent.postMessage(1); for (let i = 0; ; i++) { const t = torch.ones([4]); young.push([i]); if (young.length > 200000) young = []; if (i % 500 >= 400) kept.push(t); if (kept.length > 800) kept = []; }`],
    ["calls that are refused", `parent.postMessage(1); for (;;) try { torch.ones([2]).add(torch.ones([3])); } catch {}`],
  ])("a worker that is terminated in %s", async (_, body) => {
    const program = `${workers}
      for (let i = 0; i < 4; i++) {
        const worker = start(\`const w = torch.ones([64], { requiresGrad: true }); ${asText(body)}\`);
        await once(worker, "message");
        await new Promise((done) => setTimeout(done, 10 + 7 * i));
        await worker.terminate();
      }
      say(torch.ones([2]).add(1).sum().item());`;
    expect(await resultOf(program)).toBe(4);
  }, MINUTE);

  test("a worker that ends while V8 collects garbage for it", async () => {
    const program = `${workers}
      for (let i = 0; i < 3; i++) {
        const worker = start(\`
          const real = (require("node:v8").setFlagsFromString("--expose-gc"), require("node:vm").runInNewContext("gc"));
          torch.setMemoryLimits({ bytes: 2 ** 30, count: 1000 });
          let calls = 0;
          globalThis.gc = (options) => { real(options); if (++calls >= 3) process.exit(0); };
          const kept = [];
          for (let n = 0; ; n++) { const t = torch.ones([4]); if (n % 500 >= 400) kept.push(t); }\`);
        await once(worker, "exit");
      }
      say(torch.ones([2]).add(1).sum().item());`;
    expect(await resultOf(program)).toBe(4);
  }, MINUTE);

  test("a worker that exits, throws, or leaves a step behind", async () => {
    const program = `${workers}
      const ends = [];
      for (const end of ["process.exit(3);", "setImmediate(() => { throw new RangeError('no'); });", "Promise.reject(new RangeError('no'));", ""]) {
        const worker = start(\`${asText(busy)} step(x); step(x); \${end}\`);
        worker.on("error", (error) => ends.push(error.name));
        ends.push(await new Promise((done) => worker.on("exit", done)));
      }
      say([ends.filter((end) => end !== undefined), torch.ones([2]).sum().item()]);`;
    const [ends, sum] = await resultOf<[unknown[], number]>(program);
    expect(sum).toBe(2);
    expect(ends.filter((end) => end === "RangeError")).toHaveLength(2);
    expect(ends).toContain(3);
  }, 3 * MINUTE);

  test("process.exit", async () => {
    const { code, signal, stderr } = await runProgram(`${busy} ${endless} setTimeout(() => process.exit(7), 30);`);
    expect([code, signal, stderr]).toEqual([7, null, ""]);
  }, MINUTE);

  test("process.exit inside a loss function and inside a closure", async () => {
    for (const place of [
      "optim.create([w], { method: 'sam', rho: 0.1, base: { name: 'sgd', lr: 0.1 } }).step(() => { w.mul(2); process.exit(5); });",
      "optim.create([w], { method: 'sam', rho: 0.1, base: { name: 'sgd', lr: 0.1 } }).compile((x) => { w.mul(x); process.exit(5); }).sync(torch.ones([1]));",
      "torch.scope(() => { w.mul(2); process.exit(5); });",
    ]) {
      const { code, signal, stderr } = await runProgram(`const w = torch.ones([1], { requiresGrad: true }); ${place}`);
      expect([code, signal, stderr]).toEqual([5, null, ""]);
    }
  }, MINUTE);

  test("an uncaught exception", async () => {
    const { code, signal, stderr } = await runProgram(`${busy} ${endless} setTimeout(() => { throw new RangeError("out of the blue"); }, 30);`);
    expect([code, signal]).toEqual([1, null]);
    expect(stderr).toContain("RangeError: out of the blue");
  }, MINUTE);

  test.each(["SIGINT", "SIGTERM"] as const)("%s", async (name) => {
    const { signal } = await runProgram(`${busy} ${endless} setTimeout(() => process.kill(process.pid, "${name}"), 30);`);
    expect(signal).toBe(name);
  }, MINUTE);
});

describe("the event loop", () => {
  test("ends by itself after the last step, and waits for one that is under way", async () => {
    const { code, stdout, stderr } = await runProgram(`${training} const { step, x } = trainer(512, 8); step(x); step(x).then(({ loss }) => console.log(Number.isFinite(loss)));`);
    expect([code, stdout, stderr]).toEqual([0, "true\n", ""]);
  }, MINUTE);

  test("turns while a step runs on its own thread", async () => {
    const program = `${training}
      const { readFileSync, readdirSync } = await import("node:fs");
      const { step, x } = trainer(768, 10);
      await step(x);
      let turns = 0, steps = 0;
      const timer = setInterval(() => turns++, 1);
      const between = [];
      while (steps < 20) { const before = turns; await step(x); steps++; between.push(turns - before); }
      clearInterval(timer);
      console.log(JSON.stringify({ turnsDuringSteps: between.filter((n) => n > 0).length }));`;
    const { turnsDuringSteps } = await resultOf<{ turnsDuringSteps: number }>(program);
    expect(turnsDuringSteps).toBeGreaterThan(0);
  }, MINUTE);
});
