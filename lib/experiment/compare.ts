import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { SteppeError, expected, suggest } from "../errors.js";
import { ioError } from "../io/file-errors.js";
import { readJsonObject } from "../io/json-file.js";
import { isSystemError } from "../io/whole-file.js";
import { halfWidth, mean, pairedTest, standardDeviation } from "../statistics.js";
import { RunFolder } from "../train/index.js";
import type { RunRecord } from "../train/index.js";
import { isBetterWhenSmaller } from "../train/metric-names.js";
import type { Sets } from "./data.js";
import type { Config } from "./config.js";
import type { LoadedConfig } from "./load.js";
import { mergedOptimizer } from "./methods.js";
import { trainConfig } from "./run.js";
import type { RunResult, TrainOptions } from "./run.js";
import { differing, plain, requireSame } from "./run-settings.js";

export interface CompareOptions extends Pick<TrainOptions, "signal" | "progress" | "tell"> {
  /** The comparison's folder; default the configuration's, else `runs/NAME-compare`. */
  folder?: string;
  /** In place of the configuration's. */
  seeds?: readonly number[];
  /** Only these of the configuration's methods. */
  methods?: readonly string[];
  /** Is told of each run when it begins, and of what it came to. */
  onRun?: (run: { method: string; seed: number; index: number; of: number; folder: string }) => void;
  onResult?: (run: { method: string; seed: number; metric: string; value: number; known: boolean }) => void;
}

/** A method beside the baseline, seed by seed. */
export interface Difference {
  /** Seeds that both have. */
  pairs: number;
  /** Mean of the differences: above 0 where the method's number is larger. */
  mean: number;
  /** Half the width of that mean's 95 % confidence interval; null for one pair. */
  halfWidth: number | null;
  /** Of Student's paired test, two-sided; null for one pair. */
  p: number | null;
}

/** One method over all seeds. */
export interface MethodResult {
  method: string;
  /** The number that is compared, by seed. */
  values: Record<string, number>;
  mean: number;
  /** With n − 1 below; null for one seed. */
  std: number | null;
  /** Median milliseconds of a step, the mean over the seeds; null where no step was logged. */
  stepMilliseconds: number | null;
  /** Against the baseline, on the seeds that both have; null for the baseline itself. */
  against: Difference | null;
  /** Paths of the run folders, by seed. */
  folders: Record<string, string>;
}

/** What `comparison.json` holds. */
export interface Comparison {
  version: 1;
  name: string;
  metric: string;
  choose: "last" | "best";
  baseline: string;
  seeds: number[];
  methods: MethodResult[];
  /** Whether all runs that were asked for came to their end. */
  complete: boolean;
}

/**
 * Trains every method with every seed, with the same data in the same order and from the same initial weights for a seed, and
 * compares them: mean, standard deviation, and a paired t test against the baseline. Runs that are finished are not done again, and one
 * that was broken off goes on, so that the same call starts and restarts it. Seeds are the outer loop: what is done by some point
 * is a comparison with less seeds.
 *
 * @throws SteppeError `ARGUMENT` for a configuration without `compare`, unknown methods, or a folder of another comparison
 */
export async function compareConfig(loaded: LoadedConfig, options: CompareOptions = {}): Promise<Comparison> {
  const { config, name } = loaded;
  const { compare } = config;
  if (compare === undefined) {
    const example = '{ "methods": { "SGD": { "method": "none" }, "SAM": { "method": "sam" } } }';
    throw new SteppeError("ARGUMENT", `compare: missing; expected the methods to compare, such as ${example}`);
  }
  const all = Object.keys(compare.methods);
  const methods = chosenMethods(compare.methods, options.methods);
  const { baseline = all[0]!, choose = "last" } = compare;
  const seeds = [...(options.seeds ?? compare.seeds ?? [0, 1, 2])];
  if (seeds.length === 0 || new Set(seeds).size !== seeds.length) throw expected("different seeds", "seeds", seeds);
  const folder = options.folder ?? config.folder ?? join("runs", `${name}-compare`);
  const root = openRoot(folder, config);
  const places = folderNames(all);
  const loadedSets = new Map<string, Sets>();
  const runOf = (method: string, seed: number) => {
    const { compare: _, folder: _folder, ...rest } = config;
    const own: Config = { ...rest, seed, optimizer: mergedOptimizer(config.optimizer, compare.methods[method]!) as unknown as Config["optimizer"] };
    return { place: join(folder, places.get(method)!, `seed-${seed}`), own };
  };
  // What was done before, with whatever methods and seeds, belongs to the comparison.
  const results = new Map<string, Map<number, { result: RunResult; folder: string }>>(all.map((method) => [method, new Map()]));
  for (const method of all) {
    for (const seed of seedsIn(join(folder, places.get(method)!))) {
      const { place, own } = runOf(method, seed);
      const result = finishedRun(place, own);
      if (result !== null) results.get(method)!.set(seed, { result, folder: place });
    }
  }
  let index = 0;
  let metric = compare.metric ?? null;
  const comparison = () => {
    const there = new Set([...seeds, ...[...results.values()].flatMap((runs) => [...runs.keys()])]);
    const complete = methods.every((method) => seeds.every((seed) => results.get(method)!.has(seed)));
    return summarize({ name, metric: metric!, choose, baseline, seeds: [...there].sort((a, b) => a - b), complete }, all, results);
  };
  for (const seed of seeds) {
    for (const method of methods) {
      if (options.signal?.aborted === true) break;
      const { place, own } = runOf(method, seed);
      const known = results.get(method)!.get(seed)?.result ?? null;
      if (known === null) options.onRun?.({ method, seed, index, of: seeds.length * methods.length, folder: place });
      index++;
      const result = known ?? (await trainConfig({ ...loaded, config: own, name: method }, { ...options, folder: place, resume: true, loaded: loadedSets }));
      if (result.end === "aborted") break;
      results.get(method)!.set(seed, { result, folder: place });
      metric ??= defaultMetric(result);
      options.onResult?.({ method, seed, metric, value: valueOf(result, metric, choose), known: known !== null });
      root.writeJson("comparison.json", comparison());
    }
  }
  if (metric === null) return { version: 1, name, metric: "loss", choose, baseline, seeds, methods: [], complete: false };
  return comparison();
}

function chosenMethods(all: Readonly<Record<string, object>>, chosen: readonly string[] | undefined): string[] {
  const names = Object.keys(all);
  for (const name of chosen ?? []) {
    if (!names.includes(name)) throw new SteppeError("ARGUMENT", `Expected one of ${names.join(", ")} as method but received ${JSON.stringify(name)}.${suggest(name, names)}`);
  }
  return chosen === undefined ? names : names.filter((name) => chosen.includes(name));
}

/** The folder, with the settings that all of its runs share. */
function openRoot(folder: string, config: Config): RunFolder {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw isSystemError(error) ? ioError("write", folder, error) : error;
  }
  const root = RunFolder.open(folder);
  const path = join(folder, "settings.json");
  if (existsSync(path)) requireSame(readJsonObject(path)["config"] as object, plain(config), folder, ["seed"]);
  else root.writeJson("settings.json", { version: 1, kind: "comparison", config: plain(config) });
  return root;
}

/** Folders of the methods, in names that every file system takes: "SAM, ρ = 0.1" is "SAM____=_0.1". */
function folderNames(methods: readonly string[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const method of methods) {
    const plainName = method.replace(/[^\w.+=-]/g, "_");
    let name = plainName;
    for (let i = 2; [...names.values()].includes(name); i++) name = `${plainName}-${i}`;
    names.set(method, name);
  }
  return names;
}

/** Seeds of which a method's folder has runs. */
function seedsIn(folder: string): number[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const seed = /^seed-(\d+)$/.exec(name)?.[1];
    return seed === undefined ? [] : [Number(seed)];
  });
}

/** The result of a run of just this configuration that came to its end before, or null. */
function finishedRun(folder: string, config: Config): RunResult | null {
  const [settings, result] = [join(folder, "settings.json"), join(folder, "result.json")];
  if (!existsSync(settings) || !existsSync(result)) return null;
  if (differing(readJsonObject(settings)["config"], plain(config)).some((path) => !unimportant.includes(path.split(".")[0]!))) return null;
  return { ...readJsonObject(result), folder } as unknown as RunResult;
}

/** What does not change a run's result. */
const unimportant = ["$schema", "name", "logEvery", "checkpoints", "threads", "callbacks"];

const about = ["epoch", "step", "seconds"];

/** The first metric, else the loss on validation data, else the training loss. */
function defaultMetric({ final }: RunResult): string {
  const names = Object.keys(final ?? {}).filter((name) => !about.includes(name));
  return names.find((name) => name !== "loss" && name !== "validationLoss") ?? (names.includes("validationLoss") ? "validationLoss" : "loss");
}

function valueOf({ final, history, folder }: RunResult, metric: string, choose: "last" | "best"): number {
  const values = (choose === "last" ? [final] : history).map((record: RunRecord | null) => record?.[metric]);
  if (values.length === 0 || values.some((value) => typeof value !== "number")) {
    const there = Object.keys(final ?? {}).filter((name) => !about.includes(name));
    throw new SteppeError("ARGUMENT", `compare.metric: expected one of ${there.join(", ")}, which the run in ${folder} has, received ${JSON.stringify(metric)}`);
  }
  return (values as number[]).reduce((a, b) => ((isBetterWhenSmaller(metric) ? b < a : b > a) ? b : a));
}

const orNull = (value: number) => (Number.isNaN(value) ? null : value);

function difference(differences: number[]): Difference {
  return { pairs: differences.length, mean: mean(differences), halfWidth: orNull(halfWidth(differences)), p: orNull(pairedTest(differences)) };
}

type Results = ReadonlyMap<string, ReadonlyMap<number, { result: RunResult; folder: string }>>;

function summarize(about: Omit<Comparison, "version" | "methods">, methods: readonly string[], results: Results): Comparison {
  const { metric, choose, baseline } = about;
  const valuesOf = (method: string) => new Map([...(results.get(method) ?? [])].map(([seed, { result }]) => [seed, valueOf(result, metric, choose)]));
  const base = valuesOf(baseline);
  const summaries = methods.flatMap((method): MethodResult[] => {
    const values = valuesOf(method);
    if (values.size === 0) return [];
    const common = [...values.keys()].filter((seed) => base.has(seed));
    const runs = [...results.get(method)!].sort(([a], [b]) => a - b);
    const times = runs.flatMap(([, { result }]) => (result.stepMilliseconds == null ? [] : [result.stepMilliseconds]));
    return [
      {
        method,
        values: Object.fromEntries(values),
        mean: mean([...values.values()]),
        std: orNull(standardDeviation([...values.values()])),
        stepMilliseconds: times.length === 0 ? null : mean(times),
        against: method === baseline || common.length === 0 ? null : difference(common.map((seed) => values.get(seed)! - base.get(seed)!)),
        folders: Object.fromEntries(runs.map(([seed, { folder }]) => [seed, folder])),
      },
    ];
  });
  return { version: 1, ...about, methods: summaries };
}
