import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, onTestFinished } from "vitest";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** What `npm start` runs. */
export const startScript = join(root, "scripts", "start.js");

export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A folder to run a job in, removed after the test. */
export function workFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "steppe-cli-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** Starts a program as a real process. */
export function start(program: string, args: readonly string[], { cwd = root, env = {} }: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const text = { stdout: "", stderr: "" };
  const listeners = new Set<() => void>();
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (chunk: string) => {
      text[name] += chunk;
      for (const listener of listeners) listener();
    });
  }
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, ...text }));
  });
  const said = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => pattern.test(text.stdout) && resolve();
      listeners.add(look);
      look();
      void finished.then(() => reject(new Error(`It ended without ${pattern}:\n${text.stdout}${text.stderr}`)), reject);
    });
  return { child, finished, said };
}

/** Runs `npm start`'s script to its end, in a folder of the test's. */
export function runStart(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  return start(process.execPath, [startScript, ...args], { cwd, env }).finished;
}

/** `npm test` has set up everything already; vitest on its own has not, and a test's patience is shorter than a compiler's. */
export function setUp(): void {
  beforeAll(() => void execFileSync(process.execPath, [join(root, "scripts", "setup", "main.js")], { cwd: root, stdio: "ignore" }), 3_600_000);
}

/** The only run folder below a folder. */
export function onlyRun(folder: string): string {
  const names = readdirSync(join(folder, "runs"));
  if (names.length !== 1) throw new Error(`Expected one run folder but found ${names.length}: ${names.join(", ")}`);
  return join(folder, "runs", names[0]!);
}

export function readJson(...path: string[]): Record<string, unknown> {
  return JSON.parse(readFileSync(join(...path), "utf8")) as Record<string, unknown>;
}

/** The objects in a file of JSON lines. */
export function readLines(...path: string[]): Record<string, unknown>[] {
  const text = readFileSync(join(...path), "utf8");
  if (!text.endsWith("\n")) throw new Error("Expected whole lines only.");
  return text.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
}
