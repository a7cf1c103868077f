import { homedir } from "node:os";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's root folder: a checkout, or the package inside somebody's node_modules. */
export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/[/\\]$/, "");

/** Whether this is the package as npm installed it, not a checkout to work in. */
export const installed = root.split(sep).includes("node_modules");

/** The addon binary and the description beside it. */
export const binary = join(root, "build", "Release", "steppe.node");
export const sidecar = join(root, "build", "Release", "steppe.json");

/**
 * The folders that hold what setup fetched, the one it writes to first.
 * `STEPPE_CACHE` replaces both the checkout's `.cache` and the user's cache.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {string[]}
 */
export function cacheFolders(env = process.env) {
  if (env.STEPPE_CACHE) return [env.STEPPE_CACHE];
  const user = join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "steppe");
  return installed ? [user] : [join(root, ".cache"), user];
}
