import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";
import { typescriptIsCurrent } from "../../scripts/setup/typescript.js";

// What needs a process of its own (memory peaks, exits, crashes, worker threads) runs the built package: dist/.

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The built package's entry, to be imported by programs of tests. */
export const packageUrl = pathToFileURL(join(root, "dist", "index.js")).href;

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

function checkBuilt(): void {
  if (!typescriptIsCurrent()) throw new Error("dist/ was not built from lib/ as it is now: run `npm run build:ts` first. `npm test` does.");
}

/**
 * Runs an ES module in a process of its own, to its end. In it, `torch`, `nn`, `optim` and `steppe` (the whole package) are
 * at hand, and `packageUrl`.
 */
export function runProgram(code: string, { args = [], load = true }: { args?: readonly string[]; load?: boolean } = {}): Promise<Ended> {
  checkBuilt();
  const prelude = `const packageUrl = ${JSON.stringify(packageUrl)};\n${load ? "const steppe = await import(packageUrl);\nconst { torch, nn, optim } = steppe;\n" : ""}`;
  const child = spawn(process.execPath, [...args, "--input-type=module", "-e", prelude + code], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) child[name].setEncoding("utf8").on("data", (chunk: string) => (text[name] += chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, ...text }));
  });
}

/** Runs a program that must end well, and returns what it printed as JSON on its last line. */
export async function resultOf<Result>(code: string, options?: Parameters<typeof runProgram>[1]): Promise<Result> {
  const ended = await runProgram(code, options);
  if (ended.code !== 0) throw new Error(`It ended with ${ended.signal ?? `code ${ended.code}`}:\n${ended.stdout}${ended.stderr}`);
  return JSON.parse(ended.stdout.trimEnd().split("\n").at(-1)!) as Result;
}
