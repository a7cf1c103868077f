import { relative, resolve } from "node:path";
import { SteppeError } from "../errors.js";
import type { Built } from "./build.js";
import type { Config } from "./config.js";
import type { LoadedConfig } from "./load.js";

// What settings.json of a run's folder says, and whether a configuration is the one that the run began with.

/** What may change between two parts of a run: how long it is, and what is written about it. */
const changeable = ["$schema", "name", "epochs", "steps", "logEvery", "validateEvery", "evaluationBatchSize", "earlyStopping", "checkpoints", "folder", "threads", "compare", "metrics", "callbacks"];

/** @param more what may change, too @throws SteppeError `ARGUMENT` where a run would go on with other settings than it began with */
export function requireSame(old: object, now: object, folder: string, more: readonly string[] = []): void {
  const differences = differing(old, now).filter((path) => ![...changeable, ...more].includes(path.split(".")[0]!));
  if (differences.length === 0) return;
  const at = (object: object, path: string) => JSON.stringify(path.split(".").reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], object)) ?? "nothing";
  const lines = differences.map((path) => `  ${path}: the run has ${at(old, path)}, the configuration ${at(now, path)}`);
  throw new SteppeError("ARGUMENT", `Expected the configuration that the run in ${folder} began with but received another:\n${lines.join("\n")}`);
}

/** Paths of what is not the same in two objects. */
export function differing(a: unknown, b: unknown, path = ""): string[] {
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
  if (!isObject(a) || !isObject(b) || Array.isArray(a) !== Array.isArray(b)) return a === b ? [] : [path];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) => differing(a[key], b[key], path === "" ? key : `${path}.${key}`));
}

/** A configuration as JSON: functions by their names. */
export function plain(config: Config): object {
  return JSON.parse(JSON.stringify(config, (_, value: unknown) => (typeof value === "function" ? `function ${value.name}` : value))) as object;
}

/** What goes into settings.json beside what `train.fit` writes there by itself: the whole configuration. */
export function furtherSettings({ config, path }: LoadedConfig, { data, totalSteps, context }: Built, folder: string): Record<string, unknown> {
  return {
    version: 1,
    seed: context.seed,
    totalSteps,
    data: { samples: data.train.dataset.length, batchSize: context.batchSize, validation: data.validation?.dataset.length ?? 0, test: data.test?.dataset.length ?? 0 },
    // From this folder: functions of a configuration are read again from its file, and its relative paths count from there.
    source: path === null ? null : relative(resolve(folder), path),
    config: plain(config),
    startedAt: new Date().toISOString(),
  };
}
