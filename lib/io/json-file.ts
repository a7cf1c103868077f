import { readFileSync } from "node:fs";
import { describe } from "../errors.js";
import { formatError, ioError } from "./file-errors.js";
import { checkUtf8 } from "./utf8.js";

/**
 * Reads a file that is one JSON value, with or without a byte order mark.
 *
 * @throws SteppeError `IO` if the file system refuses, `FORMAT` for broken UTF-8 and what is no JSON
 */
export function readJson(path: string): unknown {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw ioError("read", path, error);
  }
  checkUtf8(bytes, path);
  try {
    return JSON.parse(bytes.toString("utf8").replace(/^\ufeff/, ""));
  } catch (error) {
    throw formatError(path, 0, "JSON", (error as Error).message, error);
  }
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
