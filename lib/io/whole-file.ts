import { createHash, randomBytes } from "node:crypto";
import { closeSync, fchmodSync, fsyncSync, openSync, readdirSync, realpathSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { SteppeError } from "../errors.js";
import { ioError } from "./file-errors.js";

/** A temporary file that nobody has written to for so long was left by a process that was killed, in milliseconds. */
const ABANDONED_MS = 3_600_000;

/**
 * Writes a file whole or not at all: the pieces go to a temporary file beside it, which takes the file's place
 * once it is on the disk. Whatever happens in between, a reader sees the old file or the new one. What a process that was
 * killed has left of the same file goes an hour later, with the next one that is written.
 *
 * @param path the file; its folder must exist
 * @param pieces the content, in order; made only when their turn comes, so that not all need memory at once
 * @throws SteppeError `IO` if the file system refuses (a full disk, a missing folder): an older file is as it was
 */
export function writeWhole(path: string, pieces: Iterable<Uint8Array>): void {
  let temporary = "";
  try {
    const target = realPath(path);
    const before = statSync(target, { throwIfNoEntry: false });
    if (before !== undefined && !before.isFile()) throw new SteppeError("IO", `${path} is a folder, a device or a pipe: only a file can be written whole.`);
    const folder = dirname(target);
    const prefix = `.steppe-${createHash("sha256").update(basename(target)).digest("hex").slice(0, 16)}-`;
    clearAway(folder, prefix);
    temporary = join(folder, `${prefix}${randomBytes(8).toString("hex")}.tmp`);
    withFile(temporary, "wx", (file) => {
      for (const piece of pieces) writeFully(file, piece);
      if (before !== undefined) fchmodSync(file, before.mode & 0o7777);
      fsyncSync(file);
    });
    renameSync(temporary, target);
    temporary = "";
    // The new name is on the disk only once its folder is. Windows cannot open a folder, and needs no such step.
    if (process.platform !== "win32") withFile(folder, "r", fsyncSync);
  } catch (error) {
    if (temporary !== "") rmSync(temporary, { force: true });
    throw isSystemError(error) ? ioError("write", path, error) : error;
  }
}

/** Of temporary files with this prefix those that were abandoned. What keeps them from going does not keep others from being written. */
function clearAway(folder: string, prefix: string): void {
  try {
    for (const name of readdirSync(folder).filter((each) => each.startsWith(prefix))) {
      const path = join(folder, name);
      const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity);
      if (age > ABANDONED_MS) rmSync(path, { force: true });
    }
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

/** Opens a file for the time of `work`. */
export function withFile<T>(path: string, flags: string, work: (file: number) => T): T {
  const file = openSync(path, flags);
  try {
    return work(file);
  } finally {
    closeSync(file);
  }
}

/** Whether an error comes from the file system. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === "string";
}

/** Where a link leads, so that the link stays one; a path to nothing is itself. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function writeFully(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}
