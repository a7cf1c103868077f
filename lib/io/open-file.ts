import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { expected } from "../errors.js";
import { formatError, ioError } from "./file-errors.js";
import { isSystemError } from "./whole-file.js";

/** A file that is read in places. What is asked of it must lie within its size. */
export class OpenFile {
  readonly size: number;
  readonly #descriptor: number;

  /**
   * @throws SteppeError `IO` if it cannot be opened
   * @throws SteppeError `FORMAT` if it is a folder or a device
   */
  constructor(readonly path: string) {
    checkPath(path);
    // A pipe would be waited for while it is opened.
    if (!this.#try(() => statSync(path)).isFile()) throw formatError(path, 0, "a file", "a folder or a device");
    this.#descriptor = this.#try(() => openSync(path, "r"));
    try {
      const status = this.#try(() => fstatSync(this.#descriptor));
      if (!status.isFile()) throw formatError(path, 0, "a file", "a folder or a device");
      this.size = status.size;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Opens a file for the time of `work`. */
  static with<T>(path: string, work: (file: OpenFile) => T): T {
    const file = new OpenFile(path);
    try {
      return work(file);
    } finally {
      file.close();
    }
  }

  /**
   * `length` bytes from byte `begin` on.
   *
   * @param into where to put them: new memory if left out
   * @throws SteppeError `IO`, or `FORMAT` if the file ends before
   */
  read(begin: number, length: number, into: Buffer = Buffer.allocUnsafe(length)): Buffer {
    const bytes = into.subarray(0, length);
    for (let done = 0; done < length; ) {
      const count = this.#try(() => readSync(this.#descriptor, bytes, done, length - done, begin + done));
      // The file's size was checked before: somebody shortens it at this moment.
      if (count === 0) throw formatError(this.path, begin + done, `${length - done} more bytes`, "the end of the file");
      done += count;
    }
    return bytes;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #try<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw isSystemError(error) ? ioError("read", this.path, error) : error;
    }
  }
}

export function checkPath(path: unknown): asserts path is string {
  if (typeof path !== "string" || path === "" || path.includes("\0")) throw expected("the path of a file", "path", path);
}
