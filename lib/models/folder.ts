import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { SteppeError, describe } from "../errors.js";
import { formatError, ioError } from "../io/file-errors.js";
import { readJsonObject } from "../io/json-file.js";
import { openSafetensors } from "../io/safetensors.js";
import { openStateDict } from "../io/state-dict-file.js";
import { isSystemError } from "../io/whole-file.js";
import type { StoredTensor, TensorFile } from "../io/stored-tensor.js";
import type { Config } from "./pretrained-model.js";

/** `config.json` of a folder, or of the folder that a file is in; `{}` if there is none. */
export function readConfig(path: string): Config {
  const file = join(isFolder(path) ? path : dirname(path), "config.json");
  return existsSync(file) ? readJsonObject(file) : {};
}

/**
 * Opens the weights in a folder, or one file of weights.
 *
 * @throws SteppeError `IO` if there are none, or several among which nothing decides
 */
export function findWeights(path: string): TensorFile {
  if (!isFolder(path)) return openWeights(path);
  for (const name of ["model.safetensors", "pytorch_model.bin"]) {
    if (existsSync(join(path, name))) return openWeights(join(path, name));
    if (existsSync(join(path, `${name}.index.json`))) return openShards(path, `${name}.index.json`);
  }
  const found = readdirSync(path).filter((name) => /\.(safetensors|pt|pth|bin)$/.test(name)).sort();
  if (found.length === 1) return openWeights(join(path, found[0]!));
  const received = found.length === 0 ? "none" : `${found.join(", ")}. Pass the path of the one that is meant`;
  throw new SteppeError("IO", `Expected model.safetensors, pytorch_model.bin, an index of either, or one .safetensors, .pt, .pth or .bin in ${path} but received ${received}.`);
}

function openWeights(path: string): TensorFile {
  return path.endsWith(".safetensors") ? openSafetensors(path) : openStateDict(path);
}

/** The files that an index spreads tensors over, as one. */
function openShards(folder: string, indexName: string): TensorFile {
  const index = join(folder, indexName);
  const { weight_map: map } = readJsonObject(index);
  if (typeof map !== "object" || map === null || Array.isArray(map)) throw formatError(index, 0, "an object as weight_map", describe(map));
  const files = new Map<string, TensorFile>();
  const close = () => files.forEach((file) => file.close());
  const tensors = new Map<string, StoredTensor>();
  try {
    for (const [name, file] of Object.entries(map as Record<string, unknown>)) {
      // No path: an index must not lead out of its folder.
      if (typeof file !== "string" || !/^[^/\\]+\.(safetensors|bin)$/.test(file)) throw formatError(index, 0, `a file's name for ${JSON.stringify(name)}`, describe(file));
      if (!files.has(file)) files.set(file, openWeights(join(folder, file)));
      const tensor = files.get(file)!.tensors.get(name);
      if (tensor === undefined) throw formatError(index, 0, `a file that holds ${JSON.stringify(name)}`, JSON.stringify(file));
      tensors.set(name, tensor);
    }
  } catch (error) {
    close();
    throw error;
  }
  return { tensors, close };
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw isSystemError(error) ? ioError("read", path, error) : error;
  }
}
