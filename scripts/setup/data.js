import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolders } from "./paths.js";
import { say } from "./report.js";

const FILES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
const NAME = "fashion-mnist";

/**
 * Where the main job looks for Fashion-MNIST, and what is there, in its order.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {{ source: string, folder: string, found: boolean }[]}
 */
export function fashionMnistPlaces(env = process.env) {
  const places = [];
  if (env.STEPPE_DATA) places.push(["STEPPE_DATA", join(env.STEPPE_DATA, NAME)], ["STEPPE_DATA", env.STEPPE_DATA]);
  for (const cache of cacheFolders(env)) places.push(["cache", join(cache, "data", NAME)]);
  places.push(["system", `/usr/share/datasets/${NAME}`]);
  return places.map(([source, folder]) => ({ source, folder, found: FILES.every((file) => isThere(join(folder, file))) }));
}

function isThere(file) {
  return existsSync(`${file}.gz`) || existsSync(file);
}

/** Says once which images the main job will take. There is nothing to fetch: the digits ship with the package. */
export function sayData() {
  const place = fashionMnistPlaces().find(({ found }) => found);
  say(
    place === undefined
      ? "steppe: Fashion-MNIST is not on this machine: the main job takes the embedded digits (Debian has it: apt-get install dataset-fashion-mnist)"
      : `steppe: Fashion-MNIST found in ${place.folder}`,
  );
}
