import { mkdirSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { join } from "node:path";
import { Loader } from "../data/index.js";
import type { LoaderState } from "../data/index.js";
import { SteppeError } from "../errors.js";
import { ioError } from "../io/file-errors.js";
import type { AverageState, CompiledStep, OptimizerState, StepReport } from "../optim/index.js";
import type { Module } from "../nn/module.js";
import { torch } from "../torch.js";
import type { Tensor } from "../tensor.js";
import { CheckpointFolder, loadCheckpoint } from "./checkpoint.js";
import type { StateValue } from "./checkpoint.js";
import { evaluate, sizeOf } from "./evaluate.js";
import { readFitOptions } from "./fit-options.js";
import type { FitOptions, Run, RunRecord, Settings } from "./fit-options.js";
import { FitProgress } from "./fit-progress.js";
import { RandomStream } from "./random-stream.js";
import { RunLog } from "./run-log.js";

/** What a run came to. */
export interface FitResult {
  /** "finished": all epochs or steps. "stopped": early stopping, or a callback. "aborted": the signal. */
  end: "finished" | "stopped" | "aborted";
  /** Epochs begun. */
  epoch: number;
  /** Steps of the optimizer. */
  step: number;
  history: RunRecord[];
  /** The best value of the watched number, and at which step; null if there was no record. */
  best: { value: number; step: number } | null;
  /** The newest checkpoint, or null. */
  checkpoint: string | null;
}

/** The part of a run's state that is its own. */
interface Progress {
  /** Passes begun, the one under way counted. */
  epoch: number;
  step: number;
  /** Calls of the step in the pass under way. */
  batch: number;
  /** Of the training loss since the last record. */
  lossSum: number;
  samples: number;
  history: RunRecord[];
  best: { value: number; step: number } | null;
  /** Records without an improvement. */
  waited: number;
}

/** Everything that a checkpoint holds besides the model. */
interface SavedRun {
  optimizer: OptimizerState;
  progress: Progress;
  loader: LoaderState | null;
  average: AverageState | null;
  generator: Tensor;
  /** Of the model's other devices. */
  generators?: Record<string, Tensor>;
  /** The step of the best checkpoint, and its value. */
  best: { step: number; value: number } | null;
}

/**
 * Trains a model: passes through the data, step after step on the training thread, with validation, records, checkpoints and
 * callbacks. Clipping, accumulation, schedules and loss scale are the optimizer's. The event loop stays free. The model is set
 * to training mode first; `onStart` may set parts of it otherwise.
 *
 * With `folder`, the run writes `settings.json`, `metrics.jsonl` (a JSON object a line: steps, records), an event file for
 * TensorBoard, and `checkpoints/step-N/`, each written whole or not at all. A run that was killed goes on with `resume: true` from its last checkpoint, and comes bit for bit to where
 * it would have come: weights, optimizer, schedules, average, random numbers and the order of the data are all in it.
 *
 * @throws SteppeError `ARGUMENT` for wrong options, `IO` for what the file system refuses, and whatever the step and the
 * callbacks throw
 * @example
 * const run = await train.fit({
 *   model,
 *   loss: (x, y) => nn.functional.crossEntropy(model.forward(x), y),
 *   optimizer: optim.create(model, { method: "sam", rho: 0.05, base: { name: "adamw", lr: 1e-3 } }),
 *   data: { train: data.loader(set.train, { batchSize: 64, shuffle: true }), validation: data.loader(set.test, { batchSize: 500 }) },
 *   epochs: 10,
 *   metrics: { accuracy: new metrics.Accuracy() },
 *   earlyStopping: { metric: "accuracy", patience: 3 },
 *   folder: "runs/first",
 *   resume: true,
 * });
 */
export async function fit<Batch extends Tensor[]>(options: FitOptions<Batch>): Promise<FitResult> {
  const trainer = new Trainer(readFitOptions(options));
  return trainer.run();
}

class Trainer<Batch extends Tensor[]> {
  readonly #settings: Settings<Batch>;
  readonly #step: CompiledStep<Batch>;
  readonly #random: RandomStream;
  readonly #log: RunLog<Batch> | null;
  readonly #checkpoints: CheckpointFolder | null;
  #progress: Progress = { epoch: 0, step: 0, batch: 0, lossSum: 0, samples: 0, history: [], best: null, waited: 0 };
  #bestCheckpoint: SavedRun["best"] = null;
  /** The step of the newest checkpoint. */
  #lastCheckpoint: number | null = null;
  #recorded = performance.now();
  #stopping = false;
  /** What callbacks see. */
  readonly #view: Run;

  constructor(settings: Settings<Batch>) {
    this.#settings = settings;
    const { folder, optimizer, loss, autocast } = settings;
    this.#random = new RandomStream(settings.seed ?? null);
    this.#step = optimizer.compile(loss, autocast === undefined ? {} : { autocast });
    if (folder !== undefined) {
      try {
        mkdirSync(join(folder, "checkpoints"), { recursive: true });
      } catch (error) {
        throw ioError("write", folder, error);
      }
    }
    this.#log = folder === undefined ? null : new RunLog(folder, settings);
    this.#checkpoints = folder === undefined ? null : new CheckpointFolder(join(folder, "checkpoints"));
    const progress = (): Progress => this.#progress;
    this.#view = {
      get epoch() {
        return progress().epoch;
      },
      get step() {
        return progress().step;
      },
      get history() {
        return progress().history;
      },
      get best() {
        return progress().best;
      },
      stop: () => {
        this.#stopping = true;
      },
    };
  }

  async run(): Promise<FitResult> {
    const { model, callbacks, resume, seed } = this.#settings;
    const latest = resume ? this.#checkpoints!.latest() : null;
    if (seed !== undefined) for (const device of otherDevices(model)) torch.defaultGenerator(device).manualSeed(seed);
    if (latest !== null) this.#load(latest);
    else this.#refuseOldCheckpoints();
    model.train();
    for (const callback of callbacks) await callback.onStart?.(this.#view);
    const progress = new FitProgress(this.#settings, this.#total(), this.#progress.step);
    let end: FitResult["end"] = "finished";
    try {
      this.#log?.begin(this.#progress.step);
      while (!this.#isDone()) {
        if (this.#isAborted()) end = "aborted";
        else if (this.#stopping) end = "stopped";
        else if (!(await this.#pass(progress))) end = this.#isAborted() ? "aborted" : "stopped";
        if (end !== "finished") break;
      }
    } finally {
      progress.stop();
      this.#log?.end();
      this.#random.close();
    }
    if (this.#checkpoints !== null && this.#lastCheckpoint !== this.#progress.step) await this.#save();
    for (const callback of callbacks) await callback.onEnd?.(this.#view);
    const { epoch, step, history, best } = this.#progress;
    return { end, epoch, step, history, best, checkpoint: this.#checkpoints?.latest() ?? null };
  }

  /** A folder of another run is no place for this one. */
  #refuseOldCheckpoints(): void {
    const old = this.#checkpoints?.latest() ?? null;
    if (old === null) return;
    throw new SteppeError("ARGUMENT", `Expected an empty folder for folder but received one with checkpoints: ${old}. Go on from it with resume: true, or choose another folder.`);
  }

  #isAborted(): boolean {
    return this.#settings.signal?.aborted === true;
  }

  #isDone(): boolean {
    const { epochs, steps } = this.#settings;
    const { epoch, step, batch } = this.#progress;
    return steps === undefined ? epoch >= epochs! && batch === 0 : step >= steps;
  }

  /** Calls of the step in all; null where nobody knows. */
  #total(): number | null {
    const { epochs, steps, data } = this.#settings;
    if (steps !== undefined) return steps;
    const { length } = data.train as { length?: unknown };
    return typeof length === "number" ? length * epochs! : null;
  }

  /** One pass through the training data, or the rest of one. @returns whether the run goes on */
  async #pass(shown: FitProgress): Promise<boolean> {
    const { data, callbacks, steps, validateEvery, keep, average, logEvery } = this.#settings;
    const state = this.#progress;
    if (state.batch === 0) state.epoch++;
    // A loader leaves out by itself what was given; of anything else it is passed over.
    let passed = data.train instanceof Loader ? 0 : state.batch;
    // Broken off between the last batch and what comes after it.
    const isOver = data.train instanceof Loader && state.batch >= data.train.length;
    for await (const batch of isOver ? [] : data.train) {
      if (passed > 0) {
        passed--;
        continue;
      }
      const start = performance.now();
      const report = await this.#random.draw(() => this.#step(...batch));
      state.batch++;
      if (report.updated) state.step++;
      average?.update(report);
      const size = sizeOf(batch);
      if (!report.skipped) {
        state.lossSum += size * report.loss;
        state.samples += size;
      }
      shown.advance(report, state.step);
      if (report.updated && state.step % logEvery === 0) this.#log?.step(state.epoch, state.step, report, performance.now() - start);
      for (const callback of callbacks) await callback.onStep?.(report, this.#view);
      if (report.updated && validateEvery !== "epoch" && state.step % validateEvery === 0) await this.#record(shown);
      if (report.updated && keep.every !== "epoch" && state.step % keep.every === 0) await this.#save();
      if (this.#isAborted() || this.#stopping) return false;
      if (steps !== undefined && state.step >= steps) break;
      await setImmediate();
    }
    if (state.batch === 0) throw new SteppeError("ARGUMENT", "Expected at least one batch in every pass of data.train but received none.");
    const isWhole = steps === undefined || state.step < steps;
    if (isWhole) state.batch = 0;
    if (validateEvery === "epoch" || (this.#isDone() && state.samples > 0)) await this.#record(shown);
    if (keep.every === "epoch") await this.#save();
    return !this.#stopping || this.#isDone();
  }

  /** Validates and records. */
  async #record(shown: FitProgress): Promise<void> {
    const { model, loss, optimizer, data, metrics, predict, targets, average, autocast, callbacks, watched, earlyStopping } = this.#settings;
    const state = this.#progress;
    const about: RunRecord = { epoch: state.epoch, step: state.step, loss: state.lossSum / state.samples, seconds: (performance.now() - this.#recorded) / 1000 };
    if (data.validation !== undefined) {
      const validation = data.validation;
      const look = () => evaluate({ model, loss, metrics, ...(predict && { predict }), ...(targets && { targets }), ...(autocast && { autocast }) }, validation);
      const { loss: validationLoss, ...others } = await (average === undefined ? look() : average.apply(look));
      Object.assign(about, { validationLoss, ...others });
    }
    state.history.push(about);
    [state.lossSum, state.samples] = [0, 0];
    this.#recorded = performance.now();
    this.#log?.record(about);
    shown.record(about);
    const value = about[watched.metric]!;
    if (optimizer.takesMetric) optimizer.reportMetric(value);
    const delta = earlyStopping?.minDelta ?? 0;
    if (state.best === null || better(value, state.best.value, watched.mode, delta)) {
      state.best = { value, step: state.step };
      state.waited = 0;
    } else if (earlyStopping !== undefined && ++state.waited >= earlyStopping.patience) {
      this.#stopping = true;
    }
    for (const callback of callbacks) await callback.onRecord?.(about, this.#view);
  }

  async #save(): Promise<void> {
    if (this.#checkpoints === null) return;
    const { model, optimizer, data, average, keep, callbacks } = this.#settings;
    const state = this.#progress;
    if (keep.best !== null) {
      const value = state.history.at(-1)?.step === state.step ? state.history.at(-1)![keep.best.metric]! : null;
      if (value !== null && (this.#bestCheckpoint === null || better(value, this.#bestCheckpoint.value, keep.best.mode, 0))) this.#bestCheckpoint = { step: state.step, value };
    }
    const saved: SavedRun = {
      optimizer: optimizer.stateDict(),
      progress: { ...state, history: [...state.history] },
      loader: data.train instanceof Loader ? data.train.stateDict() : null,
      average: average?.stateDict() ?? null,
      generator: this.#random.state,
      generators: Object.fromEntries(otherDevices(model).map((device) => [device, torch.defaultGenerator(device).getState()])),
      best: this.#bestCheckpoint,
    };
    const path = this.#checkpoints.save(state.step, model.stateDict(), saved as unknown as StateValue);
    this.#lastCheckpoint = state.step;
    this.#checkpoints.prune(keep.last, this.#bestCheckpoint === null ? null : this.#checkpoints.pathOf(this.#bestCheckpoint.step));
    for (const callback of callbacks) await callback.onCheckpoint?.(path, this.#view);
  }

  #load(path: string): void {
    const { model, optimizer, data, average } = this.#settings;
    const checkpoint = loadCheckpoint(path);
    const saved = checkpoint.state as unknown as SavedRun;
    if ((saved.average === null) !== (average === undefined)) {
      throw new SteppeError("ARGUMENT", `Expected ${saved.average === null ? "no average" : "an average"} for average, as the run in ${path} had, but received ${average === undefined ? "none" : "one"}.`);
    }
    optimizer.loadStateDict(saved.optimizer);
    model.loadStateDict(checkpoint.model);
    if (saved.average !== null) average!.loadStateDict(saved.average);
    if (data.train instanceof Loader && saved.loader !== null) data.train.loadStateDict(saved.loader);
    this.#random.state = saved.generator;
    for (const [device, state] of Object.entries(saved.generators ?? {})) if (otherDevices(model).includes(device)) torch.defaultGenerator(device).setState(state);
    this.#progress = saved.progress;
    this.#bestCheckpoint = saved.best;
    this.#lastCheckpoint = saved.progress.step;
    // A run that has stopped early stays stopped.
    const { earlyStopping } = this.#settings;
    this.#stopping = earlyStopping !== undefined && saved.progress.waited >= earlyStopping.patience;
  }
}

/** Devices of the model, whose steps draw from generators of their own, beside the CPU. */
function otherDevices(model: Module): string[] {
  return [...new Set(model.parameters().map(({ device }) => device as string))].filter((device) => device !== "cpu");
}

function better(value: number, best: number, mode: "min" | "max", delta: number): boolean {
  // NaN is worse than anything.
  if (Number.isNaN(best)) return !Number.isNaN(value);
  return mode === "min" ? value < best - delta : value > best + delta;
}
