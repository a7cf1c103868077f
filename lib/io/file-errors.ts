import { SteppeError } from "../errors.js";

/**
 * The error for a file whose content is not what its format says.
 *
 * @param path the file
 * @param offset where in the file, in bytes
 * @param what what was expected there: "a header of at most 92 bytes"
 * @param received what stands there instead
 */
export function formatError(path: string, offset: number, what: string, received: string, cause?: unknown): SteppeError {
  return new SteppeError("FORMAT", `Expected ${what} at byte ${offset} of ${path} but received ${received}.`, { cause });
}

/** The error for what the file system refused: `action` is "read" or "write". */
export function ioError(action: string, path: string, cause: unknown): SteppeError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SteppeError("IO", `Expected to be able to ${action} ${path} but received: ${reason}.`, { cause });
}
