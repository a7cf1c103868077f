import type { AutocastOptions } from "../autocast.js";
import { Loader } from "../data/index.js";
import { checkFlag, checkInteger, checkSeed } from "../checks.js";
import { checkKeys, expected } from "../errors.js";
import type { Metric } from "../metrics/index.js";
import { Module } from "../nn/module.js";
import { Average, Optimizer } from "../optim/index.js";
import type { LossWithLogits, StepReport } from "../optim/index.js";
import type { Tensor } from "../tensor.js";
import { isBetterWhenSmaller } from "./metric-names.js";
import type { ProgressStream } from "./progress.js";

/** A number of a run's records that decides, and which way is better. */
export interface Watched {
  /** A key of the records: default "validationLoss", or "loss" without validation data. */
  metric?: string;
  /** Whether less or more is better: default "min" for losses and perplexities, "max" for everything else. */
  mode?: "min" | "max";
}

/** When {@link fit} ends before its epochs are over. */
export interface EarlyStopping extends Watched {
  /** Ends after this many validations without an improvement. */
  patience: number;
  /** What does not improve by more than this does not count; default 0. */
  minDelta?: number;
}

/** Which checkpoints {@link fit} writes and keeps. */
export interface CheckpointOptions {
  /** "epoch", or a number of steps; default "epoch". */
  every?: "epoch" | number;
  /** How many of the newest ones stay; default 2. */
  keepLast?: number;
  /** The best one stays, too, by this number; default the watched number of `earlyStopping`, or its default. `null`: none. */
  keepBest?: Watched | null;
}

/** One record of a run: at the end of an epoch, or every `validateEvery` steps. */
export interface RunRecord {
  /** Epochs begun, from 1. */
  epoch: number;
  /** Steps of the optimizer so far. */
  step: number;
  /** Mean training loss since the last record, over the samples. */
  loss: number;
  /** Seconds since the last record. */
  seconds: number;
  /** "validationLoss", and the metrics by name. */
  [name: string]: number;
}

/** What callbacks are told, and what they can do. */
export interface Run {
  /** Epochs begun. */
  readonly epoch: number;
  /** Steps of the optimizer so far. */
  readonly step: number;
  /** All records so far. */
  readonly history: readonly RunRecord[];
  /** The best value so far of the watched number, at which step. */
  readonly best: { readonly value: number; readonly step: number } | null;
  /** Ends the run after the step under way. */
  stop(): void;
}

/** Hooks into a run. Each may be async: the run waits for it. */
export interface Callback {
  /** Before the first step, after a checkpoint was loaded. */
  onStart?(run: Run): void | Promise<void>;
  /** After each call of the step; with accumulation also after micro-batches (`report.updated` tells). */
  onStep?(report: StepReport, run: Run): void | Promise<void>;
  /** After each record. */
  onRecord?(record: RunRecord, run: Run): void | Promise<void>;
  /** After a checkpoint was written. */
  onCheckpoint?(path: string, run: Run): void | Promise<void>;
  /** After the last step, also of a run that was stopped; not after an error. */
  onEnd?(run: Run): void | Promise<void>;
}

/** What {@link fit} takes. */
export interface FitOptions<Batch extends Tensor[]> {
  model: Module;
  /** What `optimizer.compile` takes: the mean loss over a batch, a scalar; for some methods one loss per sample, or the logits, too. */
  loss: (...batch: Batch) => Tensor | LossWithLogits;
  /** With its schedules, clipping, accumulation and loss scale. */
  optimizer: Optimizer;
  data: {
    /** `data.loader(…)`, or anything whose passes can be gone through again; only a loader goes on in the middle of a pass. */
    train: Loader<readonly [...Batch]> | (Iterable<readonly [...Batch]> & { length?: number });
    validation?: Iterable<readonly [...Batch]> | AsyncIterable<readonly [...Batch]>;
  };
  /** Passes through the training data. Either this or `steps`. */
  epochs?: number;
  /** Steps of the optimizer. Either this or `epochs`. */
  steps?: number;
  /** By name, on the validation data. */
  metrics?: Record<string, Metric>;
  /** The predictions of a batch, for metrics; default `model.forward` of its first tensor. */
  predict?: (...batch: Batch) => Tensor;
  /** The targets of a batch, for metrics; default its last tensor. */
  targets?: (...batch: Batch) => Tensor;
  /** When records are made: "epoch", or every so many steps; default "epoch". */
  validateEvery?: "epoch" | number;
  /**
   * Where the numbers start that steps draw (dropout, `probability`). Default: from where the default generator stands.
   * The order of the data has the loader's own seed, initial weights have `torch.manualSeed`.
   */
  seed?: number;
  callbacks?: readonly Callback[];
  /** Ends the run after the step under way, with a checkpoint where there is a folder. */
  signal?: AbortSignal;
  /** Settings, metrics and checkpoints go here; made if it isn't there. Default: nowhere. */
  folder?: string;
  checkpoints?: CheckpointOptions;
  /** Goes on from the newest checkpoint in `folder`, if there is one: bit for bit as if it had never ended. Default false. */
  resume?: boolean;
  earlyStopping?: EarlyStopping;
  /** A running average of the weights, updated after each step; validation looks at it. */
  average?: Average;
  /** The loss function runs in mixed precision. */
  autocast?: AutocastOptions;
  /** A line in `metrics.jsonl` every so many steps; default 10. */
  logEvery?: number;
  /** Writes an event file for TensorBoard into `folder`, too; default true. */
  tensorboard?: boolean;
  /** A progress bar, plain lines where there is no terminal; `false`: nothing; a stream: there. Default: a bar on a terminal, else nothing. */
  progress?: boolean | ProgressStream;
  /** What stands before the progress, and what the run is called in reports; default the method's id. */
  label?: string;
  /** More for `settings.json` and TensorBoard, such as the model's sizes: what JSON can say. */
  settings?: Readonly<Record<string, unknown>>;
}

/** The options, completed. */
export type Settings<Batch extends Tensor[]> = FitOptions<Batch> &
  Required<Pick<FitOptions<Batch>, "metrics" | "validateEvery" | "callbacks" | "resume" | "logEvery" | "tensorboard">> & {
    watched: Required<Watched>;
    keep: { every: "epoch" | number; last: number; best: Required<Watched> | null };
  };

const keys: (keyof FitOptions<Tensor[]>)[] = ["model", "loss", "optimizer", "data", "epochs", "steps", "metrics", "predict", "targets", "validateEvery", "seed", "callbacks", "signal", "folder", "checkpoints", "resume", "earlyStopping", "average", "autocast", "logEvery", "tensorboard", "progress", "label", "settings"];

function interval(value: unknown, name: string): void {
  if (value !== "epoch" && (!Number.isSafeInteger(value) || (value as number) < 1)) throw expected('"epoch" or a positive integer', name, value);
}

function isIterable(value: unknown): boolean {
  return typeof value === "object" && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);
}

/** @throws SteppeError `ARGUMENT` for a missing, unknown or wrong option */
export function readFitOptions<Batch extends Tensor[]>(options: FitOptions<Batch>): Settings<Batch> {
  if (typeof options !== "object" || options === null) throw expected("an object", "options", options);
  checkKeys(options, keys);
  const { model, loss, optimizer, data, epochs, steps, metrics = {}, validateEvery = "epoch", callbacks = [], logEvery = 10, resume = false, tensorboard = true, folder, signal, settings } = options;
  if (!(model instanceof Module)) throw expected("a module", "model", model);
  if (typeof loss !== "function") throw expected("a function of a batch", "loss", loss);
  if (!(optimizer instanceof Optimizer)) throw expected("an optimizer of optim.create", "optimizer", optimizer);
  if (typeof data !== "object" || data === null) throw expected("an object with train", "data", data);
  checkKeys(data, ["train", "validation"], "data");
  if (!isIterable(data.train)) throw expected("batches that can be gone through", "data.train", data.train);
  if (typeof (data.train as { next?: unknown }).next === "function") throw expected("batches that can be gone through again", "data.train", data.train, "A generator runs once: make an array of it.");
  if (data.validation !== undefined && !isIterable(data.validation)) throw expected("batches that can be gone through", "data.validation", data.validation);
  if ((epochs === undefined) === (steps === undefined)) throw expected("either epochs or steps", "options", options);
  if (epochs !== undefined) checkInteger(epochs, "epochs", 1);
  if (steps !== undefined) checkInteger(steps, "steps", 1);
  interval(validateEvery, "validateEvery");
  checkInteger(logEvery, "logEvery", 1);
  if (options.seed !== undefined) checkSeed(options.seed);
  for (const [name, metric] of Object.entries(metrics)) {
    if (typeof metric?.update !== "function" || typeof metric.compute !== "function") throw expected("a metric", `metrics.${name}`, metric);
    if (["epoch", "step", "loss", "seconds", "validationLoss"].includes(name)) throw expected("another name", `metrics.${name}`, metric, "Records have a number of this name already.");
  }
  if (Object.keys(metrics).length > 0 && data.validation === undefined) throw expected("validation data", "data.validation", undefined, "The metrics are about it.");
  if (!Array.isArray(callbacks)) throw expected("an array of callbacks", "callbacks", callbacks);
  for (const callback of callbacks) {
    if (typeof callback !== "object" || callback === null) throw expected("an object of hooks", "callbacks", callback);
    checkKeys(callback as object, ["onStart", "onStep", "onRecord", "onCheckpoint", "onEnd"], "a callback");
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw expected("an AbortSignal", "signal", signal);
  if (folder !== undefined && (typeof folder !== "string" || folder === "")) throw expected("a path", "folder", folder);
  if (settings !== undefined && (typeof settings !== "object" || settings === null)) throw expected("an object", "settings", settings);
  checkFlag(resume, "resume");
  checkFlag(tensorboard, "tensorboard");
  if (folder === undefined && (resume || options.checkpoints !== undefined)) throw expected("a path", "folder", folder, "Checkpoints are kept there.");
  if (options.average !== undefined && !(options.average instanceof Average)) throw expected("an average of optim.average", "average", options.average);

  const { earlyStopping, checkpoints = {} } = options;
  if (earlyStopping !== undefined) {
    checkKeys(earlyStopping, ["metric", "mode", "patience", "minDelta"], "earlyStopping");
    checkInteger(earlyStopping.patience, "earlyStopping.patience", 1);
    const { minDelta = 0 } = earlyStopping;
    if (typeof minDelta !== "number" || !(minDelta >= 0)) throw expected("a number of at least 0", "earlyStopping.minDelta", minDelta);
  }
  checkKeys(checkpoints, ["every", "keepLast", "keepBest"], "checkpoints");
  const { every = "epoch", keepLast = 2, keepBest } = checkpoints;
  interval(every, "checkpoints.every");
  checkInteger(keepLast, "checkpoints.keepLast", 1);
  const known = ["loss", ...(data.validation === undefined ? [] : ["validationLoss", ...Object.keys(metrics)])];
  const watched = readWatched(earlyStopping ?? {}, known, "earlyStopping");
  const best = keepBest === null ? null : readWatched(keepBest ?? watched, known, "checkpoints.keepBest");
  return { ...options, metrics, validateEvery, callbacks, resume, logEvery, tensorboard, watched, keep: { every, last: keepLast, best } };
}

function readWatched({ metric, mode }: Watched, known: readonly string[], name: string): Required<Watched> {
  const chosen = metric ?? (known.includes("validationLoss") ? "validationLoss" : "loss");
  if (!known.includes(chosen)) throw expected(`one of ${known.join(", ")}`, `${name}.metric`, metric);
  if (mode !== undefined && mode !== "min" && mode !== "max") throw expected('"min" or "max"', `${name}.mode`, mode);
  return { metric: chosen, mode: mode ?? (isBetterWhenSmaller(chosen) ? "min" : "max") };
}
