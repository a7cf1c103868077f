import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { SteppeError, describe } from "../errors.js";
import { ioError } from "../io/file-errors.js";
import { jsonPlace } from "../io/json-place.js";
import { checkConfig } from "./check.js";
import type { Config } from "./config.js";

/** A configuration, and where it came from. */
export interface LoadedConfig {
  config: Config;
  /** Absolute; null for one that was given as an object. */
  path: string | null;
  /** The folder from which its relative paths count. */
  folder: string;
  /** The file's name without endings, or the configuration's own. */
  name: string;
}

const code = [".ts", ".mts", ".js", ".mjs"];

/**
 * Reads a configuration and checks it.
 *
 * @param path a .json file, or a .ts, .mts, .js or .mjs one whose default export is the configuration
 * @param overrides "batchSize=32", "optimizer.base.lr=0.1": a JSON value, or else a string
 * @throws SteppeError `IO` for a file that cannot be read, `ARGUMENT` for what is wrong in it, with the path of each key
 */
export async function loadConfig(path: string, overrides: readonly string[] = []): Promise<LoadedConfig> {
  const file = resolve(path);
  const config = checkConfig(overridden(await importConfig(file, path), overrides), path);
  return { config, path: file, folder: dirname(file), name: config.name ?? basename(file, extname(file)).replace(/\.config$|\.steppe$/, "") };
}

/** What a configuration's file holds, unchecked. @param path what the file is called in messages */
export async function importConfig(file: string, path: string): Promise<unknown> {
  if (extname(file) === ".json") return readJson(file, path);
  if (code.includes(extname(file))) return readCode(file, path);
  throw new SteppeError("ARGUMENT", `Expected a configuration that ends in .json, ${code.join(", ")} but received ${JSON.stringify(path)}.`);
}

function readJson(file: string, path: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw ioError("read", path, error);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const { line, column, said } = jsonPlace(error, text);
    throw new SteppeError("ARGUMENT", `Expected JSON in ${path} but received: ${said} (line ${line} column ${column}).`, { cause: error });
  }
}

async function readCode(file: string, path: string): Promise<unknown> {
  if (!existsSync(file)) throw ioError("read", path, new Error(`ENOENT: no such file, open '${file}'`));
  const loaded = (await importCode(file).catch((error: unknown) => {
    throw new SteppeError("ARGUMENT", `Expected a module that can be loaded in ${path} but received: ${firstLines(error)}`, { cause: error });
  })) as { default?: unknown };
  if (loaded.default === undefined) throw new SteppeError("ARGUMENT", `Expected a configuration as the default export of ${path} but received none. Write: export default defineConfig({ … });`);
  return loaded.default;
}

/** What went wrong, and where in the configuration. */
function firstLines(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = error.stack?.split("\n").find((line) => /^\s+at /.test(line))?.trim();
  return `${error.name}: ${error.message}${place === undefined ? "" : `, ${place}`}`;
}

/** Node takes the types away by itself where it can; jiti does it for older ones. */
async function importCode(file: string): Promise<unknown> {
  const isTyped = /\.m?ts$/.test(file);
  const native = (process.features as { typescript?: string | false }).typescript;
  if (!isTyped || native === "strip" || native === "transform") return import(pathToFileURL(file).href);
  const { createJiti } = await import("jiti");
  return createJiti(import.meta.url, { fsCache: false, moduleCache: false }).import(file);
}

/** Puts values in their places. */
export function overridden(config: unknown, overrides: readonly string[]): unknown {
  let result = config;
  for (const override of overrides) {
    const [, path, text] = /^([^=]+)=(.*)$/s.exec(override) ?? [];
    if (path === undefined) throw new SteppeError("ARGUMENT", `Expected PATH=VALUE such as optimizer.base.lr=0.1 for --set but received ${JSON.stringify(override)}.`);
    result = withValue(result, path.split("."), valueOf(text!), path);
  }
  return result;
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** A copy in which the value at a path is another. */
function withValue(object: unknown, [key, ...rest]: string[], value: unknown, path: string): unknown {
  if (object !== undefined && (typeof object !== "object" || object === null)) {
    throw new SteppeError("ARGUMENT", `Expected an object before ${JSON.stringify(key)} of ${path} for --set but received ${describe(object)}.`);
  }
  const copy = (Array.isArray(object) ? [...(object as unknown[])] : { ...(object as object | undefined) }) as Record<string, unknown>;
  copy[key!] = rest.length === 0 ? value : withValue(copy[key!], rest, value, path);
  return copy;
}
