import type { StepReport } from "../optim/index.js";
import type { FitOptions, RunRecord } from "./fit-options.js";
import { Progress } from "./progress.js";

/** What a run shows of itself while it goes on. */
export class FitProgress {
  readonly #progress: Progress | null;
  #shown: number;
  #validation: Record<string, string> = {};

  /**
   * @param total steps in all; null where nobody knows, and nothing is shown
   * @param done steps that an earlier run has taken
   */
  constructor({ progress, label, optimizer }: Pick<FitOptions<never>, "progress" | "label" | "optimizer">, total: number | null, done: number) {
    const stream = typeof progress === "object" ? progress : process.stdout;
    const wanted = progress === undefined ? process.stdout.isTTY === true : progress !== false;
    this.#shown = done;
    this.#progress = wanted && total !== null && total > done ? new Progress({ label: label ?? optimizer.method, total: total - done, unit: "steps", stream }) : null;
  }

  advance(report: StepReport, step: number): void {
    this.#progress?.advance(step - this.#shown, { loss: report.loss.toFixed(4), ...this.#validation });
    this.#shown = step;
  }

  record(record: RunRecord): void {
    const { epoch: _, step: _step, seconds: _seconds, loss: _loss, ...rest } = record;
    this.#validation = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, value.toPrecision(4)]));
  }

  stop(): void {
    this.#progress?.stop();
  }
}
