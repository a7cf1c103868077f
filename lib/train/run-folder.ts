import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ioError } from "../io/file-errors.js";
import { saveSafetensors } from "../io/safetensors.js";
import { writeWhole } from "../io/whole-file.js";
import type { Tensor } from "../tensor.js";

/** A line of `metrics.jsonl` about a step. */
export type MetricsLine = Readonly<Record<string, unknown>> & { step: number };

/**
 * The folder of one training run: `settings.json`, `metrics.jsonl` with one JSON object a line, weights as safetensors.
 * Files are written whole or not at all; `metrics.jsonl` grows by whole lines.
 *
 * @example
 * const run = train.RunFolder.create("runs", "2026-01-31T12-00-00", { seed: 0 });
 * run.log({ epoch: 1, loss: 0.52 });
 * run.saveWeights("model", model.stateDict());
 */
export class RunFolder {
  /** Its path. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes a new folder, and those above it, with the settings in it.
   *
   * @param name the folder's name; where it is taken, "-2" and so on is appended
   * @throws SteppeError `IO` if the file system refuses
   */
  static create(parent: string, name: string, settings: object): RunFolder {
    try {
      mkdirSync(parent, { recursive: true });
      for (let i = 1; ; i++) {
        const path = join(parent, i === 1 ? name : `${name}-${i}`);
        if (!makeFolder(path)) continue;
        const run = new RunFolder(path);
        run.writeJson("settings.json", settings);
        return run;
      }
    } catch (error) {
      throw (error as NodeJS.ErrnoException).syscall === undefined ? error : ioError("write", join(parent, name), error);
    }
  }

  /** A folder that is there already. */
  static open(path: string): RunFolder {
    return new RunFolder(path);
  }

  /** Writes a value as readable JSON. */
  writeJson(file: string, value: unknown): void {
    writeWhole(join(this.path, file), [Buffer.from(`${JSON.stringify(value, null, 2)}\n`)]);
  }

  /** Appends a line to `metrics.jsonl`. */
  log(metrics: object): void {
    const path = join(this.path, "metrics.jsonl");
    try {
      appendFileSync(path, `${JSON.stringify(metrics)}\n`);
    } catch (error) {
      throw ioError("write", path, error);
    }
  }

  /**
   * Takes out of `metrics.jsonl` what a run wrote of steps after `step` and beyond so many records (lines of `train.fit`), and a last
   * line that was cut off: a run that goes on from there writes them again.
   */
  forgetAfter(step: number, records = Infinity): { kept: MetricsLine[]; removed: MetricsLine[] } {
    const path = join(this.path, "metrics.jsonl");
    const [kept, removed]: [MetricsLine[], MetricsLine[]] = [[], []];
    if (!existsSync(path)) return { kept, removed };
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch (error) {
      throw ioError("read", path, error);
    }
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    let left = records;
    const stays = whole.split("\n").filter((line) => {
      const about = aboutStep(line);
      if (about === null) return true;
      const isKept = about.step <= step && (about["kind"] === "step" || left-- > 0);
      (isKept ? kept : removed).push(about);
      return isKept;
    });
    const rest = stays.join("\n");
    if (rest !== text) writeWhole(path, [Buffer.from(rest)]);
    return { kept, removed };
  }

  /** Writes a state dict to `NAME.safetensors`. */
  saveWeights(name: string, state: Record<string, Tensor>, metadata: Record<string, string> = {}): void {
    saveSafetensors(join(this.path, `${name}.safetensors`), state, metadata);
  }
}

/** Whether the folder is new: two runs that start at once never share one. */
function makeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** A line of `train.fit`; null for any other. */
function aboutStep(line: string): MetricsLine | null {
  try {
    const value = JSON.parse(line) as MetricsLine;
    return (value["kind"] === "step" || value["kind"] === "record") && typeof value.step === "number" ? value : null;
  } catch {
    return null;
  }
}
