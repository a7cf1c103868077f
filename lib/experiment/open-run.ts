import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Loader, loader, subset } from "../data/index.js";
import { SteppeError, expected } from "../errors.js";
import { readJsonObject } from "../io/json-file.js";
import { meanOf } from "../optim/loss-form.js";
import type { AverageState } from "../optim/index.js";
import type { Tensor } from "../tensor.js";
import { refreshStatistics } from "../train/average-statistics.js";
import { CheckpointFolder, loadCheckpoint } from "../train/checkpoint.js";
import { evaluate } from "../train/index.js";
import { build } from "./build.js";
import type { Built } from "./build.js";
import { checkConfig } from "./check.js";
import type { Config } from "./config.js";
import type { Batch, Sets } from "./data-sets.js";
import { importConfig, overridden } from "./load.js";

export interface OpenOptions {
  /** "last", "best" or the path of a checkpoint; default "last". */
  checkpoint?: string;
  /** "path=value": other values in the configuration, such as other test data. */
  overrides?: readonly string[];
  /** Data sets that were loaded before, so that several runs load them once. */
  loaded?: Map<string, Sets>;
}

/** A run that was trained before, with its weights in its model. */
export interface OpenedRun {
  folder: string;
  built: Built;
  checkpoint: string;
  /** Steps that the weights had taken. */
  step: number;
  /** The mean loss over a batch. */
  meanLoss: (...batch: Tensor[]) => Tensor;
}

/** Parts of a run's data. */
export const splits = ["train", "validation", "test"] as const;
export type Split = (typeof splits)[number];

/**
 * Makes data and model of a run's folder again, with the weights of one of its checkpoints: those that evaluation looked at, the
 * average where there was one.
 *
 * @throws SteppeError `ARGUMENT` for a folder that is no run's, or one without a checkpoint
 */
export async function openRun(folder: string, { checkpoint = "last", overrides = [], loaded = new Map() }: OpenOptions = {}): Promise<OpenedRun> {
  const settings = join(folder, "settings.json");
  const { config: stored, source } = existsSync(settings) ? readJsonObject(settings) : {};
  if (typeof stored !== "object" || stored === null) {
    throw new SteppeError("ARGUMENT", `Expected the folder of a run that steppe train made but received ${folder}, which has no settings.json with a configuration.`);
  }
  const file = typeof source === "string" ? resolve(folder, source) : null;
  const whole = await withFunctions(stored, file, folder);
  const config = checkConfig(overridden(whole, overrides), settings) as Config;
  const place = chosenCheckpoint(folder, checkpoint);
  const { model: weights, state } = loadCheckpoint(place);
  const built = await build({ config, folder: file === null ? process.cwd() : dirname(file) }, { loaded });
  built.model.loadStateDict(weights);
  const saved = state as unknown as { progress: { step: number }; average: AverageState | null };
  if (built.average !== undefined && saved.average !== null && saved.average.averaged > 0) {
    built.average.loadStateDict(saved.average);
    // A checkpoint between two records may not have them yet.
    const { model, average, objective, data, autocast } = built;
    if (average.needsUpdateBn) await refreshStatistics({ model, average, loss: objective.loss, batches: data.train as unknown as Iterable<Tensor[]>, ...(autocast && { autocast }) });
    // For good: this model is not trained on.
    const averaged = built.average.apply(() => Object.fromEntries(Object.entries(built.model.stateDict()).map(([name, tensor]) => [name, tensor.clone()])));
    built.model.loadStateDict(averaged);
  }
  built.model.eval();
  return { folder, built, checkpoint: place, step: saved.progress.step, meanLoss: (...batch) => meanOf(built.objective.loss(...batch)) };
}

/** Puts functions of a TypeScript configuration back in their places. */
async function withFunctions(stored: object, file: string | null, folder: string): Promise<unknown> {
  let own: unknown = null;
  const restore = async (value: unknown, path: readonly string[]): Promise<unknown> => {
    if (typeof value === "string" && value.startsWith("function ")) {
      if (file === null) throw new SteppeError("ARGUMENT", `Expected a run whose configuration stands in a file but received ${folder}, whose ${path.join(".")} is a function.`);
      own ??= await importConfig(file, file);
      const found = path.reduce<unknown>((object, key) => (object as Record<string, unknown> | undefined)?.[key], own);
      if (typeof found !== "function") throw expected("a function", `${path.join(".")} in ${file}`, found, "The run was trained with one.");
      return found;
    }
    if (Array.isArray(value)) return Promise.all(value.map((each, i) => restore(each, [...path, String(i)])));
    if (typeof value !== "object" || value === null) return value;
    const entries = await Promise.all(Object.entries(value).map(async ([key, each]) => [key, await restore(each, [...path, key])] as const));
    return Object.fromEntries(entries);
  };
  return restore(stored, []);
}

function chosenCheckpoint(folder: string, wanted: string): string {
  if (wanted !== "last" && wanted !== "best") return wanted;
  const all = new CheckpointFolder(join(folder, "checkpoints"));
  const last = all.latest();
  if (last === null) throw new SteppeError("ARGUMENT", `Expected a run with a checkpoint but received ${folder}, which has none.`);
  if (wanted === "last") return last;
  const { best } = loadCheckpoint(last).state as unknown as { best: { step: number } | null };
  const path = best === null ? null : all.pathOf(best.step);
  if (path === null || !existsSync(path)) {
    const there = all.list().map((each) => basename(each.path));
    throw new SteppeError("ARGUMENT", `Expected a best checkpoint but received ${folder}, which has ${there.join(", ")}. Use checkpoints.keepBest.`);
  }
  return path;
}

/**
 * A part of the run's data as evaluation sees it: in its own order, whole, or the first samples of it.
 *
 * @param samples at most so many; null for all
 * @param batchSize default the configuration's for evaluation
 */
export function partOf({ built, folder }: OpenedRun, split: Split, samples: number | null = null, batchSize?: number): Loader<Batch> {
  const { data } = built;
  const whole = split === "train" ? data.trainInOrder : data[split];
  if (whole === undefined) {
    const there = splits.filter((each) => each === "train" || data[each] !== undefined);
    throw new SteppeError("ARGUMENT", `Expected one of ${there.join(", ")}, which the data of ${folder} has, but received ${JSON.stringify(split)}.`);
  }
  const count = Math.min(samples ?? Infinity, whole.dataset.length);
  if (count === whole.dataset.length && batchSize === undefined) return whole;
  const dataset = count === whole.dataset.length ? whole.dataset : subset(whole.dataset, Array.from({ length: count }, (_, i) => i));
  return loader(dataset, { batchSize: Math.min(count, batchSize ?? whole.batchSize), ...(data.transform && { transform: data.transform }) });
}

/** The loss and the metrics of a run on a part of its data. */
export async function evaluateRun(run: OpenedRun, batches: Loader<Batch>): Promise<Record<string, number>> {
  const { model, objective, targets, autocast, metrics } = run.built;
  return evaluate<Tensor[]>({ model, loss: objective.loss, metrics: metrics(), predict: objective.predict, ...(targets && { targets }), ...(autocast && { autocast }) }, batches as never);
}
