import { homedir } from "node:os";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * The folders in which a data set may be, the first to look into first: `STEPPE_DATA` and in it the set's own folder,
 * then `data/NAME` in the project's cache and in the user's. `STEPPE_CACHE` replaces both caches.
 */
export function dataFolders(name: string, env: NodeJS.ProcessEnv = process.env): string[] {
  const own = env.STEPPE_DATA ? [join(env.STEPPE_DATA, name), env.STEPPE_DATA] : [];
  return [...own, ...cacheFolders(env).map((cache) => join(cache, "data", name))];
}

/** Where a set is downloaded to: the first of the folders in which it will be looked for that is its own. */
export function downloadFolder(name: string, env: NodeJS.ProcessEnv = process.env): string {
  return dataFolders(name, env).find((folder) => folder.endsWith(name))!;
}

function cacheFolders(env: NodeJS.ProcessEnv): string[] {
  if (env.STEPPE_CACHE) return [env.STEPPE_CACHE];
  const user = join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "steppe");
  const installed = root.split(sep).includes("node_modules");
  return installed ? [user] : [join(root, ".cache"), user];
}
