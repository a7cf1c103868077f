import { existsSync } from "node:fs";
import { join } from "node:path";
import { Loader } from "../data/index.js";
import type { StepReport } from "../optim/index.js";
import type { Tensor } from "../tensor.js";
import { environment } from "./environment.js";
import type { RunRecord, Settings } from "./fit-options.js";
import type { RunState } from "./fit-state.js";
import { RunFolder } from "./run-folder.js";
import type { MetricsLine as Line } from "./run-folder.js";
import { EventFile } from "./tensorboard/event-file.js";

/** What a run writes of itself into its folder: `settings.json`, `metrics.jsonl`, and an event file for TensorBoard. */
export class RunLog<Batch extends Tensor[]> {
  readonly #settings: Settings<Batch>;
  readonly #folder: RunFolder;
  #events: EventFile | null = null;

  constructor(folder: string, settings: Settings<Batch>) {
    this.#folder = RunFolder.open(folder);
    this.#settings = settings;
  }

  /** Before the first step of this process: what an earlier one wrote beyond the checkpoint that it goes on from counts no more. */
  begin({ step, history }: RunState): void {
    if (!existsSync(join(this.#folder.path, "settings.json"))) this.#folder.writeJson("settings.json", this.#describe());
    const { kept, removed } = this.#folder.forgetAfter(step, history.length);
    if (!this.#settings.tensorboard) return;
    // Event files are cut at a step: one that keeps some of its lines only is written again.
    const isCut = removed.some((line) => line.step === step);
    this.#events = EventFile.create(this.#folder.path, step === 0 ? 0 : isCut ? step : step + 1);
    if (isCut) for (const line of kept) if (line.step === step) this.#events.scalars(step, scalarsOf(line));
    if (step > 0) return;
    const settings = this.#describe();
    this.#events.text(0, "settings", indented(JSON.stringify(settings, null, 2)));
    this.#events.hparams(hyperparameters(settings));
  }

  step(epoch: number, step: number, { loss, perturbedLoss, gradNorm, skipped }: StepReport, ms: number): void {
    const { lr, rho } = this.#settings.optimizer.scheduled[0]!;
    this.#write({ kind: "step", epoch, step, loss, perturbedLoss, gradNorm, skipped, lr, rho, ms: Number(ms.toFixed(3)) });
  }

  record(record: RunRecord): void {
    this.#write({ kind: "record", ...record });
  }

  end(): void {
    this.#events?.close();
    this.#events = null;
  }

  #write(line: Line): void {
    this.#folder.log(line);
    this.#events?.scalars(line.step, scalarsOf(line));
  }

  /** What `settings.json` says where nobody wrote one before. */
  #describe(): Record<string, unknown> {
    const { label, optimizer, model, epochs, steps, data, validateEvery, earlyStopping, autocast, settings } = this.#settings;
    const loader = data.train instanceof Loader ? data.train : null;
    return {
      label,
      method: optimizer.method,
      seed: loader?.seed,
      optimizer: optimizer.options,
      epochs,
      steps,
      data: loader === null ? undefined : { samples: loader.dataset.length, batchSize: loader.batchSize },
      parameters: model.numParameters(),
      validateEvery,
      earlyStopping,
      autocast,
      ...settings,
      environment: environment(),
    };
  }
}

/** A line's numbers under the tags of TensorBoard's charts. */
function scalarsOf({ kind, epoch, step: _, loss, ...others }: Line): Record<string, number> {
  const tags: Record<string, unknown> =
    kind === "step" ? renamed(others, (name) => `train/${name === "ms" ? "milliseconds" : name}`) : renamed(others, (name) => (name === "seconds" ? "train/seconds" : `validation/${name === "validationLoss" ? "loss" : name}`));
  const all = { [kind === "step" ? "train/loss" : "train/meanLoss"]: loss, ...(kind === "step" ? {} : { "train/epoch": epoch }), ...tags };
  // NaN and infinities, which are numbers, stand as null in lines that are read again.
  return Object.fromEntries(Object.entries(all).flatMap(([tag, value]) => (typeof value === "number" ? [[tag, value]] : value === null ? [[tag, NaN]] : [])));
}

function renamed(values: object, name: (key: string) => string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [name(key), value]));
}

/** Settings in the columns of TensorBoard's table: "optimizer.base.lr". Of `steppe train` the configuration's own. */
function hyperparameters({ method, seed, epochs, steps, data, autocast, config, optimizer }: Record<string, unknown>): Record<string, string | number | boolean> {
  const flat = (value: unknown, path: string): [string, string | number | boolean][] => {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return [[path, value]];
    if (typeof value !== "object" || value === null) return [];
    return Object.entries(value).flatMap(([key, each]) => flat(each, path === "" ? key : `${path}.${key}`));
  };
  const { compare: _, callbacks: _callbacks, $schema: _schema, ...own } = (config ?? {}) as Record<string, unknown>;
  return Object.fromEntries(flat({ method, seed, epochs, steps, data, autocast, ...own, optimizer }, ""));
}

/** A block of code in Markdown. */
function indented(text: string): string {
  return text.replace(/^/gm, "    ");
}
