import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_VERSION, describe, inspect } from "./libtorch.js";
import { cacheFolders } from "./paths.js";
import { run } from "./run.js";

/** Written last into a fetched LibTorch: a folder without it is a half-finished fetch and not looked at. */
export const MARKER = ".complete";

/**
 * One place that was looked at.
 *
 * @typedef {object} Attempt
 * @property {string} source "LIBTORCH", "cache", "python3", ...
 * @property {string} place the folder, program or address
 * @property {string} result what was found there, or why it can't be used
 * @property {import("./libtorch.js").LibTorch} [found] when there is a LibTorch, usable or not
 */

/**
 * Looks for a usable LibTorch: `LIBTORCH`, the caches, the torch of `STEPPE_PYTHON` or python3, in this order.
 *
 * `LIBTORCH` is a wish: when it is set and can't be used, nothing else is looked at.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<{ libtorch: import("./libtorch.js").LibTorch | undefined, attempts: Attempt[] }>}
 */
export async function discover(env = process.env) {
  /** @type {Attempt[]} */
  const attempts = [];
  const consider = (source, folder) => {
    const found = inspect(folder, env);
    const usable = found.problems.length === 0;
    attempts.push({ source, place: found.path, result: usable ? describe(found) : found.problems.map(({ text }) => text).join("; "), found });
    return usable ? found : undefined;
  };

  if (env.LIBTORCH) return { libtorch: consider("LIBTORCH", env.LIBTORCH), attempts };
  attempts.push({ source: "LIBTORCH", place: "environment", result: "not set" });

  for (const cache of cacheFolders(env)) {
    const folders = cachedFolders(cache);
    if (folders.length === 0) attempts.push({ source: "cache", place: cache, result: "holds no LibTorch" });
    for (const folder of folders) {
      if (!existsSync(join(folder, MARKER))) {
        attempts.push({ source: "cache", place: folder, result: "a half-finished fetch, not used" });
        continue;
      }
      const libtorch = consider("cache", folder);
      if (libtorch !== undefined) return { libtorch, attempts };
    }
  }

  const python = await torchOfPython(env);
  if (python.folder === undefined) attempts.push({ source: python.source, place: python.program, result: python.result });
  return { libtorch: python.folder === undefined ? undefined : consider(python.source, python.folder), attempts };
}

/** The default version first, then newest first. */
function cachedFolders(cache) {
  let names;
  try {
    names = readdirSync(cache).filter((name) => name.startsWith("libtorch-"));
  } catch {
    return [];
  }
  const rank = (name) => (name.startsWith(`libtorch-${DEFAULT_VERSION}`) ? 1 : 0);
  names.sort((a, b) => rank(b) - rank(a) || b.localeCompare(a, "en", { numeric: true }));
  return names.map((name) => join(cache, name));
}

/** Where Python would import torch from, without importing it: that takes seconds. */
const FIND_TORCH = `
import importlib.util
spec = importlib.util.find_spec("torch")
print(list(spec.submodule_search_locations)[0] if spec and spec.submodule_search_locations else "")
`;

async function torchOfPython(env) {
  const source = env.STEPPE_PYTHON ? "STEPPE_PYTHON" : "python3";
  const program = env.STEPPE_PYTHON || "python3";
  // -P -I would hide a user's PYTHONPATH; -c alone looks into the current folder, where a torch/ may lie: hence cwd.
  const { code, stdout, missing, output } = await run(program, ["-c", FIND_TORCH], { env, cwd: "/", timeoutMs: 30_000 });
  if (missing) return { source, program, result: "no such program" };
  if (code !== 0) return { source, program, result: `it failed: ${output.trim().split("\n").at(-1)}` };
  const folder = stdout.trim();
  return folder === "" ? { source, program, result: "it has no torch" } : { source, program, folder };
}

/**
 * The attempts as lines for a message.
 *
 * @param {Attempt[]} attempts
 */
export function trace(attempts) {
  return attempts.map(({ source, place, result }) => `  ${source}: ${place}: ${result}`).join("\n");
}
