import { describe, expect, test } from "vitest";
import { resultOf, runProgram } from "../support/child.js";

// The loading thread when its environment ends while batches are on their way, and beside the threads of steps. A crash would
// end the whole process, so every test is one.

const MINUTE = 180_000;

/** In a program or worker, where `torch` and `data` are at hand: a loader whose batches take a while. */
const slow = `
  const set = new data.TensorDataset(torch.rand([512, 3, 64, 64]), torch.zeros([512], { dtype: "int64" }));
  const transform = data.transforms.compose(data.transforms.randAugment({ numOps: 4 }), data.transforms.resize(160));
  const batches = data.loader(set, { batchSize: 64, prefetch: 4, transform })[Symbol.asyncIterator]();
  const first = await batches.next();
`;

describe("ends while batches are on their way", () => {
  test("process.exit", async () => {
    const ended = await runProgram(`const { data } = steppe; ${slow} console.log(first.value[0].shape.join()); process.exit(7);`);
    expect(ended).toMatchObject({ code: 7, signal: null, stdout: "64,3,160,160\n" });
  }, MINUTE);

  test("an iterator that is let go of does not keep the process", async () => {
    const ended = await runProgram(`const { data } = steppe; ${slow} console.log("end");`);
    expect(ended).toMatchObject({ code: 0, signal: null, stdout: "end\n" });
  }, MINUTE);

  test("a worker that ends by itself, and one that is terminated", async () => {
    const program = `
      const { Worker } = await import("node:worker_threads");
      const { once } = await import("node:events");
      const body = (last) => \`(async () => {
        const { parentPort: parent } = require("node:worker_threads");
        const { torch, data } = await import(\${JSON.stringify(packageUrl)});
        ${slow.replace(/[`\\$]/g, "\\$&")}
        parent.postMessage(first.value[0].shape[0]);
        \${last}
      })()\`;
      const shapes = [];
      for (const last of ["", "for await (const batch of batches);"]) {
        const worker = new Worker(body(last), { eval: true, execArgv: [] });
        shapes.push((await once(worker, "message"))[0]);
        if (last !== "") await worker.terminate();
        else await once(worker, "exit");
      }
      // Here everything works on.
      const { data } = steppe; ${slow}
      console.log(JSON.stringify([...shapes, first.value[0].shape[0]]));
      process.exit(0);`;
    expect(await resultOf(program)).toEqual([64, 64, 64]);
  }, MINUTE);
});

test.runIf(process.platform === "linux")("the loading thread has no kernel threads, and other threads keep their number", async () => {
  const program = `
    const { data } = steppe;
    const { readdirSync, readFileSync } = await import("node:fs");
    const threads = () => readdirSync("/proc/self/task").length;
    torch.setNumThreads(1);
    const set = new data.TensorDataset(torch.rand([256, 3, 64, 64]), torch.zeros([256], { dtype: "int64" }));
    const before = threads();
    torch.setNumThreads(3); // of this thread and of those to come; none runs a kernel here
    for await (const [x] of data.loader(set, { batchSize: 64, transform: data.transforms.normalize([0, 0, 0], [1, 1, 1]) })) x.dispose();
    const started = threads() - before;
    const { Worker } = await import("node:worker_threads");
    const { once } = await import("node:events");
    const worker = new Worker(\`import(\${JSON.stringify(packageUrl)}).then(({ torch }) => require("node:worker_threads").parentPort.postMessage(torch.getNumThreads()))\`, { eval: true, execArgv: [] });
    const [later] = await once(worker, "message");
    console.log(JSON.stringify({ started, here: torch.getNumThreads(), later }));`;
  expect(await resultOf(program)).toEqual({ started: 1, here: 3, later: 3 });
}, MINUTE);
