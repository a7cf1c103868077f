export { accuracy } from "./accuracy.js";
export { Progress } from "./progress.js";
export { RunFolder } from "./run-folder.js";
export type { ProgressOptions, ProgressStream } from "./progress.js";
