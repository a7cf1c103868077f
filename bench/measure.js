import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "../dist/statistics.js";
import { methodContenders, pytorchContenders, settings, steppeContenders } from "./cases.js";
import { Side } from "./side.js";

const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const startSteppe = () => new Side(process.execPath, [file("steppe-side.js")]);
const startPyTorch = (python) => new Side(python, [file("pytorch_side.py")]);

/** Steps whose losses both sides must agree on. They are the warm-up, too. */
const COMPARED_STEPS = 5;
/** Compiled kernels sum in another order, and the differences grow from step to step. */
const TOLERANCE = { float32: 2e-3, tf32: 1e-2, bfloat16: 3e-2 };
/** Worker threads that spin after their last kernel would disturb the other side. */
const PAUSE_MS = 20;

const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

/**
 * What was found about one contender: `rounds` holds the median time of a step in each round, in milliseconds.
 *
 * @typedef {{ side: "steppe" | "pytorch", name: string, rounds: number[] }} Timing
 */

/** Noise only ever adds time: the quietest round's median. */
export const lowest = ({ rounds }) => Math.min(...rounds);

/** How many times as long one takes as the other: the median of the rounds' ratios, since what slows a machine for seconds slows both sides of a round. */
export const ratioByRounds = (over, under) => median(over.rounds.map((time, i) => time / under.rounds[i]));

/**
 * Measures one case at one number of threads. In each round every contender takes its steps in turn, so that what else the
 * machine does hits all alike.
 *
 * @param {import("./cases.js").Case} each
 * @param {{ threads: number, rounds: number, roundMs: number, python: string | null, contenders?: string[], device?: string, precision?: keyof typeof TOLERANCE }} options
 * @returns {Promise<{ timings: Timing[], notes: string[], parameters: number }>}
 */
export async function measureCase(each, { threads, rounds, roundMs, python, contenders, device = "cpu", precision = "float32" }) {
  const folder = mkdtempSync(join(tmpdir(), "steppe-bench-"));
  const steppe = startSteppe();
  const pytorch = python === null ? null : startPyTorch(python);
  const notes = [];
  const wanted = (name) => contenders === undefined || contenders.includes(name);
  try {
    const common = { case: each, threads, folder, device, precision };
    const ours = Object.keys(steppeContenders).filter((name) => wanted(name) && (steppeContenders[name].only?.(each, device) ?? true));
    for (const name of Object.keys(methodContenders)) if (contenders?.includes(name) === true && !ours.includes(name)) ours.push(name);
    const theirs = pytorchContenders.filter((name) => wanted(name) && (name !== "graphs" || device !== "cpu"));
    const { refused, parameters } = await steppe.ask("load", { ...common, contenders: ours });
    await pytorch?.ask("load", { ...common, contenders: theirs, settings });
    for (const [name, why] of Object.entries(refused)) notes.push(`${name}: ${why}`);
    const all = [
      ...ours.filter((name) => !(name in refused)).map((name) => ({ side: "steppe", name, process: steppe })),
      ...(pytorch === null ? [] : theirs.map((name) => ({ side: "pytorch", name, process: pytorch }))),
    ];
    const running = [];
    const firstLosses = {};
    for (const contender of all) {
      try {
        const { losses } = await contender.process.ask("steps", { contender: contender.name, count: COMPARED_STEPS });
        firstLosses[contender.name] = losses;
        const { times } = await contender.process.ask("steps", { contender: contender.name, count: 3 });
        running.push({ ...contender, count: Math.min(2000, Math.max(3, Math.round(roundMs / median(times)))), rounds: [] });
      } catch (error) {
        notes.push(`${contender.name}: ${error.message.split("\n")[0]}`);
      }
    }
    compareLosses(firstLosses, TOLERANCE[precision]);
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < running.length; i++) {
        const contender = running[(i + round) % running.length];
        await pause();
        const { times } = await contender.process.ask("steps", { contender: contender.name, count: contender.count });
        contender.rounds.push(median(times));
      }
    }
    return { timings: running.map(({ side, name, rounds: found }) => ({ side, name, rounds: found })), notes, parameters };
  } finally {
    await Promise.all([steppe.end(), pytorch?.end()]);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** All SAM contenders must have done the same work. */
function compareLosses({ sam, ...others }, tolerance) {
  if (sam === undefined) return;
  for (const name of pytorchContenders) {
    others[name]?.forEach((loss, i) => {
      if (Math.abs(loss - sam[i]) <= tolerance * Math.abs(loss)) return;
      throw new Error(`The losses of Steppe and PyTorch (${name}) differ after ${i} steps: ${sam[i]} and ${loss}. They did not do the same work.`);
    });
  }
}

/**
 * The eager `add` of two 8×8 matrices.
 *
 * @param {{ rounds: number, python: string | null }} options
 * @returns {Promise<Timing[]>}
 */
export async function measureAdd({ rounds, python }) {
  const sides = [{ side: "steppe", name: "add", process: startSteppe(), rounds: [] }];
  if (python !== null) sides.push({ side: "pytorch", name: "add", process: startPyTorch(python), rounds: [] });
  try {
    for (let round = -1; round < rounds; round++) {
      for (const side of sides) {
        const { times } = await side.process.ask("add", { count: 5000, threads: 1 });
        if (round >= 0) side.rounds.push(median(times)); // the first is the warm-up
      }
    }
    return sides;
  } finally {
    await Promise.all(sides.map((side) => side.process.end()));
  }
}
