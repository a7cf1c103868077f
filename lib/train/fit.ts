import { setImmediate } from "node:timers/promises";
import { Loader } from "../data/index.js";
import { SteppeError } from "../errors.js";
import type { CompiledStep } from "../optim/index.js";
import { torch } from "../torch.js";
import type { Tensor } from "../tensor.js";
import { otherDevices, refreshStatistics } from "./average-statistics.js";
import { evaluate, sizeOf } from "./evaluate.js";
import { readFitOptions } from "./fit-options.js";
import type { FitOptions, Run, RunRecord, Settings } from "./fit-options.js";
import { FitProgress } from "./fit-progress.js";
import { FitCheckpoints, initialState, isBetter } from "./fit-state.js";
import type { RunState } from "./fit-state.js";
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
  readonly #checkpoints: FitCheckpoints<Batch> | null;
  #state: RunState = initialState();
  /** Whether anything has happened since the newest checkpoint. */
  #unsaved = true;
  #recorded = performance.now();
  #stopping = false;
  /** What callbacks see. */
  readonly #view: Run;

  constructor(settings: Settings<Batch>) {
    this.#settings = settings;
    const { folder, optimizer, loss, autocast } = settings;
    this.#random = new RandomStream(settings.seed ?? null);
    this.#step = optimizer.compile(loss, autocast === undefined ? {} : { autocast });
    this.#checkpoints = folder === undefined ? null : new FitCheckpoints(folder, settings, this.#random);
    this.#log = folder === undefined ? null : new RunLog(folder, settings);
    const state = (): RunState => this.#state;
    this.#view = {
      get epoch() {
        return state().epoch;
      },
      get step() {
        return state().step;
      },
      get history() {
        return state().history;
      },
      get best() {
        return state().best;
      },
      stop: () => {
        this.#stopping = true;
      },
    };
  }

  async run(): Promise<FitResult> {
    const { model, callbacks, resume, seed, earlyStopping } = this.#settings;
    const old = this.#checkpoints?.latest ?? null;
    if (old !== null && !resume) throw new SteppeError("ARGUMENT", `Expected an empty folder for folder but received one with checkpoints: ${old}. Go on from it with resume: true, or choose another folder.`);
    if (seed !== undefined) for (const device of otherDevices(model)) torch.defaultGenerator(device).manualSeed(seed);
    if (old !== null) {
      this.#state = this.#checkpoints!.load(old);
      this.#unsaved = false;
      // A run that has stopped early stays stopped.
      this.#stopping = earlyStopping !== undefined && this.#state.waited >= earlyStopping.patience;
    }
    model.train();
    for (const callback of callbacks) await callback.onStart?.(this.#view);
    const shown = new FitProgress(this.#settings, this.#state);
    let end: FitResult["end"] = "finished";
    try {
      this.#log?.begin(this.#state);
      if (this.#state.recordDue) {
        await this.#record(shown);
        await this.#save(false);
      }
      while (!this.#isDone()) {
        if (this.#isAborted()) end = "aborted";
        else if (this.#stopping) end = "stopped";
        else if (!(await this.#pass(shown))) end = this.#isAborted() ? "aborted" : "stopped";
        if (end !== "finished") break;
      }
      if (end !== "aborted" && !(await this.#refreshAverage())) end = "aborted";
    } finally {
      shown.stop();
      this.#log?.end();
      this.#random.close();
    }
    await this.#save(this.#unsaved);
    for (const callback of callbacks) await callback.onEnd?.(this.#view);
    const { epoch, step, history, best } = this.#state;
    return { end, epoch, step, history, best, checkpoint: this.#checkpoints?.latest ?? null };
  }

  #isAborted(): boolean {
    return this.#settings.signal?.aborted === true;
  }

  #isDone(): boolean {
    const { epochs, steps } = this.#settings;
    const { epoch, step, batch, recordDue } = this.#state;
    return !recordDue && (steps === undefined ? epoch >= epochs! && batch === 0 : step >= steps);
  }

  /** One pass through the training data, or the rest of one. @returns whether the run goes on */
  async #pass(shown: FitProgress): Promise<boolean> {
    const { data, callbacks, epochs, steps, validateEvery, keep, average, logEvery } = this.#settings;
    const state = this.#state;
    if (state.batch === 0) state.epoch++;
    // A loader leaves out by itself what was given; of anything else it is passed over.
    let passed = data.train instanceof Loader ? 0 : state.batch;
    // Broken off between the last batch and what comes after it.
    const isOver = data.train instanceof Loader && state.batch >= data.train.length;
    let isWhole = true;
    let isLeft = state.samples > 0;
    for await (const batch of isOver ? [] : data.train) {
      if (passed > 0) {
        passed--;
        continue;
      }
      const began = performance.now();
      const report = await this.#random.draw(() => this.#step(...batch));
      this.#unsaved = true;
      isLeft = true;
      state.batch++;
      if (report.updated) state.step++;
      average?.update(report);
      const size = sizeOf(batch);
      if (!report.skipped) {
        state.lossSum += size * report.loss;
        state.samples += size;
      }
      shown.advance(report, state);
      if (report.updated && state.step % logEvery === 0) this.#log?.step(state.epoch, state.step, report, performance.now() - began);
      for (const callback of callbacks) await callback.onStep?.(report, this.#view);
      if (report.updated && validateEvery !== "epoch" && state.step % validateEvery === 0) await this.#record(shown);
      if (report.updated) await this.#save(keep.every !== "epoch" && state.step % keep.every === 0);
      if (this.#isAborted() || this.#stopping) return false;
      if (steps !== undefined && state.step >= steps) {
        isWhole = state.batch === data.train.length;
        break;
      }
      await setImmediate();
    }
    if (state.batch === 0) throw new SteppeError("ARGUMENT", "Expected at least one batch in every pass of data.train but received none.");
    const isLast = steps === undefined ? state.epoch >= epochs! : state.step >= steps;
    if (isLeft && (validateEvery === "epoch" || (isLast && state.samples > 0))) await this.#record(shown);
    if (state.recordDue) return false;
    if (isWhole) state.batch = 0;
    await this.#save(keep.every === "epoch");
    return !this.#stopping || this.#isDone();
  }

  /** Validates and records; where the run is ended meanwhile, the record is due when it goes on. */
  async #record(shown: FitProgress): Promise<void> {
    const { model, loss, optimizer, data, metrics, predict, targets, average, autocast, callbacks, signal, watched, earlyStopping } = this.#settings;
    const state = this.#state;
    state.recordDue = true;
    const about: RunRecord = { epoch: state.epoch, step: state.step, loss: state.lossSum / state.samples, seconds: (performance.now() - this.#recorded) / 1000 };
    if (data.validation !== undefined) {
      const validation = data.validation;
      const look = () => evaluate({ model, loss, metrics, ...(predict && { predict }), ...(targets && { targets }), ...(autocast && { autocast }), ...(signal && { signal }) }, validation);
      try {
        signal?.throwIfAborted();
        if (!(await this.#refreshAverage())) return;
        const { loss: validationLoss, ...others } = await (average === undefined ? look() : average.apply(look));
        Object.assign(about, { validationLoss, ...others });
      } catch (error) {
        if (this.#isAborted() && error === signal!.reason) return;
        throw error;
      }
    }
    state.recordDue = false;
    this.#unsaved = true;
    state.history.push(about);
    [state.lossSum, state.samples] = [0, 0];
    this.#recorded = performance.now();
    this.#log?.record(about);
    shown.record(about);
    const value = about[watched.metric]!;
    if (optimizer.takesMetric) optimizer.reportMetric(value);
    if (state.best === null || isBetter(value, state.best.value, watched.mode, earlyStopping?.minDelta)) {
      state.best = { value, step: state.step };
      state.waited = 0;
    } else if (earlyStopping !== undefined && ++state.waited >= earlyStopping.patience) {
      this.#stopping = true;
    }
    for (const callback of callbacks) await callback.onRecord?.(about, this.#view);
  }

  /** Validation and whoever takes the average at the end find batch-norm statistics that are its own. @returns false where the signal came */
  async #refreshAverage(): Promise<boolean> {
    const { model, average, loss, data, autocast, signal } = this.#settings;
    if (average?.needsUpdateBn !== true) return true;
    const options = { model, average, loss, batches: data.train, ...(autocast && { autocast }), ...(signal && { signal }) };
    try {
      await this.#random.draw(() => refreshStatistics<Batch>(options));
    } catch (error) {
      if (this.#isAborted() && error === signal!.reason) return false;
      throw error;
    }
    this.#unsaved = true;
    return true;
  }

  /** @param due whether it is time; a record that is the best so far gets its checkpoint in any case */
  async #save(due: boolean): Promise<void> {
    if (this.#checkpoints === null || !(due || this.#checkpoints.isBest(this.#state))) return;
    const path = this.#checkpoints.save(this.#state);
    this.#unsaved = false;
    for (const callback of this.#settings.callbacks) await callback.onCheckpoint?.(path, this.#view);
  }
}
