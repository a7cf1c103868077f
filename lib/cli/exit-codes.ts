import { SteppeError } from "../errors.js";

/** What the command's exit codes say. */
export const exitCodes = {
  done: 0,
  /** Something failed on the way: a file, LibTorch, memory, a defect. */
  failed: 1,
  /** A wrong command line or configuration: what shells and schedulers expect for it. */
  usage: 2,
  /** Training met NaN or infinity. */
  diverged: 3,
  /** SIGINT (Ctrl-C) and SIGTERM ended it, after a checkpoint: to be gone on with. */
  interrupted: 130,
  terminated: 143,
} as const;

/** The code for an error, once its message was shown. */
export function exitCodeOf(error: SteppeError): number {
  if (error.code === "ARGUMENT") return exitCodes.usage;
  return error.code === "NON_FINITE" ? exitCodes.diverged : exitCodes.failed;
}
