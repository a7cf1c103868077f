import { openRun, partOf } from "../experiment/index.js";
import type { Split } from "../experiment/index.js";
import * as flatness from "../flatness/index.js";
import type { MeasureName, MeasureResults } from "../flatness/index.js";
import type { Tensor } from "../tensor.js";
import type { RunCommand } from "./evaluate.js";
import { exitCodes } from "./exit-codes.js";
import { print, short, thousands } from "./options.js";

export interface SharpnessCommand extends RunCommand {
  rho: number;
  steps: number;
  adaptive?: true;
  shards?: number;
  average?: number;
  eigenvalues?: number;
  trace?: number;
  density?: true;
}

/** How the measured samples are called in what is saved. */
export function setName(split: Split, count: number, all: number): string {
  const samples = split === "train" ? "training" : split;
  return count === all ? `all ${thousands(all)} ${samples} samples` : `the first ${thousands(count)} ${samples} samples`;
}

/**
 * `steppe sharpness RUN`: each measure is printed, and saved in the run's folder, where reports find it.
 *
 * @returns the exit code
 */
export async function sharpness(folder: string, command: SharpnessCommand): Promise<number> {
  const { rho, steps, adaptive = false, shards, average, eigenvalues, trace, density, split = "train", samples = 2000, checkpoint, set = [], json = false } = command;
  const run = await openRun(folder, { ...(checkpoint !== undefined && { checkpoint }), overrides: set });
  const { model } = run.built;
  const part = partOf(run, split, samples);
  const batches = part as unknown as Iterable<Tensor[]>;
  const where = setName(split, part.dataset.length, partOf(run, split).dataset.length);
  if (!json) print(`${folder} after ${thousands(run.step)} steps, on ${where}:`);
  const found: Record<string, unknown> = { run: folder, checkpoint: run.checkpoint, step: run.step, set: where };
  const tell = <M extends MeasureName>(measure: M, result: MeasureResults[M], options: object, words: string, numbers: string) => {
    found[measure] = result;
    flatness.save(folder, measure, result, { options, set: where, step: run.step });
    if (!json) print(`  ${words.padEnd(44)}${numbers}`);
  };

  const ball = { rho, steps, adaptive };
  const radius = `ρ = ${rho}${adaptive ? ", adaptive" : ""}`;
  const rise = await flatness.sharpness(model, run.meanLoss, batches, ball);
  tell("sharpness", rise, ball, `sharpness, ${radius}`, short(rise));
  if (shards !== undefined) {
    const small = partOf(run, split, samples, shards) as unknown as Iterable<Tensor[]>;
    const mean = await flatness.shardSharpness(model, run.meanLoss, small, ball);
    tell("shardSharpness", mean, { ...ball, samples: shards }, `mean sharpness of ${shards} samples, ${radius}`, short(mean));
  }
  if (average !== undefined) {
    const options = { rho, samples: average };
    const mean = await flatness.averageSharpness(model, run.meanLoss, batches, options);
    tell("averageSharpness", mean, options, `mean rise in ${average} random directions, ρ = ${rho}`, short(mean));
  }
  if (eigenvalues !== undefined) {
    const options = { k: eigenvalues };
    const values = await flatness.hessianEigenvalues(model, run.meanLoss, batches, options);
    tell("hessianEigenvalues", values, options, `largest ${eigenvalues === 1 ? "eigenvalue" : `${eigenvalues} eigenvalues`} of the Hessian`, values.map(short).join("  "));
  }
  if (trace !== undefined) {
    const options = { samples: trace };
    const result = await flatness.hessianTrace(model, run.meanLoss, batches, options);
    tell("hessianTrace", result, options, `trace of the Hessian, ${trace} draws`, `${short(result.trace)} ± ${short(result.standardError)}`);
  }
  if (density === true) {
    const result = await flatness.spectralDensity(model, run.meanLoss, batches, {});
    tell("spectralDensity", result, {}, "density of the spectrum", `${result.eigenvalues.length} points from ${short(result.eigenvalues[0]!)} to ${short(result.eigenvalues.at(-1)!)}`);
  }
  if (json) print(JSON.stringify(found));
  else print(`Saved in ${folder}/flatness. As a page: npx steppe report ${folder}`);
  return exitCodes.done;
}
