import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { vi } from "vitest";
import { root, start, workFolder } from "./processes.js";

// The `steppe` command in a process of its own.

// A test here starts several processes, each of which takes seconds where others are at work.
vi.setConfig({ testTimeout: 600_000 });

export const program = join(root, "scripts", "steppe.js");

export const startSteppe = (cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) => start(process.execPath, [program, ...args], { cwd, env });

export const steppe = (cwd: string, ...args: string[]) => startSteppe(cwd, args).finished;

/** A small run on the embedded digits. */
export const config = {
  data: { name: "digits", fraction: 0.3 },
  model: { name: "ConvNet", width: 4 },
  optimizer: { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.05, momentum: 0.9 }, lrSchedule: { name: "cosine" } },
  epochs: 3,
  batchSize: 32,
  seed: 2,
  threads: 1,
};

/** A folder with a configuration in it, in which `import … from "steppe"` finds the package. */
export function withConfig(name = "sam.json", content: string | object = config): string {
  const folder = workFolder();
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "steppe"), "junction");
  writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
  return folder;
}
