import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { SteppeError } from "../../errors.js";
import { ioError } from "../../io/file-errors.js";
import { isSystemError } from "../../io/whole-file.js";
import { Utf8Check } from "./utf8.js";

/**
 * What `read` makes of a text file's bytes, which come unpacked if the name ends with .gz, and checked to be UTF-8. The file is closed
 * however it ends.
 *
 * @throws SteppeError `IO` if the file system refuses; `FORMAT` for broken UTF-8 or gzip; whatever `read` throws is left as it is
 */
export async function* readText<T>(path: string, read: (bytes: Readable) => AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
  const file = createReadStream(path);
  const unpacked: Readable = path.endsWith(".gz") ? file.pipe(createGunzip()) : file;
  const bytes = unpacked.pipe(new Utf8Check(path));
  // An error does not travel along a pipe by itself.
  for (const stream of new Set<Readable>([file, unpacked])) stream.on("error", (error) => bytes.destroy(error));
  try {
    yield* read(bytes);
  } catch (error) {
    throw asSteppe(error, path);
  } finally {
    file.destroy();
  }
}

function asSteppe(error: unknown, path: string): unknown {
  if (error instanceof SteppeError) return error;
  if (isSystemError(error)) return ioError("read", path, error);
  const { code, message } = error as { code?: unknown; message?: string };
  return typeof code === "string" && code.startsWith("Z_") ? new SteppeError("FORMAT", `Expected gzipped data in ${path} but received: ${message}.`, { cause: error }) : error;
}
