import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { data } from "../dist/index.js";
import { settings } from "./cases.js";
import { median } from "../dist/statistics.js";
import { Side } from "./side.js";

const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const batchSize = 128;
/** As in the main job: its step is what a loader has to keep up with. */
const net = { channels: 1, size: 28, width: 16, classes: 10 };
/** Where Fashion-MNIST is not: noise, as many images. */
const count = 60_000;

/** Ways to get batches; `batches` are measured at a time. */
const raw = [
  { kind: "rows", side: "steppe", name: "prefetch 2", batches: 300, how: { prefetch: 2 } },
  { kind: "rows", side: "steppe", name: "prefetch 0", batches: 300, how: { prefetch: 0 } },
  { kind: "rows", side: "pytorch", name: "DataLoader", batches: 60, how: { workers: 0, batched: false } },
  { kind: "rows", side: "pytorch", name: "DataLoader, 2 workers", batches: 60, how: { workers: 2, batched: false } },
  { kind: "rows", side: "pytorch", name: "DataLoader, batches at once", batches: 300, how: { workers: 0, batched: true } },
  { kind: "transforms", side: "steppe", name: "prefetch 2", batches: 200, how: { prefetch: 2 } },
  { kind: "transforms", side: "steppe", name: "prefetch 0", batches: 200, how: { prefetch: 0 } },
  { kind: "transforms", side: "pytorch", name: "DataLoader", batches: 20, how: { workers: 0, batched: false } },
  { kind: "transforms", side: "pytorch", name: "DataLoader, 2 workers", batches: 20, how: { workers: 2, batched: false } },
];

const training = [
  { side: "steppe", name: "prefetch 2", how: { prefetch: 2 } },
  { side: "steppe", name: "prefetch 0", how: { prefetch: 0 } },
  { side: "pytorch", name: "DataLoader", how: { workers: 0, batched: false } },
  { side: "pytorch", name: "DataLoader, 2 workers", how: { workers: 2, batched: false } },
];

/**
 * Batches of Fashion-MNIST, alone and under training with SAM. In each round every way has its turn; what is compared are
 * ratios within a round, so that what else the machine does hits both.
 *
 * @param {{ rounds: number, python: string | null, steps?: number }} options
 */
export async function measureLoader({ rounds, python, steps = 20 }) {
  const threads = availableParallelism();
  const folder = data.fashionMnistFolder() ?? null;
  const { rho, ...base } = settings;
  const sides = { steppe: new Side(process.execPath, [file("loader-side.js")]), ...(python === null ? {} : { pytorch: new Side(python, [file("loader_side.py")]) }) };
  const here = ({ side }) => side in sides;
  try {
    await sides.steppe.ask("load", { threads, folder, net, count, options: { method: "sam", rho, base: { name: "sgd", ...base } } });
    await sides.pytorch?.ask("load", { threads, folder, net, count, settings });
    const notes = [];
    const run = async (contender, command, request) => {
      if (contender.failed === true) return;
      try {
        const answer = await sides[contender.side].ask(command, { batchSize, ...request });
        (contender.rounds ??= []).push(answer);
      } catch (error) {
        contender.failed = true;
        notes.push(`${contender.name}: ${error.message.split("\n")[0]}`);
      }
    };
    const [loading, stepping] = [raw, training].map((list) => list.filter(here).map((each) => ({ ...each })));
    const fixed = { side: "steppe", name: "one batch" };
    for (let round = -1; round < rounds; round++) {
      if (round === 0) for (const each of [...loading, ...stepping, fixed]) each.rounds = []; // the first one was the warm-up
      for (const each of loading) await run(each, "raw", { kind: each.kind, batches: each.batches, ...each.how });
      for (const each of stepping) await run(each, "training", { kind: "transforms", steps, ...each.how });
      await run(fixed, "fixed", { steps });
    }
    return { threads, real: folder !== null, loading: loading.filter(done), training: stepping.filter(done), fixed, notes };
  } finally {
    await Promise.all(Object.values(sides).map((side) => side.end()));
  }
}

const done = ({ failed, rounds }) => failed !== true && rounds.length > 0;

const none = "–";
const perRound = (rounds, of) => median(rounds.map(of));

/** The median of the rounds' ratios. */
const paired = (over, under) => perRound(over.rounds, ({ time }, i) => time / under.rounds[i].time);

/** @returns {import("./report.js").Table[]} */
export function loaderTables(result) {
  if (result === null) return [];
  const what = `${result.real ? "Fashion-MNIST" : "noise of Fashion-MNIST's shape"}, batches of ${batchSize}`;
  const titles = { rows: "rows alone", transforms: "crop, flip, normalize" };
  const rows = result.loading.map((each) => {
    const theirs = result.loading.filter(({ side, kind }) => side === "pytorch" && kind === each.kind);
    const time = perRound(each.rounds, (round) => round.time);
    const faster = each.side === "steppe" && theirs.length > 0 ? Math.min(...theirs.map((other) => paired(other, each))).toFixed(1) : none;
    return [`${titles[each.kind]}: ${each.side === "steppe" ? "Steppe" : "PyTorch"}, ${each.name}`, time.toFixed(3), ((batchSize / time) * 1000).toFixed(0), faster];
  });
  const steps = result.training.map((each) => {
    const share = perRound(each.rounds, ({ waited, time }) => waited / time);
    const goal = each.name === "prefetch 2" ? (share < 0.03 ? "< 3 % yes" : "< 3 % no") : none;
    return [
      `${each.side === "steppe" ? "Steppe" : "PyTorch"}, ${each.name}`,
      perRound(each.rounds, ({ time }) => time).toFixed(2),
      `${(100 * share).toFixed(2)} %`,
      goal,
      each.side === "steppe" ? paired(each, result.fixed).toFixed(3) : none,
    ];
  });
  return [
    { title: `Batches of a loader (${what}; ${result.threads} threads)`, header: ["batches", "ms per batch", "images per second", "times as fast as PyTorch's fastest"], rows, notes: ["Medians of the rounds; ratios are taken within each round, and their median is given.", ...result.notes] },
    { title: "A SAM step of the convnet on batches as they come, with crop, flip, normalize", header: ["loader", "ms per step", "waiting for the loader", "goal", "time over that of steps on one batch"], rows: steps, notes: [] },
  ];
}
