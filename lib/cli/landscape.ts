import { join } from "node:path";
import { openRun, partOf } from "../experiment/index.js";
import * as flatness from "../flatness/index.js";
import { writeWhole } from "../io/whole-file.js";
import type { Tensor } from "../tensor.js";
import type { RunCommand } from "./evaluate.js";
import { exitCodes } from "./exit-codes.js";
import { print, short, thousands } from "./options.js";
import { setName } from "./sharpness.js";

export interface LandscapeCommand extends RunCommand {
  dimensions: 1 | 2;
  range: number;
  points: number;
  normalization: "filter" | "none";
  seed: number;
  to?: string;
}

/**
 * `steppe landscape RUN`: along random directions, or with `to` along the line to another run's weights. Writes JSON, where reports
 * find it, and CSV.
 *
 * @returns the exit code
 */
export async function landscape(folder: string, command: LandscapeCommand): Promise<number> {
  const { dimensions, range, points, normalization, seed, to, split = "train", samples = 2000, checkpoint, set = [], json = false } = command;
  const opened = { ...(checkpoint !== undefined && { checkpoint }), overrides: set, loaded: new Map() };
  const run = await openRun(folder, opened);
  const part = partOf(run, split, samples);
  const batches = part as unknown as Iterable<Tensor[]>;
  const where = setName(split, part.dataset.length, partOf(run, split).dataset.length);
  const about = { set: where, step: run.step };
  const { model } = run.built;
  let measure: "landscape" | "interpolate" = "landscape";
  let result: { coordinates: number[]; loss: number[] | number[][] };
  if (to === undefined) {
    const options = { dimensions, range: [-range, range] as const, points, normalization, seed };
    result = await flatness.landscape(model, run.meanLoss, batches, options);
    flatness.save(folder, "landscape", result, { ...about, options, name: `landscape-${dimensions}d` });
  } else {
    measure = "interpolate";
    const other = await openRun(to, opened);
    const line = await flatness.interpolate(model, run.meanLoss, batches, { to: other.built.model.stateDict(), points });
    flatness.save(folder, "interpolate", line, { ...about, options: { points, other: to } });
    result = line;
  }
  const name = to === undefined ? `landscape-${dimensions}d` : measure;
  const csv = join(folder, "flatness", `${name}.csv`);
  writeWhole(csv, [Buffer.from(csvOf(result))]);
  if (json) print(JSON.stringify({ run: folder, checkpoint: run.checkpoint, ...about, ...result }));
  else {
    const losses = result.loss.flat();
    const finite = losses.filter(Number.isFinite);
    const others = finite.length < losses.length ? `, ${losses.length - finite.length} not finite` : "";
    const range = `losses from ${short(Math.min(...finite))} to ${short(Math.max(...finite))}${others}`;
    print(`${folder} after ${thousands(run.step)} steps, on ${where}: ${thousands(losses.length)} points, ${range}`);
    print(`Saved as ${csv.replace(/csv$/, "json")} and ${csv}`);
  }
  return exitCodes.done;
}

/** A line for each point: its coordinates and its loss. */
function csvOf({ coordinates, loss }: { coordinates: number[]; loss: number[] | number[][] }): string {
  const rows = coordinates.flatMap((a, i) => {
    const row = loss[i]!;
    return typeof row === "number" ? [`${a},${row}`] : coordinates.map((b, j) => `${a},${b},${row[j]!}`);
  });
  return `${typeof loss[0] === "number" ? "a,loss" : "a,b,loss"}\n${rows.join("\n")}\n`;
}
