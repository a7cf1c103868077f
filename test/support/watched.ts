import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { onTestFinished } from "vitest";

/** A program that writes into a journal what it is about to do, at its end. */
export interface Watched {
  /** How it ended: null for an exit code of 0, else a signal's name or "exit code 1". */
  death: string | null;
  /** What stands in the journal. */
  last: string;
  /** The last line that it printed. */
  said: string;
  stderr: string;
}

/** What does nothing new for so many milliseconds hangs. */
const patience = 60_000;

/** Runs Node with these arguments, and kills it when its journal stays the same for too long. */
export function runWatched(args: readonly string[], journal: string, options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Watched> {
  const read = () => {
    try {
      return readFileSync(journal, "utf8");
    } catch {
      return "";
    }
  };
  rmSync(journal, { force: true });
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  onTestFinished(() => void child.kill("SIGKILL"));
  let [stdout, stderr, seen, since] = ["", "", "", Date.now()];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = (stderr + text).slice(-3000)));
  const watch = setInterval(() => {
    const now = read();
    if (now !== seen) [seen, since] = [now, Date.now()];
    else if (Date.now() - since > patience) child.kill("SIGKILL");
  }, 500);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearInterval(watch);
      resolve({ death: code === 0 ? null : (signal ?? `exit code ${code}`), last: read(), said: stdout.trimEnd().split("\n").at(-1)!, stderr });
    });
  });
}
