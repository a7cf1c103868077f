import { cpus, totalmem } from "node:os";
import { version } from "node:process";
import { methodContenders, steppeContenders } from "./cases.js";
import { lowest, ratioByRounds } from "./measure.js";

/** @typedef {{ title: string, header: string[], rows: string[][], notes: string[] }} Table */

/**
 * What is read and written of each parameter's element, in numbers of 4 bytes. Weights are not restored: they were never changed.
 * The passes of this step write their gradients, and do nothing else.
 */
const moved = { "gradients of two passes": 2, "their norms": 2, "w + ε": 3, "SGD with momentum": 5 };
const bytesPerElement = 4 * Object.values(moved).reduce((sum, count) => sum + count, 0);

const none = "–";
const milliseconds = (ms) => (ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms >= 1 ? ms.toFixed(2) : ms.toFixed(3));
const ratio = (value) => value.toFixed(2);
const verdict = (value, goal) => goal === undefined ? none : `≤ ${goal.toFixed(2)} ${Number(ratio(value)) <= goal ? "yes" : "no"}`;

/** The machine and the versions, in a line or two. */
export function facts({ torch, rounds, roundMs, device = "cpu", precision = "float32" }) {
  return (
    `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown processor"}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Node ${version}; PyTorch ${torch ?? "not found"}${device === "cpu" ? "" : `; on ${device}`}${precision === "float32" ? "" : `; in ${precision}`}.\n` +
    `Times are milliseconds per step: the median of a round's steps (${roundMs} ms of them), and of ${rounds} rounds the lowest. Ratios are medians of those within a round.`
  );
}

/** @returns {Table | null} */
export function addTable(timings) {
  if (timings === null) return null;
  const [ours, theirs] = timings;
  const cells = [ours, theirs].map((one) => (one === undefined ? none : `${(lowest(one) * 1000).toFixed(2)} µs`));
  return {
    title: "Eager call",
    header: ["a.add(b), 8×8", "Steppe", "PyTorch from Python", "ratio"],
    rows: [["one call", ...cells, theirs === undefined ? none : ratio(ratioByRounds(ours, theirs))]],
    notes: [],
  };
}

/** Notes of contenders that the engine's own table has not. */
const ofPytorchTable = /^(textbook|foreach|compiled|graphs|captured):/;

/** @returns {Table | null} */
export function pytorchTable(results) {
  const rows = [];
  const notes = new Set();
  const captures = results.some(({ timings }) => timings.some(({ name }) => name === "captured"));
  const contenders = ["textbook", "foreach", "compiled", ...(results.some(({ timings }) => timings.some(({ name }) => name === "graphs")) ? ["graphs"] : [])];
  for (const { case: each, threads, timings, notes: found } of results) {
    const timing = (name) => timings.find((one) => one.name === name);
    const ours = ["sam", "captured"].map(timing).filter((one) => one !== undefined);
    const theirs = contenders.map(timing).filter((one) => one !== undefined);
    if (ours.length === 0 || theirs.length === 0) continue;
    const value = Math.min(...ours.map((one) => Math.max(...theirs.map((other) => ratioByRounds(one, other)))));
    for (const note of found) if (ofPytorchTable.test(note) || note.startsWith("sam:")) notes.add(`${each.title}: ${note}`);
    const cells = ["sam", ...(captures ? ["captured"] : []), ...contenders].map(timing).map((one) => (one === undefined ? none : milliseconds(lowest(one))));
    rows.push([each.title, String(threads), ...cells, ratio(value), verdict(value, each.goal)]);
  }
  if (rows.length === 0) return null;
  return {
    title: "A SAM step beside PyTorch's",
    header: ["net", "threads", "Steppe", ...(captures ? ["Steppe, in a graph"] : []), "textbook", "foreach", "torch.compile", ...(contenders.length > 3 ? ["reduce-overhead"] : []), "ratio to the best", "goal"],
    rows,
    notes: [...notes],
  };
}

/** The engine's ratios to itself, each with its goal. */
const engineRatios = [
  { title: "SAM / two passes", over: "sam", under: "passes", goal: 1.05 },
  { title: "¼-ascent SAM / base", over: "quarter", under: "base", goal: 1.3 },
  { title: "Momentum-SAM / base", over: "momentum", under: "base", goal: 1.08 },
  { title: "async SAM / base", over: "async", under: "base", goal: 1.08 },
  { title: "mSAM, 4 shards / SAM", over: "msam", under: "sam", goal: 1 },
];

/** @returns {Table | null} */
export function engineTable(results) {
  const rows = [];
  const notes = new Set();
  for (const { case: each, threads, timings, notes: found } of results) {
    const time = (name) => timings.find((one) => one.side === "steppe" && one.name === name);
    const cells = engineRatios.map(({ over, under, goal }) => {
      const [a, b] = [time(over), time(under)];
      if (a === undefined || b === undefined) return none;
      const value = ratioByRounds(a, b);
      return each.large === true ? `${ratio(value)} (${verdict(value, goal)})` : ratio(value);
    });
    if (cells.every((cell) => cell === none)) continue;
    for (const note of found) if (!ofPytorchTable.test(note)) notes.add(note);
    rows.push([each.title, String(threads), ...cells]);
  }
  if (rows.length === 0) return null;
  return { title: "The engine beside itself", header: ["net", "threads", ...engineRatios.map(({ title }) => title)], rows, notes: [...notes] };
}

/** What methods cost beside their bare passes: a row for each, a column for each net and number of threads. @returns {Table | null} */
export function methodsTable(results) {
  if (results.length === 0) return null;
  const notes = results.flatMap(({ notes }) => notes);
  const rows = Object.entries(methodContenders).map(([name, { count }]) => {
    const cells = results.map(({ timings }) => {
      const [step, passes] = [name, "passes"].map((wanted) => timings.find((one) => one.name === wanted));
      return step === undefined || passes === undefined ? none : ratio((ratioByRounds(step, passes) * steppeContenders.passes.passes) / count);
    });
    return [`\`${name.replace(/,.*/, "")}\`${name.replace(/^[^,]*/, "")}`, String(count), ...cells];
  });
  return { title: "A method's step beside as many bare passes", header: ["method", "passes", ...results.map(({ case: each, threads }) => `${each.id}, ${threads} ${threads === 1 ? "thread" : "threads"}`)], rows, notes };
}

/** @returns {Table | null} */
export function bandwidthTable(found, { device }) {
  if (found.length === 0) return null;
  const graph = device === "cpu" ? "without waits" : "in a graph";
  return {
    title: "Norms, perturbation and update beside the memory's speed",
    header: ["parameters of", "millions", "MB moved", "GB/s of a copy", "floor", "Steppe", `Steppe, ${graph}`, "over the floor", "goal"],
    rows: found.map(({ title, parameters, speed, calls, graph }) => {
      const bytes = bytesPerElement * parameters;
      const floor = (bytes / speed) * 1000;
      const value = Math.min(calls, graph ?? Infinity) / floor;
      return [title, (parameters / 1e6).toFixed(2), (bytes / 1e6).toFixed(1), (speed / 1e9).toFixed(0), ...[floor, calls, graph].map((ms) => (ms === undefined ? none : milliseconds(ms))), ratio(value), verdict(value, device === "cpu" ? undefined : 1.1)];
    }),
    notes: [`Bytes counted: ${Object.entries(moved).map(([what, count]) => `${what} ${count}`).join(", ")} times 4 for each parameter. The passes do nothing but write gradients.`],
  };
}

/** @returns {Table | null} */
export function memoryTable(memory) {
  if (memory === null) return null;
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  return {
    title: "Peak memory of the process, and of the tensors of a step",
    header: ["net", "parameters", "base step", "SAM step", "more, in copies", "base's tensors", "SAM's tensors", "more, in copies"],
    rows: memory.map(({ title, parameterBytes, base, sam }) => [
      title,
      ...[parameterBytes, base.peak, sam.peak].map(megabytes),
      ratio((sam.peak - base.peak) / parameterBytes),
      ...[base.stepBytes, sam.stepBytes].map(megabytes),
      ratio((sam.stepBytes - base.stepBytes) / parameterBytes),
    ]),
    notes: [],
  };
}

/** @param {Table} table */
export function toText({ title, header, rows, notes }) {
  const widths = header.map((text, column) => Math.max(text.length, ...rows.map((row) => row[column].length)));
  const line = (cells) => cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ");
  return [title, line(header), widths.map((width) => "─".repeat(width)).join("  "), ...rows.map(line), ...notes].join("\n");
}

/** @param {Table} table */
export function toMarkdown({ title, header, rows, notes }) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const rule = header.map((_, i) => (i === 0 ? "---" : "---:"));
  return [`### ${title}`, "", line(header), line(rule), ...rows.map(line), ...(notes.length > 0 ? ["", ...notes.map((note) => `- ${note}`)] : [])].join("\n");
}
