import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expected } from "../errors.js";
import { formatError, ioError } from "../io/file-errors.js";
import { readJsonObject } from "../io/json-file.js";
import { isSystemError, writeWhole } from "../io/whole-file.js";
import { Tensor } from "../tensor.js";
import type { SpectralDensity } from "./hessian.js";
import type { Landscape } from "./landscape.js";

/** What each measure comes to, by the name of its function. */
export interface MeasureResults {
  sharpness: number;
  shardSharpness: number;
  averageSharpness: number;
  /** The largest first. */
  hessianEigenvalues: number[];
  hessianTrace: { trace: number; standardError: number };
  spectralDensity: SpectralDensity;
  landscape: Landscape;
  interpolate: { coordinates: number[]; loss: number[] };
}

/** The names of the measures. */
export type MeasureName = keyof MeasureResults;

/** What a measurement was taken with and on. */
export interface MeasureContext {
  /** Options of the measure; tensors in them are left out. */
  options?: object;
  /** On which samples, in words: "the first 2,000 training images". */
  set?: string;
  /** Steps that the weights had taken. */
  step?: number;
  /** The file's name, without ".json"; default the measure's name. Two results of one measure need two. */
  name?: string;
}

/** One measure as it stands in a folder. */
export type SavedMeasure = {
  [M in MeasureName]: { measure: M; result: MeasureResults[M]; name: string; options: Record<string, unknown>; set: string | null; step: number | null };
}[MeasureName];

const version = 1;
const measures: readonly MeasureName[] = ["sharpness", "shardSharpness", "averageSharpness", "hessianEigenvalues", "hessianTrace", "spectralDensity", "landscape", "interpolate"];

/**
 * Writes what a measure came to into a run's folder, where reports find it: `FOLDER/flatness/NAME.json`, one result a file, whole
 * or not at all. One of the same name gives way.
 *
 * @returns the file's path
 * @throws SteppeError `ARGUMENT` for an unknown measure or a result of another shape, `IO` if the file system refuses
 * @example
 * const options = { rho: 0.05 };
 * flatness.save("runs/first", "sharpness", await flatness.sharpness(model, loss, batches, options), { options, set: "training set" });
 */
export function save<M extends MeasureName>(folder: string, measure: M, result: MeasureResults[M], context: MeasureContext = {}): string {
  if (typeof folder !== "string" || folder === "") throw expected("a path", "folder", folder);
  if (!measures.includes(measure)) throw expected(`one of ${measures.join(", ")}`, "measure", measure);
  if (!fits(measure, result)) throw expected(`a result of flatness.${measure}`, "result", result);
  const { options = {}, set, step, name = measure } = context;
  if (typeof name !== "string" || !/^[\w-][\w.-]*$/.test(name)) throw expected("letters, digits, dots, - and _", "name", name);
  const path = join(folder, "flatness", `${name}.json`);
  const kept = Object.fromEntries(Object.entries(options).filter(([key, value]) => value !== undefined && !(key === "to" && holdsTensors(value))));
  try {
    mkdirSync(join(folder, "flatness"), { recursive: true });
  } catch (error) {
    throw ioError("write", path, error);
  }
  const content = { version, measure, options: kept, set: set ?? null, step: step ?? null, result };
  writeWhole(path, [Buffer.from(`${JSON.stringify(content, (_, value: unknown) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : value), 1)}\n`)]);
  return path;
}

/**
 * The measures that {@link save} wrote into a run's folder, ordered by name; none where there are none.
 *
 * @throws SteppeError `FORMAT` for a file that holds something else, `IO` if the file system refuses
 */
export function load(folder: string): SavedMeasure[] {
  const place = join(folder, "flatness");
  if (!existsSync(place)) return [];
  let names: string[];
  try {
    names = readdirSync(place);
  } catch (error) {
    throw isSystemError(error) ? ioError("read", place, error) : error;
  }
  return names
    .filter((name) => name.endsWith(".json") && !name.startsWith("."))
    .sort()
    .map((name) => read(join(place, name), name.slice(0, -".json".length)));
}

function read(path: string, name: string): SavedMeasure {
  const json = readJsonObject(path);
  if (json["version"] !== version) throw formatError(path, 0, `a measure of version ${version}`, describe(json["version"]));
  const measure = measures.find((each) => each === json["measure"]);
  if (measure === undefined) throw formatError(path, 0, `one of ${measures.join(", ")}`, describe(json["measure"]));
  const result = numbers(json["result"]);
  if (!fits(measure, result)) throw formatError(path, 0, `a result of flatness.${measure}`, describe(json["result"]));
  const { options, set, step } = json;
  return {
    measure,
    result,
    name,
    options: typeof options === "object" && options !== null ? options : {},
    set: typeof set === "string" ? set : null,
    step: typeof step === "number" ? step : null,
  } as SavedMeasure;
}

/** What JSON has no words for is written as strings: NaN and infinities, far out in a landscape. */
function numbers(value: unknown): unknown {
  if (value === "NaN" || value === "Infinity" || value === "-Infinity") return Number(value);
  if (Array.isArray(value)) return value.map(numbers);
  if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, numbers(each)]));
  return value;
}

function isNumber(value: unknown): boolean {
  return typeof value === "number";
}

function isList(value: unknown, length?: unknown): value is number[] {
  return Array.isArray(value) && value.every(isNumber) && (length === undefined || value.length === length);
}

function fits(measure: MeasureName, result: unknown): boolean {
  if (measure === "sharpness" || measure === "shardSharpness" || measure === "averageSharpness") return isNumber(result);
  if (measure === "hessianEigenvalues") return isList(result);
  if (typeof result !== "object" || result === null) return false;
  const { trace, standardError, eigenvalues, density, coordinates, loss } = result as Record<string, unknown>;
  if (measure === "hessianTrace") return isNumber(trace) && isNumber(standardError);
  if (measure === "spectralDensity") return isList(eigenvalues) && isList(density, eigenvalues.length);
  if (!isList(coordinates)) return false;
  if (isList(loss, coordinates.length)) return true;
  return measure === "landscape" && Array.isArray(loss) && loss.length === coordinates.length && loss.every((row) => isList(row, coordinates.length));
}

function holdsTensors(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.values(value).some((each) => each instanceof Tensor);
}
