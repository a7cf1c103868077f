import { evaluateRun, openRun, partOf } from "../experiment/index.js";
import type { Split } from "../experiment/index.js";
import { exitCodes } from "./exit-codes.js";
import { print, short, thousands } from "./options.js";

/** What the commands about a finished run share. */
export interface RunCommand {
  checkpoint?: string;
  split?: Split;
  samples?: number;
  set?: string[];
  json?: true;
}

/**
 * `steppe evaluate RUN`.
 *
 * @returns the exit code
 */
export async function evaluate(folder: string, { checkpoint, split, samples, set = [], json }: RunCommand): Promise<number> {
  const run = await openRun(folder, { ...(checkpoint !== undefined && { checkpoint }), overrides: set });
  const part = split ?? (run.built.data.test === undefined ? "validation" : "test");
  const batches = partOf(run, part, samples ?? null);
  const numbers = await evaluateRun(run, batches);
  if (json === true) print(JSON.stringify({ run: folder, checkpoint: run.checkpoint, step: run.step, split: part, samples: batches.dataset.length, ...numbers }));
  else {
    const found = Object.entries(numbers).map(([name, value]) => `${name} ${short(value)}`);
    print(`${folder} after ${thousands(run.step)} steps, on ${thousands(batches.dataset.length)} ${part} samples: ${found.join("  ")}`);
  }
  return exitCodes.done;
}
