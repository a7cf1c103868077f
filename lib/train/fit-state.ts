import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Loader } from "../data/index.js";
import type { LoaderState } from "../data/index.js";
import { SteppeError } from "../errors.js";
import { ioError } from "../io/file-errors.js";
import type { AverageState, OptimizerState } from "../optim/index.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { otherDevices } from "./average-statistics.js";
import { CheckpointFolder, loadCheckpoint } from "./checkpoint.js";
import type { StateValue } from "./checkpoint.js";
import type { RunRecord, Settings, Watched } from "./fit-options.js";
import type { RandomStream } from "./random-stream.js";

/** The part of a run's state that is its own. */
export interface RunState {
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
  /** A record is due here that was broken off. */
  recordDue: boolean;
}

/** Before the first step. */
export function initialState(): RunState {
  return { epoch: 0, step: 0, batch: 0, lossSum: 0, samples: 0, history: [], best: null, waited: 0, recordDue: false };
}

/** Everything that a checkpoint holds besides the model. */
interface SavedRun {
  optimizer: OptimizerState;
  progress: RunState;
  loader: LoaderState | null;
  average: AverageState | null;
  generator: Tensor;
  /** Of the model's other devices. */
  generators?: Record<string, Tensor>;
  /** The step of the best checkpoint, and its value. */
  best: { step: number; value: number } | null;
}

/** The checkpoints of a run: the last ones, and the best. */
export class FitCheckpoints<Batch extends Tensor[]> {
  readonly #settings: Settings<Batch>;
  readonly #random: RandomStream;
  readonly #folder: CheckpointFolder;
  #best: SavedRun["best"] = null;

  constructor(folder: string, settings: Settings<Batch>, random: RandomStream) {
    const path = join(folder, "checkpoints");
    try {
      mkdirSync(path, { recursive: true });
    } catch (error) {
      throw ioError("write", folder, error);
    }
    this.#settings = settings;
    this.#random = random;
    this.#folder = new CheckpointFolder(path);
    this.#folder.recover();
  }

  get latest(): string | null {
    return this.#folder.latest();
  }

  /** Whether the last record is about this very step, and better than that of the best checkpoint. */
  isBest({ step, history }: RunState): boolean {
    const { best } = this.#settings.keep;
    const last = history.at(-1);
    return best !== null && last?.step === step && (this.#best === null || isBetter(last[best.metric]!, this.#best.value, best.mode));
  }

  /** @returns the checkpoint's path */
  save(state: RunState): string {
    const { model, optimizer, data, average, keep } = this.#settings;
    if (this.isBest(state)) this.#best = { step: state.step, value: state.history.at(-1)![keep.best!.metric]! };
    const saved: SavedRun = {
      optimizer: optimizer.stateDict(),
      progress: { ...state, history: [...state.history] },
      loader: data.train instanceof Loader ? data.train.stateDict() : null,
      average: average?.stateDict() ?? null,
      generator: this.#random.state,
      generators: Object.fromEntries(otherDevices(model).map((device) => [device, torch.defaultGenerator(device).getState()])),
      best: this.#best,
    };
    const path = this.#folder.save(state.step, model.stateDict(), saved as unknown as StateValue);
    this.#folder.prune(keep.last, this.#best === null ? null : this.#folder.pathOf(this.#best.step));
    return path;
  }

  /** Puts everything back as it was. @returns where the run was */
  load(path: string): RunState {
    const { model, optimizer, data, average } = this.#settings;
    const checkpoint = loadCheckpoint(path);
    const saved = checkpoint.state as unknown as SavedRun;
    if ((saved.average === null) !== (average === undefined)) {
      throw new SteppeError("ARGUMENT", `Expected ${saved.average === null ? "no average" : "an average"} for average, as the run in ${path} had, but received ${average === undefined ? "none" : "one"}.`);
    }
    if (data.train instanceof Loader && saved.loader !== null) data.train.loadStateDict(saved.loader);
    optimizer.loadStateDict(saved.optimizer);
    model.loadStateDict(checkpoint.model);
    if (saved.average !== null) average!.loadStateDict(saved.average);
    this.#random.state = saved.generator;
    for (const [device, state] of Object.entries(saved.generators ?? {})) if (otherDevices(model).includes(device)) torch.defaultGenerator(device).setState(state);
    this.#best = saved.best;
    return { ...initialState(), ...saved.progress };
  }
}

/** Whether a value is better, by more than `delta`. NaN is worse than anything. */
export function isBetter(value: number, best: number, mode: NonNullable<Watched["mode"]>, delta = 0): boolean {
  if (Number.isNaN(best)) return !Number.isNaN(value);
  return mode === "min" ? value < best - delta : value > best + delta;
}
