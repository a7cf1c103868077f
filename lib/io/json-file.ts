import { constants } from "node:buffer";
import { readFileSync, statSync } from "node:fs";
import { SteppeError, describe } from "../errors.js";
import { formatError, ioError } from "./file-errors.js";
import { jsonPlace } from "./json-place.js";
import { checkUtf8 } from "./utf8.js";

/** A string has at most this many UTF-16 units, and a byte of UTF-8 is at least a third of one. */
const mostBytes = 3 * constants.MAX_STRING_LENGTH;

/**
 * Reads a file that is one JSON value, with or without a byte order mark.
 *
 * @throws SteppeError `IO` if the file system refuses, `FORMAT` for broken UTF-8 and what is no JSON, with the place, for what does not
 * fit into a string (512 MiB), and for a device or a pipe, which may have no end
 */
export function readJson(path: string): unknown {
  let bytes: Buffer;
  try {
    const about = statSync(path);
    if (!about.isFile() && !about.isDirectory()) throw formatError(path, 0, "a file", "a device or a pipe");
    if (about.size > mostBytes) throw tooLong(path, about.size);
    bytes = readFileSync(path);
  } catch (error) {
    throw error instanceof SteppeError ? error : ioError("read", path, error);
  }
  checkUtf8(bytes, path);
  let text = "";
  try {
    text = bytes.toString("utf8");
    return JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    if ((error as { code?: unknown }).code === "ERR_STRING_TOO_LONG") throw tooLong(path, bytes.length);
    const mark = text.startsWith("\ufeff") ? 1 : 0;
    const { index, line, said } = jsonPlace(error, text.slice(mark));
    throw formatError(path, Buffer.byteLength(text.slice(0, mark + index)), "JSON", `${said} in line ${line}`, error);
  }
}

function tooLong(path: string, bytes: number): SteppeError {
  return formatError(path, 0, "JSON of at most 512 MiB, as much as a string holds,", `${bytes} bytes: JSON lines and Parquet, in which many sets are published as well, may be larger`);
}

/**
 * Reads a file that holds one JSON object.
 *
 * @throws SteppeError `IO` if the file system refuses, `FORMAT` for broken UTF-8 and anything else than an object
 */
export function readJsonObject(path: string): Record<string, unknown> {
  const value = readJson(path);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw formatError(path, 0, "a JSON object", describe(value));
  return value as Record<string, unknown>;
}
