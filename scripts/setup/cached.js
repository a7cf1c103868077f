import { existsSync, lstatSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { MARKER, trace } from "./discover.js";
import { explain } from "./advice.js";
import { archiveUrl, fetchLibTorch } from "./fetch.js";
import { filesBelow } from "./files.js";
import { handleInterrupts } from "./interrupt.js";
import { inspect } from "./libtorch.js";
import { withLock } from "./lock.js";
import { cacheFolders } from "./paths.js";
import { SetupError } from "./report.js";

/**
 * A LibTorch that setup fetched.
 *
 * @typedef {object} Cached
 * @property {string} home its folder in the cache, all of which goes when it is removed
 * @property {number} bytes on the disk
 * @property {boolean} whole false for a half-finished fetch
 * @property {import("./libtorch.js").LibTorch} libtorch
 */

/**
 * Every LibTorch in the caches.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Cached[]}
 */
export function cached(env = process.env) {
  return cacheFolders(env).flatMap((cache) => {
    if (!existsSync(cache)) return [];
    const names = readdirSync(cache).filter((name) => name.startsWith("libtorch-"));
    return names.map((name) => {
      const home = join(cache, name);
      const bytes = filesBelow(home).reduce((sum, file) => sum + sizeOf(file), 0);
      return { home, bytes, whole: existsSync(join(home, MARKER)), libtorch: inspect(home, env) };
    });
  });
}

/** Links by themselves; what vanishes meanwhile is nothing. */
function sizeOf(file) {
  return lstatSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * Fetches a LibTorch into the cache, even where one is found elsewhere.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @throws {SetupError} with what was tried and what helps
 */
export async function fetchIntoCache(env = process.env) {
  const giveBack = handleInterrupts();
  try {
    return await withLock(cacheFolders(env)[0], async () => {
      const attempts = [];
      const libtorch = await fetchLibTorch(attempts, env);
      if (libtorch === undefined) throw new SetupError(explain(attempts, trace(attempts), { env, command: "npx steppe libtorch fetch", archive: archiveUrl(env) }));
      return libtorch;
    });
  } finally {
    giveBack();
  }
}

/**
 * Removes a LibTorch from the cache. It is out of the way at once: what is half removed is never taken for a whole one.
 *
 * @param {Cached} entry
 * @param {NodeJS.ProcessEnv} [env]
 */
export async function removeCached({ home }, env = process.env) {
  await withLock(cacheFolders(env)[0], async () => {
    const hidden = join(home, "..", `.fetch-removed-${process.pid}`);
    renameSync(home, hidden);
    rmSync(hidden, { recursive: true, force: true });
  });
}

