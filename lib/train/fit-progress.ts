import type { StepReport } from "../optim/index.js";
import type { FitOptions, RunRecord } from "./fit-options.js";
import type { RunState } from "./fit-state.js";
import { Progress } from "./progress.js";

/** What a run shows of itself while it goes on. */
export class FitProgress {
  readonly #progress: Progress | null;
  /** How far a run is: in steps of the optimizer, or in batches. */
  readonly #position: (state: RunState) => number;
  #shown: number;
  #validation: Record<string, string> = {};

  /** @param state where an earlier run has come to. Where nobody knows how long the run is, nothing is shown */
  constructor({ progress, label, optimizer, steps, epochs, data }: Pick<FitOptions<never>, "progress" | "label" | "optimizer" | "steps" | "epochs"> & { data: { train: object } }, state: RunState) {
    const stream = typeof progress === "object" ? progress : process.stdout;
    const wanted = progress === undefined ? process.stdout.isTTY === true : progress !== false;
    const { length } = data.train as { length?: unknown };
    const batches = typeof length === "number" ? length : null;
    this.#position = steps !== undefined ? ({ step }) => step : ({ epoch, batch }) => (batch === 0 ? epoch : epoch - 1) * (batches ?? 0) + batch;
    const total = steps ?? (batches === null ? 0 : batches * epochs!);
    this.#shown = this.#position(state);
    const left = total - this.#shown;
    this.#progress = wanted && left > 0 ? new Progress({ label: label ?? optimizer.method, total: left, unit: steps === undefined ? "batches" : "steps", stream }) : null;
  }

  advance(report: StepReport, state: RunState): void {
    const position = this.#position(state);
    this.#progress?.advance(position - this.#shown, { loss: report.loss.toFixed(4), ...this.#validation });
    this.#shown = position;
  }

  record(record: RunRecord): void {
    const { epoch: _, step: _step, seconds: _seconds, loss: _loss, ...rest } = record;
    this.#validation = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, value.toPrecision(4)]));
  }

  stop(): void {
    this.#progress?.stop();
  }
}
