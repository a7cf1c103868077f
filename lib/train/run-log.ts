import { existsSync } from "node:fs";
import { join } from "node:path";
import { Loader } from "../data/index.js";
import type { StepReport } from "../optim/index.js";
import type { Tensor } from "../tensor.js";
import { environment } from "./environment.js";
import type { RunRecord, Settings } from "./fit-options.js";
import { RunFolder } from "./run-folder.js";
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

  /**
   * Before the first step of this process.
   *
   * @param step steps that were taken before: what an earlier process wrote of later ones counts no more
   */
  begin(step: number): void {
    if (!existsSync(join(this.#folder.path, "settings.json"))) this.#folder.writeJson("settings.json", this.#describe());
    this.#folder.forgetAfter(step);
    if (!this.#settings.tensorboard) return;
    this.#events = EventFile.create(this.#folder.path, step === 0 ? 0 : step + 1);
    if (step === 0) this.#events.text(0, "settings", indented(JSON.stringify(this.#describe(), null, 2)));
  }

  step(epoch: number, step: number, { loss, perturbedLoss, gradNorm, skipped }: StepReport, ms: number): void {
    const { lr, rho } = this.#settings.optimizer.scheduled[0]!;
    const line = { kind: "step", epoch, step, loss, perturbedLoss, gradNorm, skipped, lr, rho, ms: Number(ms.toFixed(3)) };
    this.#folder.log(line);
    const numbers = Object.entries({ loss, perturbedLoss, gradNorm, lr, rho, milliseconds: ms }).filter((entry): entry is [string, number] => typeof entry[1] === "number");
    this.#events?.scalars(step, Object.fromEntries(numbers.map(([name, value]) => [`train/${name}`, value])));
  }

  record(record: RunRecord): void {
    this.#folder.log({ kind: "record", ...record });
    const { epoch, step, loss, seconds, validationLoss, ...metrics } = record;
    const validation = { ...(validationLoss !== undefined && { loss: validationLoss }), ...metrics };
    this.#events?.scalars(step, {
      "train/meanLoss": loss,
      "train/epoch": epoch,
      "train/seconds": seconds,
      ...Object.fromEntries(Object.entries(validation).map(([name, value]) => [`validation/${name}`, value])),
    });
  }

  end(): void {
    this.#events?.close();
    this.#events = null;
  }

  /** What `settings.json` says where nobody wrote one before. */
  #describe(): object {
    const { label, optimizer, model, epochs, steps, data, validateEvery, earlyStopping, autocast } = this.#settings;
    const loader = data.train instanceof Loader ? data.train : null;
    return {
      label,
      method: optimizer.method,
      seed: loader?.seed,
      optimizer: optimizer.options,
      epochs,
      steps,
      data: loader === null ? undefined : { samples: loader.dataset.length, batchSize: loader.batchSize },
      parameters: model.parameters().reduce((sum, parameter) => sum + parameter.numel(), 0),
      validateEvery,
      earlyStopping,
      autocast,
      environment: environment(),
    };
  }
}

/** A block of code in Markdown. */
function indented(text: string): string {
  return text.replace(/^/gm, "    ");
}
