import { formatError } from "./file-errors.js";
import { OpenFile } from "./open-file.js";
import { readTorch } from "./torch-file.js";
import { TorchTensor } from "./torch-storage.js";
import type { TensorFile } from "./stored-tensor.js";
import type { Stored } from "./torch-file.js";

/** Under which keys training scripts keep the state dict beside other things. */
const usualKeys = ["state_dict", "model", "model_state_dict"];

/** What DataParallel puts before every name. */
const parallel = "module.";

/**
 * Opens a state dict that torch.save wrote, alone or under one of the usual keys, to read its tensors one by one.
 *
 * @throws SteppeError `FORMAT` as `io.loadTorch`, and where there is no state dict
 */
export function openStateDict(path: string): TensorFile {
  const file = new OpenFile(path);
  try {
    const value = readTorch(file);
    const found = [value, ...usualKeys.map((key) => (isObject(value) && Object.hasOwn(value, key) ? value[key]! : null))].find(isStateDict);
    if (found === undefined) throw formatError(path, 0, `a state dict, alone or as ${usualKeys.join(", ")}`, isObject(value) ? `a dict of ${Object.keys(value).slice(0, 10).join(", ")}` : "something else");
    const names = Object.keys(found);
    const start = names.every((name) => name.startsWith(parallel)) ? parallel.length : 0;
    return { tensors: new Map(names.map((name) => [name.slice(start), found[name]!])), close: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}

function isObject(value: Stored): value is { [key: string]: Stored } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array) && !(value instanceof TorchTensor);
}

function isStateDict(value: Stored): value is { [key: string]: TorchTensor } {
  return isObject(value) && Object.values(value).length > 0 && Object.values(value).every((element) => element instanceof TorchTensor);
}
