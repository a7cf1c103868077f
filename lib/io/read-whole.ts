import { readFile, stat } from "node:fs/promises";
import { formatError, ioError } from "./file-errors.js";
import { isSystemError } from "./whole-file.js";

/**
 * All of a file at once.
 *
 * @throws SteppeError `IO` if it cannot be read; `FORMAT` for a device or a pipe, which may have no end
 */
export async function readWhole(path: string): Promise<Buffer> {
  try {
    const about = await stat(path);
    if (!about.isFile() && !about.isDirectory()) throw formatError(path, 0, "a file", "a device or a pipe");
    return await readFile(path);
  } catch (error) {
    const { code } = error as { code?: unknown };
    throw isSystemError(error) || code === "ERR_FS_FILE_TOO_LARGE" ? ioError("read", path, error) : error;
  }
}
