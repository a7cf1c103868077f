import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { basename, delimiter, join } from "node:path";

/**
 * The NVIDIA libraries that a CUDA LibTorch is linked to.
 *
 * @typedef {object} NvidiaLibraries
 * @property {string[]} elsewhere files that the loader would not find by itself: the addon names them, with their folders
 * @property {string[]} missing names of those that are nowhere
 * @property {string[]} folders that were looked through, besides the loader's own
 */

/**
 * Looks for what `libtorch_cuda` needs: where the loader looks by itself, in the wheels beside LibTorch, in the system's CUDA.
 *
 * @param {string} path the LibTorch folder
 * @param {string} cuda the CUDA version that it was built for, "13.0"
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {NvidiaLibraries}
 */
export function nvidiaLibraries(path, cuda, env = process.env) {
  const folders = nvidiaFolders(path, cuda, env);
  const library = join(path, "lib", "libtorch_cuda.so");
  const { LD_LIBRARY_PATH: _, ...plain } = env; // it may be another one when the addon is loaded
  const alone = resolve(library, plain);
  if (alone.missing.length === 0) return { elsewhere: [], missing: [], folders };
  const helped = resolve(library, { ...plain, LD_LIBRARY_PATH: folders.join(delimiter) });
  const elsewhere = alone.missing.map((name) => helped.found.get(name)).filter((file) => file !== undefined);
  // What a library that was missing needs itself shows only now.
  const inFolders = [...helped.found].filter(([name, file]) => !alone.found.has(name) && folders.some((folder) => file.startsWith(folder)));
  return { elsewhere: [...new Set([...elsewhere, ...inFolders.map(([, file]) => file)])], missing: helped.missing, folders };
}

/** The folders where NVIDIA's libraries may lie, those that are there. */
function nvidiaFolders(path, cuda, env) {
  const wheels = join(path, "..", "nvidia");
  const major = cuda.split(".")[0];
  const systems = [env.CUDA_HOME, env.CUDA_PATH, `/usr/local/cuda-${cuda}`, `/usr/local/cuda-${major}`, "/usr/local/cuda"].filter((folder) => folder !== undefined && folder !== "");
  const folders = [
    ...(env.LD_LIBRARY_PATH ?? "").split(delimiter).filter((folder) => folder !== ""),
    ...entries(wheels).map((name) => join(wheels, name, "lib")),
    ...systems.flatMap((folder) => [join(folder, "lib64"), join(folder, "lib")]),
  ];
  return [...new Set(folders)].filter((folder) => existsSync(folder));
}

function entries(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** What the dynamic linker finds and misses. libcuda belongs to the driver: a machine without a GPU may lack it. */
function resolve(library, env) {
  const found = new Map();
  const missing = new Set();
  if (process.platform === "linux") {
    try {
      const text = execFileSync("ldd", [library], { encoding: "utf8", env, stdio: ["ignore", "pipe", "ignore"] });
      for (const [, name, file] of text.matchAll(/^\s*(\S+) => (\/\S+)/gm)) found.set(name, file);
      for (const [, name] of text.matchAll(/^\s*(\S+) => not found/gm)) if (!name.startsWith("libcuda.so")) missing.add(basename(name));
    } catch {
      // No ldd: the loader will say it at load.
    }
  }
  return { found, missing: [...missing] };
}
