#!/usr/bin/env node
// How late a 1 ms timer of the main thread is, without training and while compiled steps run as promises.
//   node bench/timer.js --seconds 20 --threads 1
//
// A timer is late for three reasons: this thread works, it waits for a lock, or it is ready and the system runs something
// else. Linux tells how long it worked (the last column) and how long it was ready (the last column but one is without).
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { optim, torch } from "../dist/index.js";
import { cases, settings } from "./cases.js";
import { positive } from "./options.js";
import { facts, toMarkdown, toText } from "./report.js";
import { lossOf, nets } from "./nets.js";

const PERIOD = 1;
const GOAL = 20;

const { seconds, threads, markdown } = new Command("node bench/timer.js")
  .option("--seconds <n>", "how long each row is measured", positive, 20)
  .option("--threads <n>", "threads of LibTorch's kernels", positive, 1)
  .option("--markdown", "prints a Markdown table")
  .parse()
  .opts();

/** Milliseconds that this thread has run, and that it was ready to run and did not; null where the system does not tell. */
function schedule() {
  try {
    return readFileSync("/proc/thread-self/schedstat", "latin1").split(" ").slice(0, 2).map((ns) => Number(ns) / 1e6);
  } catch {
    return null;
  }
}

/** Sets one timer after another until the work is done. All times in milliseconds, one per timer; `own` is without the queue. */
async function watch(work) {
  const found = { late: [], own: [], busy: [] };
  let running = true;
  const timers = new Promise((resolve) => {
    const next = () => {
      const before = schedule();
      const start = performance.now();
      setTimeout(() => {
        const lateness = performance.now() - start - PERIOD;
        const after = schedule();
        const [ran, queued] = before === null || after === null ? [NaN, 0] : [after[0] - before[0], after[1] - before[1]];
        found.late.push(Math.max(0, lateness));
        found.own.push(Math.max(0, lateness - queued));
        found.busy.push(ran);
        if (running) next();
        else resolve();
      }, PERIOD);
    };
    next();
  });
  const steps = await work();
  running = false;
  await timers;
  return { steps, ...found };
}

async function idle() {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return 0;
}

/** SAM steps one after the other, each awaited. The first, which records, is measured apart: it runs the loss in JavaScript. */
function trainer(id) {
  const { net, sizes, data } = cases.find((each) => each.id === id);
  const model = new nets[net](sizes);
  const { rho, ...base } = settings;
  const step = optim.create(model, { method: "sam", rho, base: { name: "sgd", ...base } }).compile(lossOf(model));
  const [x, y] = [torch.randn(data.shape), torch.randint(0, data.classes, [data.shape[0]])];
  return {
    first: async () => {
      await step(x, y);
      return 1;
    },
    many: async () => {
      const end = performance.now() + seconds * 1000;
      let steps = 0;
      for (; performance.now() < end; steps++) await step(x, y);
      return steps;
    },
  };
}

const quantile = (values, q) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))];
const ms = (value) => value.toFixed(2);

torch.setNumThreads(threads);
torch.manualSeed(0);
await watch(() => new Promise((resolve) => setTimeout(resolve, 200))); // warms up what measures
const rows = [];
const add = async (title, work) => {
  const { steps, late, own, busy } = await watch(work);
  const figures = [quantile(late, 0.5), quantile(late, 0.99), Math.max(...late), Math.max(...own), Math.max(...busy)];
  rows.push([title, String(steps), String(late.length), ...figures.map(ms)]);
};
await add("nothing", idle);
for (const id of ["mlp-2", "mlp-20", "convnet"]) {
  const { title } = cases.find((each) => each.id === id);
  const { first, many } = trainer(id);
  await add(`${title}: the first step`, first);
  await add(title, many);
  await add("nothing", idle);
}

const table = {
  title: `Lateness of a 1 ms timer in milliseconds; the goal is less than ${GOAL} because of training`,
  header: ["while there runs", "steps", "timers", "median", "99 %", "worst", "worst, less the queue", "longest work"],
  rows,
  notes: [],
};
const machine = facts({ torch: torch.libtorch.version, rounds: 1, roundMs: seconds * 1000 }).split("\n")[0].replace("PyTorch", "LibTorch");
console.log(`\n${machine}\n\n${(markdown === true ? toMarkdown : toText)(table)}`);
