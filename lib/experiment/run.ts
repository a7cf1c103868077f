import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { SteppeError } from "../errors.js";
import { ioError } from "../io/file-errors.js";
import { readJsonObject } from "../io/json-file.js";
import type { Tensor } from "../tensor.js";
import { CheckpointFolder } from "../train/checkpoint.js";
import { median } from "../statistics.js";
import { environment } from "../train/environment.js";
import { RunFolder, fit } from "../train/index.js";
import type { Callback, FitResult, ProgressOptions, RunRecord } from "../train/index.js";
import { build } from "./build.js";
import type { BuildOptions, Built } from "./build.js";
import type { Config } from "./config.js";
import type { LoadedConfig } from "./load.js";

export interface TrainOptions extends BuildOptions {
  /** The run's folder. Default: the configuration's, else `runs/NAME`, or `runs/NAME-2` and so on where that is taken. */
  folder?: string;
  /** Goes on with the run in the folder, if there is one. Default false. */
  resume?: boolean;
  /** Ends the run after the step under way, with a checkpoint. */
  signal?: AbortSignal;
  /** Where progress goes; default: nowhere. */
  progress?: ProgressOptions["stream"];
  callbacks?: readonly Callback[];
  /** Is told what the run is before it begins. */
  onStart?: (about: Started) => void;
}

/** A run before its first step. */
export interface Started {
  folder: string;
  built: Built;
  /** The checkpoint that it goes on from, or null. */
  checkpoint: string | null;
  /** It had come to its end before. */
  finished: boolean;
}

/** What a run came to: what `result.json` in its folder holds. */
export interface RunResult {
  end: FitResult["end"];
  epoch: number;
  step: number;
  best: FitResult["best"];
  /** The last record. */
  final: RunRecord | null;
  history: RunRecord[];
  /** Median time of the steps that were logged, in milliseconds; null if none was. */
  stepMilliseconds: number | null;
  /** Path of the run's folder. */
  folder: string;
}

/**
 * Trains what a configuration describes. The folder gets `settings.json`, `metrics.jsonl`, `checkpoints/`, and at the end
 * `result.json` and `model.safetensors`, the weights that evaluation looked at.
 *
 * @throws SteppeError `ARGUMENT` for a folder that holds a run, without `resume`, or the run of another configuration
 */
export async function trainConfig(loaded: LoadedConfig, options: TrainOptions = {}): Promise<RunResult> {
  const { resume = false, signal, progress, callbacks = [], onStart } = options;
  const { config } = loaded;
  const folder = chooseFolder(loaded, options);
  const settings = existsSync(join(folder, "settings.json")) ? readJsonObject(join(folder, "settings.json")) : null;
  if (settings !== null) {
    if (!resume) throw new SteppeError("ARGUMENT", `Expected a folder without a run but received ${folder}. Go on with that run by --resume, or choose another folder.`);
    requireSame(settings["config"] as object, plain(config), folder);
  }
  const built = await build(loaded, options);
  const { model, data, optimizer, average, autocast, objective, targets } = built;
  const run = settings === null ? makeFolder(folder) : RunFolder.open(folder);
  if (settings === null) run.writeJson("settings.json", describeRun(loaded, built, folder));
  const checkpoint = settings !== null ? new CheckpointFolder(join(folder, "checkpoints")).latest() : null;
  const old = existsSync(join(folder, "result.json")) ? (readJsonObject(join(folder, "result.json")) as unknown as RunResult) : null;
  const isLongEnough = old !== null && (config.steps === undefined ? old.epoch >= config.epochs! : old.step >= config.steps);
  onStart?.({ folder, built, checkpoint, finished: old?.end === "stopped" || isLongEnough });
  const { end, epoch, step, history, best } = await orRemoved(run, settings === null, () => fit<Tensor[]>({
    model,
    loss: objective.loss,
    optimizer,
    data: { train: data.train as never, ...(data.validation && { validation: data.validation as never }) },
    ...(config.epochs === undefined ? { steps: config.steps! } : { epochs: config.epochs }),
    metrics: data.validation === undefined && config.metrics === undefined ? {} : built.metrics(),
    predict: objective.predict,
    ...(targets && { targets }),
    ...(config.validateEvery !== undefined && { validateEvery: config.validateEvery }),
    ...(config.logEvery !== undefined && { logEvery: config.logEvery }),
    ...(config.earlyStopping && { earlyStopping: config.earlyStopping }),
    ...(config.checkpoints && { checkpoints: config.checkpoints }),
    ...(average && { average }),
    ...(autocast && { autocast }),
    callbacks: [...(config.callbacks ?? []), ...callbacks],
    ...(signal && { signal }),
    seed: built.context.seed,
    folder,
    resume: settings !== null,
    progress: progress ?? false,
    label: optimizer.method,
  }));
  const result: RunResult = { end, epoch, step, best, final: history.at(-1) ?? null, history, stepMilliseconds: medianStep(folder), folder };
  if (end !== "aborted") {
    const save = () => run.saveWeights("model", model.stateDict());
    if (average === undefined || average.averaged === 0) save();
    else await average.apply(save);
    const { folder: _, ...written } = result;
    run.writeJson("result.json", written);
  }
  return result;
}

/** The median of the times in metrics.jsonl. */
function medianStep(folder: string): number | null {
  const path = join(folder, "metrics.jsonl");
  if (!existsSync(path)) return null;
  const lines = readFileSync(path, "utf8").split("\n").filter((line) => line.includes('"kind":"step"'));
  return lines.length === 0 ? null : median(lines.map((line) => (JSON.parse(line) as { ms: number }).ms));
}

/** The folder of a run; with `resume`, of the newest one where the default is meant. */
function chooseFolder({ config, name }: LoadedConfig, { folder, resume = false }: TrainOptions): string {
  const given = folder ?? config.folder;
  if (given !== undefined) return given;
  const taken = (path: string) => existsSync(path) && readdirSync(path).length > 0;
  const path = (i: number) => join("runs", i === 1 ? name : `${name}-${i}`);
  let next = 1;
  while (taken(path(next))) next++;
  return resume && next > 1 ? path(next - 1) : path(next);
}

/** Runs a training; one that fails before it has written anything leaves no folder in the way of the next try. */
async function orRemoved<T>(run: RunFolder, isNew: boolean, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const left = isNew ? readdirSync(run.path) : [];
    if (isNew && !left.includes("metrics.jsonl") && new CheckpointFolder(join(run.path, "checkpoints")).latest() === null) {
      for (const name of ["settings.json", "checkpoints", ...left.filter((file) => file.startsWith("events."))]) rmSync(join(run.path, name), { recursive: true, force: true });
      if (readdirSync(run.path).length === 0) rmdirSync(run.path);
    }
    throw error;
  }
}

function makeFolder(folder: string): RunFolder {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw ioError("write", folder, error);
  }
  return RunFolder.open(folder);
}

/** What may change between two parts of a run: how long it is, and what is written about it. */
const changeable = ["$schema", "name", "epochs", "steps", "logEvery", "validateEvery", "evaluationBatchSize", "earlyStopping", "checkpoints", "folder", "threads", "compare", "metrics", "callbacks"];

/** @param more what may change, too @throws SteppeError `ARGUMENT` where a run would go on with other settings than it began with */
export function requireSame(old: object, now: object, folder: string, more: readonly string[] = []): void {
  const differences = differing(old, now).filter((path) => ![...changeable, ...more].includes(path.split(".")[0]!));
  if (differences.length === 0) return;
  const at = (object: object, path: string) => JSON.stringify(path.split(".").reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], object)) ?? "nothing";
  const lines = differences.map((path) => `  ${path}: the run has ${at(old, path)}, the configuration ${at(now, path)}`);
  throw new SteppeError("ARGUMENT", `Expected the configuration that the run in ${folder} began with but received another:\n${lines.join("\n")}`);
}

/** Paths of what is not the same in two objects. */
export function differing(a: unknown, b: unknown, path = ""): string[] {
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
  if (!isObject(a) || !isObject(b) || Array.isArray(a) !== Array.isArray(b)) return a === b ? [] : [path];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) => differing(a[key], b[key], path === "" ? key : `${path}.${key}`));
}

/** A configuration as JSON: functions by their names. */
export function plain(config: Config): object {
  return JSON.parse(JSON.stringify(config, (_, value: unknown) => (typeof value === "function" ? `function ${value.name}` : value))) as object;
}

/** What goes into settings.json: what `train.fit` writes there by itself, and the whole configuration. */
function describeRun({ config, path, name }: LoadedConfig, { model, data, optimizerOptions, totalSteps, context }: Built, folder: string): object {
  const { epochs, steps, validateEvery, earlyStopping, autocast } = config;
  return {
    version: 1,
    label: name,
    method: optimizerOptions.method,
    seed: context.seed,
    optimizer: optimizerOptions,
    epochs,
    steps,
    totalSteps,
    data: { samples: data.train.dataset.length, batchSize: context.batchSize, validation: data.validation?.dataset.length ?? 0, test: data.test?.dataset.length ?? 0 },
    parameters: parameterCount(model),
    validateEvery,
    earlyStopping,
    autocast,
    // From this folder: functions of a configuration are read again from its file, and its relative paths count from there.
    source: path === null ? null : relative(resolve(folder), path),
    config: plain(config),
    startedAt: new Date().toISOString(),
    environment: environment(),
  };
}

export function parameterCount(model: Built["model"]): number {
  return model.parameters().reduce((sum, parameter) => sum + parameter.numel(), 0);
}
