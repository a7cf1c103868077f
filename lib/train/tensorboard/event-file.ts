import { closeSync, mkdirSync, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { checkInteger } from "../../checks.js";
import { SteppeError, expected } from "../../errors.js";
import { ioError } from "../../io/file-errors.js";
import { maskedCrc32c } from "./crc32c.js";
import { hparamsEvent, scalarsEvent, startEvent, textEvent, versionEvent } from "./event.js";

/**
 * An event file that TensorBoard reads: numbers by step, and texts. Every record goes to the file at once, so that it is there
 * whatever becomes of the process; a record that was cut off is passed over by TensorBoard.
 *
 * @example
 * const events = train.EventFile.create("runs/first");
 * events.scalars(10, { "train/loss": 0.52 });
 * events.close();
 */
export class EventFile {
  /** Its path. */
  readonly path: string;
  #file: number | null;

  private constructor(path: string, file: number) {
    this.path = path;
    this.#file = file;
  }

  /**
   * A new file in a folder, which is made if it isn't there. The folder's earlier files stay; of them, what belongs to `step`
   * and later steps counts no more.
   *
   * @param step the first one that this file is about; default 0: it begins anew
   * @throws SteppeError `IO` if the file system refuses
   */
  static create(folder: string, step = 0): EventFile {
    if (typeof folder !== "string" || folder === "") throw expected("a path", "folder", folder);
    checkInteger(step, "step", 0);
    try {
      mkdirSync(folder, { recursive: true });
      // Files are read in the order of their names: this one's is later than any that is there.
      const earlier = readdirSync(folder).map((name) => Number(/^events\.out\.tfevents\.(\d+)\./.exec(name)?.[1] ?? 0));
      for (let seconds = Math.max(Math.floor(Date.now() / 1000), Math.max(0, ...earlier) + 1); ; seconds++) {
        const path = join(folder, `events.out.tfevents.${String(seconds).padStart(10, "0")}.steppe`);
        const file = openNew(path);
        if (file === null) continue;
        const events = new EventFile(path, file);
        events.#write(versionEvent());
        events.#write(startEvent(step));
        return events;
      }
    } catch (error) {
      throw error instanceof SteppeError ? error : ioError("write", folder, error);
    }
  }

  /**
   * Numbers of a step, as float32: a chart for each tag, and tags with the same word before a slash together.
   *
   * @throws SteppeError `IO` if the file system refuses, `CLOSED` after {@link close}
   */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    checkInteger(step, "step", 0);
    const entries = Object.entries(values);
    for (const [tag, value] of entries) if (typeof value !== "number") throw expected("a number", `values[${JSON.stringify(tag)}]`, value);
    if (entries.length > 0) this.#write(scalarsEvent(step, entries));
  }

  /** A text in Markdown. */
  text(step: number, tag: string, markdown: string): void {
    checkInteger(step, "step", 0);
    for (const [name, value] of Object.entries({ tag, markdown })) if (typeof value !== "string") throw expected("a string", name, value);
    this.#write(textEvent(step, tag, markdown));
  }

  /** What the run's table of hyperparameters says, beside the last numbers of its charts. */
  hparams(values: Readonly<Record<string, string | number | boolean>>): void {
    const entries = Object.entries(values);
    for (const [name, value] of entries) if (!["string", "number", "boolean"].includes(typeof value)) throw expected("a string, a number or a boolean", `values[${JSON.stringify(name)}]`, value);
    this.#write(hparamsEvent(entries));
  }

  /** Closes the file; a second time does nothing. */
  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  /** TFRecord: length, its checksum, the content, its checksum. */
  #write(content: Buffer): void {
    if (this.#file === null) throw new SteppeError("CLOSED", `Expected an open event file but ${this.path} was closed.`);
    const record = Buffer.alloc(content.length + 16);
    record.writeBigUInt64LE(BigInt(content.length));
    record.writeUInt32LE(maskedCrc32c(record.subarray(0, 8)), 8);
    content.copy(record, 12);
    record.writeUInt32LE(maskedCrc32c(content), 12 + content.length);
    try {
      for (let done = 0; done < record.length; ) done += writeSync(this.#file, record, done);
    } catch (error) {
      throw ioError("write", this.path, error);
    }
  }
}

/** null where another process was first. */
function openNew(path: string): number | null {
  try {
    return openSync(path, "wx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return null;
    throw error;
  }
}
