import { readFileSync } from "node:fs";
import { describe } from "../errors.js";
import { formatError, ioError } from "./file-errors.js";

/**
 * Reads a file that holds one JSON object.
 *
 * @throws SteppeError `IO` if the file system refuses, `FORMAT` for anything else than an object
 */
export function readJsonObject(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw ioError("read", path, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw formatError(path, 0, "JSON", (error as Error).message, error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw formatError(path, 0, "a JSON object", describe(value));
  return value as Record<string, unknown>;
}
