import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { SteppeError, expected, suggest } from "../errors.js";
import { ioError } from "../io/file-errors.js";
import { readJsonObject } from "../io/json-file.js";
import { isSystemError } from "../io/whole-file.js";
import { RunFolder } from "../train/index.js";
import { defaultMetric, summarize, valueOf } from "./comparison.js";
import type { Comparison, MethodResult } from "./comparison.js";
import type { Sets } from "./data-sets.js";
import type { Config } from "./config.js";
import type { LoadedConfig } from "./load.js";
import { mergedOptimizer } from "./methods.js";
import { trainConfig } from "./run.js";
import type { RunResult, TrainOptions } from "./run.js";
import { differing, plain, requireSame } from "./run-settings.js";
import { tuneMethods } from "./tune-methods.js";
import { defaultTuneSeed, gridOf, settingOf } from "./settings-grid.js";
import type { Setting } from "./settings-grid.js";

export interface CompareOptions extends Pick<TrainOptions, "signal" | "progress" | "tell"> {
  /** The comparison's folder; default the configuration's, else `runs/NAME-compare`. */
  folder?: string;
  /** In place of the configuration's. */
  seeds?: readonly number[];
  /** Only these of the configuration's methods. */
  methods?: readonly string[];
  /** Is told of each run when it begins, and of what it came to. */
  onRun?: (run: { method: string; seed: number; index: number; of: number; folder: string; setting: string | null }) => void;
  /** `setting`: of a tuning run; `value`: null for one that diverged. */
  onResult?: (run: { method: string; seed: number; metric: string; value: number | null; known: boolean; setting: string | null }) => void;
}

/**
 * Trains every method with every seed, with the same data in the same order and from the same initial weights for a seed, and
 * compares them: mean, standard deviation, and a paired t test against the baseline. Runs that are finished are not done again, and one
 * that was broken off goes on, so that the same call starts and restarts it. Methods with a grid are tuned first, on validation data
 * with a seed of their own. Then seeds are the outer loop: what is done by some point is a comparison with less seeds.
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
  const { baseline = all[0]!, choose = "last", on = "validation", tuneSeed = defaultTuneSeed } = compare;
  const seeds = [...(options.seeds ?? compare.seeds ?? [0, 1, 2])];
  if (seeds.length === 0 || new Set(seeds).size !== seeds.length) throw expected("different seeds", "seeds", seeds);
  const folder = options.folder ?? config.folder ?? join("runs", `${name}-compare`);
  const root = openRoot(folder, config);
  const places = folderNames(all);
  const loadedSets = new Map<string, Sets>();
  const configOf = (seed: number, options: object): Config => {
    const { compare: _, folder: _folder, ...rest } = config;
    return { ...rest, seed, optimizer: mergedOptimizer(config.optimizer, options) as unknown as Config["optimizer"] };
  };
  const train = (own: Config, place: string, name: string) => trainConfig({ ...loaded, config: own, name }, { ...options, folder: place, resume: true, loaded: loadedSets });
  const grids = new Map(all.map((method) => [method, gridOf(compare.methods[method]!)]));
  if (seeds.includes(tuneSeed) && methods.some((method) => grids.get(method)!.length > 0)) throw expected(`other seeds than ${tuneSeed}, with which methods are tuned,`, "seeds", seeds);
  const of = methods.reduce((sum, method) => sum + grids.get(method)!.length + seeds.length, 0);
  let index = 0;
  /** The setting of each method; a method that is not to run now keeps the one that was chosen before. */
  const settings = new Map<string, Setting>();
  for (const { method, tuned } of earlier(folder)) if (tuned != null && method !== undefined && all.includes(method)) settings.set(method, settingOf(compare.methods[method]!, tuned.values));
  const found = await tuneMethods(methods, {
    metric: compare.metric ?? null,
    choose,
    on,
    signal: options.signal,
    gridOf: (method) => grids.get(method)!,
    trial: (method, setting) => {
      const place = join(folder, places.get(method)!, "tune", setting.name, `seed-${tuneSeed}`);
      const own = configOf(tuneSeed, setting.options);
      const known = finishedRun(place, own);
      if (known === null) options.onRun?.({ method, seed: tuneSeed, index, of, folder: place, setting: setting.name });
      index++;
      return { known, train: () => train(own, place, `${method}, ${setting.name}`) };
    },
    onResult: ({ setting, metric, ...rest }) => options.onResult?.({ ...rest, seed: tuneSeed, metric: metric ?? "", setting: setting.name }),
  });
  for (const [method, setting] of found.chosen) settings.set(method, setting);
  let { metric } = found;
  const isReady = (method: string) => grids.get(method)!.length === 0 || settings.has(method);
  const runOf = (method: string, seed: number) => ({ place: join(folder, places.get(method)!, `seed-${seed}`), own: configOf(seed, settings.get(method)?.options ?? compare.methods[method]!) });
  // What was done before, with whatever methods and seeds, belongs to the comparison.
  const results = new Map<string, Map<number, { result: RunResult; folder: string }>>(all.map((method) => [method, new Map()]));
  for (const method of all.filter(isReady)) {
    for (const seed of seedsIn(join(folder, places.get(method)!))) {
      const { place, own } = runOf(method, seed);
      const result = finishedRun(place, own);
      if (result !== null) results.get(method)!.set(seed, { result, folder: place });
    }
  }
  const comparison = () => {
    const there = new Set([...seeds, ...[...results.values()].flatMap((runs) => [...runs.keys()])]);
    const complete = methods.every((method) => seeds.every((seed) => results.get(method)!.has(seed)));
    const tuned = (method: string) => (grids.get(method)!.length === 0 ? null : { values: settings.get(method)!.values, of: grids.get(method)!.length, seed: tuneSeed });
    return summarize({ name, metric: metric!, choose, on, baseline, seeds: [...there].sort((a, b) => a - b), complete }, all, results, tuned);
  };
  for (const seed of seeds) {
    for (const method of methods) {
      if (options.signal?.aborted === true || !isReady(method)) break;
      const { place, own } = runOf(method, seed);
      const known = results.get(method)!.get(seed)?.result ?? null;
      if (known === null) options.onRun?.({ method, seed, index, of, folder: place, setting: null });
      index++;
      const result = known ?? (await train(own, place, method));
      if (result.end === "aborted") break;
      results.get(method)!.set(seed, { result, folder: place });
      metric ??= defaultMetric(result);
      options.onResult?.({ method, seed, metric, value: valueOf(result, metric, choose, on), known: known !== null, setting: null });
      root.writeJson("comparison.json", comparison());
    }
  }
  if (metric === null) return { version: 1, name, metric: "loss", choose, on, baseline, seeds, methods: [], complete: false };
  return comparison();
}

/** What the folder's comparison said before. */
function earlier(folder: string): Partial<MethodResult>[] {
  const path = join(folder, "comparison.json");
  return existsSync(path) ? ((readJsonObject(path)["methods"] ?? []) as Partial<MethodResult>[]) : [];
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
