import { existsSync, readFileSync, readdirSync, rmSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { SteppeError } from "../errors.js";
import { readJsonObject } from "../io/json-file.js";
import type { Tensor } from "../tensor.js";
import { CheckpointFolder } from "../train/checkpoint.js";
import { median } from "../statistics.js";
import { RunFolder, evaluate, fit } from "../train/index.js";
import type { Callback, FitResult, ProgressOptions, RunRecord } from "../train/index.js";
import { build } from "./build.js";
import type { BuildOptions, Built } from "./build.js";
import type { LoadedConfig } from "./load.js";
import { furtherSettings, plain, requireSame } from "./run-settings.js";

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
  /** Loss and metrics on the test data, where validation looks at other data; else null. */
  test: Record<string, number> | null;
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
  const run = RunFolder.open(folder);
  const checkpoints = new CheckpointFolder(join(folder, "checkpoints"));
  checkpoints.recover();
  const checkpoint = settings !== null ? checkpoints.latest() : null;
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
    label: loaded.name,
    settings: furtherSettings(loaded, built, folder),
  }));
  const result: RunResult = { end, epoch, step, best, final: history.at(-1) ?? null, history, test: null, stepMilliseconds: medianStep(folder), folder };
  if (end !== "aborted") {
    const save = async () => {
      run.saveWeights("model", model.stateDict());
      if (data.test === undefined || data.test === data.validation) return;
      const { loss, predict } = objective;
      result.test = await evaluate<Tensor[]>({ model, loss, metrics: built.metrics(), predict, ...(targets && { targets }), ...(autocast && { autocast }), ...(signal && { signal }) }, data.test as never);
    };
    try {
      await (average === undefined || average.averaged === 0 ? save() : average.apply(save));
    } catch (error) {
      // Training is over, but the run is not: when it goes on, this is what is left.
      if (signal?.aborted === true && error === signal.reason) return { ...result, end: "aborted" };
      throw error;
    }
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
    const left = isNew && statSync(run.path, { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(run.path) : [];
    if (left.length > 0 && !left.includes("metrics.jsonl") && new CheckpointFolder(join(run.path, "checkpoints")).latest() === null) {
      for (const name of ["settings.json", "checkpoints", ...left.filter((file) => file.startsWith("events."))]) rmSync(join(run.path, name), { recursive: true, force: true });
      if (readdirSync(run.path).length === 0) rmdirSync(run.path);
    }
    throw error;
  }
}
