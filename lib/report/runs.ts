import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { SteppeError, expected } from "../errors.js";
import { load } from "../flatness/index.js";
import type { SavedMeasure } from "../flatness/index.js";
import { formatError, ioError } from "../io/file-errors.js";
import { readJsonObject } from "../io/json-file.js";

/** A line of `metrics.jsonl`. */
export type Line = Readonly<Record<string, unknown>>;

/** One run as it stands in its folder. */
export interface ReportRun {
  /** Its folder, as short as it can be told from the others'. */
  name: string;
  /** What is compared: runs of one method differ in their seeds. */
  method: string;
  seed: number | null;
  settings: Readonly<Record<string, unknown>>;
  /** Lines about steps, and about epochs; each step once, the last line of it. */
  steps: readonly Line[];
  records: readonly Line[];
  measures: readonly SavedMeasure[];
}

/**
 * Reads run folders. A folder that is none itself stands for the run folders in it, three deep at most; those with
 * which a comparison tuned a method, in its folder `tune`, are left out.
 *
 * @throws SteppeError `ARGUMENT` where there is no run, `IO`, `FORMAT` for files that are not what they should be
 */
export function readRuns(folders: readonly string[]): ReportRun[] {
  const found = folders.flatMap((folder) => {
    const paths = runFolders(folder, 3);
    if (paths.length === 0) throw new SteppeError("ARGUMENT", `Expected a run folder, with metrics.jsonl, or one of run folders but received ${folder}, where there is none.`);
    return paths.map((path) => ({ path, name: path === folder ? basename(path) || path : join(basename(folder), relative(folder, path)) }));
  });
  const unique = [...new Map(found.map((each) => [each.path, each])).values()];
  const names = unique.map(({ name }) => name);
  const runs = unique.flatMap(({ path, name }) => readRun(path, names.filter((each) => each === name).length > 1 ? path : name));
  return withMethods([...runs.filter(isPlain), ...runs.filter((run) => !isPlain(run))]);
}

/** The baseline of a comparison by `steppe compare`, where one of the folders is one. */
export function comparedWith(folders: readonly string[]): string | null {
  const file = folders.map((folder) => join(folder, "comparison.json")).find((path) => existsSync(path));
  const baseline = file === undefined ? null : readJsonObject(file)["baseline"];
  return typeof baseline === "string" ? baseline : null;
}

function runFolders(folder: string, depth: number): string[] {
  if (typeof folder !== "string" || folder === "") throw expected("a path", "a run folder", folder);
  try {
    if (existsSync(join(folder, "metrics.jsonl"))) return [folder];
    if (depth === 0) return [];
    return readdirSync(folder)
      .filter((name) => !name.startsWith(".") && !isTuning(join(folder, name)) && statSync(join(folder, name)).isDirectory())
      .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
      .flatMap((name) => runFolders(join(folder, name), depth - 1));
  } catch (error) {
    throw error instanceof SteppeError ? error : ioError("read", folder, error);
  }
}

/** Where `steppe compare` has the runs that chose a method's setting: of other seeds, and worse settings. */
const isTuning = (path: string) => basename(path) === "tune" && !existsSync(join(path, "metrics.jsonl"));

function readRun(path: string, name: string): ReportRun[] {
  const settings = existsSync(join(path, "settings.json")) ? readJsonObject(join(path, "settings.json")) : {};
  const lines = readLines(join(path, "metrics.jsonl"));
  const measures = load(path);
  const seed = typeof settings["seed"] === "number" ? settings["seed"] : null;
  const common = { seed, settings, measures };
  const jobs = methodsOfJob(path, lines);
  if (jobs !== null) {
    return jobs.map(({ method, title, sharpness }) => {
      const own = lines.filter((line) => line["method"] === method);
      const measured = sharpness === null ? [] : [{ measure: "sharpness", result: sharpness, name: "sharpness", options: (settings["sharpness"] ?? {}) as Record<string, unknown>, set: null, step: null } satisfies SavedMeasure];
      return { ...common, name: join(name, method), method: title, steps: [], records: own, measures: measured };
    });
  }
  return [{ ...common, name, method: "", steps: eachOnce(lines.filter((line) => line["kind"] === "step")), records: eachOnce(lines.filter((line) => line["kind"] !== "step")) }];
}

/** `npm start` writes several methods into one folder, with the method in every line and what they came to in results.json. */
function methodsOfJob(path: string, lines: readonly Line[]): { method: string; title: string; sharpness: number | null }[] | null {
  if (lines.length === 0 || !lines.every((line) => line["kind"] === undefined && typeof line["method"] === "string")) return null;
  let results: unknown = [];
  try {
    results = JSON.parse(readFileSync(join(path, "results.json"), "utf8"));
  } catch {
    // The job was ended before its first result.
  }
  const list = Array.isArray(results) ? (results as Line[]) : [];
  return [...new Set(lines.map((line) => line["method"] as string))].map((method) => {
    const { name, sharpness } = list.find((each) => each["method"] === method) ?? {};
    return { method, title: typeof name === "string" ? name : method, sharpness: typeof sharpness === "number" ? sharpness : null };
  });
}

function readLines(path: string): Line[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw ioError("read", path, error);
  }
  // A last line without its end was cut off.
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line, i) => {
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch (error) {
        throw formatError(path, text.indexOf(line), `JSON in line ${i + 1}`, (error as Error).message, error);
      }
      if (typeof value !== "object" || value === null || Array.isArray(value)) throw formatError(path, text.indexOf(line), `a JSON object in line ${i + 1}`, line.slice(0, 40));
      return value as Line;
    });
}

/** A run that went on may have written steps again. */
function eachOnce(lines: readonly Line[]): Line[] {
  const last = new Map<unknown, Line>(lines.map((line, i) => [line["step"] ?? line["epoch"] ?? `line ${i}`, line]));
  return [...last.values()];
}

/** What is trained without a perturbation is what the others are compared with. */
function isPlain({ settings, name }: ReportRun): boolean {
  const { method } = (settings["optimizer"] ?? {}) as { method?: unknown };
  return method === "none" || basename(name) === "none";
}

/** Runs with the same optimizer and the same label are one method; of two methods with one name, folders tell which is which. */
function withMethods(runs: readonly ReportRun[]): ReportRun[] {
  const titles = runs.map(({ method, settings }) => method || titleOf(settings));
  const keys = runs.map(({ settings }, i) => `${titles[i]} ${JSON.stringify(settings["optimizer"] ?? null)}`);
  return runs.map((run, i) => {
    const title = titles[i]!;
    const others = new Set(keys.filter((_, j) => titles[j] === title));
    return { ...run, method: title === "" || others.size > 1 ? withoutSeed(run.name) : title };
  });
}

function titleOf(settings: ReportRun["settings"]): string {
  const optimizer = settings["optimizer"] as { method?: unknown } | undefined;
  const title = [settings["label"], settings["name"], settings["method"], optimizer?.method].find((each) => typeof each === "string" && each !== "");
  return (title as string | undefined) ?? "";
}

/** "compare/sam/seed-3" → "compare/sam" */
function withoutSeed(name: string): string {
  return name.replace(/[/\\_-]?seed[-_= ]?\d+$/i, "") || name;
}
