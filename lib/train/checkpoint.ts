import { randomBytes } from "node:crypto";
import { existsSync, fsyncSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { SteppeError, describe, expected } from "../errors.js";
import { formatError, ioError } from "../io/file-errors.js";
import { readJsonObject } from "../io/json-file.js";
import { loadSafetensors, saveSafetensors } from "../io/safetensors.js";
import { isSystemError, withFile, writeWhole } from "../io/whole-file.js";
import { Tensor } from "../tensor.js";

/** What a checkpoint holds: numbers, strings, tensors, and arrays and plain objects of them. */
export type StateValue = Tensor | string | number | boolean | null | undefined | readonly StateValue[] | { readonly [key: string]: StateValue };

const version = 1;
const temporaryPrefix = ".steppe-";
/** Before the name of a checkpoint that another of its step takes the place of. */
const replacedPrefix = ".steppe-replaced-";
/** Marks what JSON has no word for. */
const mark = "$steppe";

/**
 * Writes a checkpoint: a folder of `model.safetensors`, which any library can load, `state.safetensors` with all other
 * tensors, and `state.json` with everything else. It is written beside its place, and put there once it is on the disk:
 * whatever happens, `path` holds a whole checkpoint or none.
 *
 * @param path a folder that does not exist yet; the one above it is made
 * @param model weights and buffers by name
 * @param state the rest: optimizer, loader, generators, counters
 * @throws SteppeError `IO` if the file system refuses, `ARGUMENT` for a state that cannot be written
 */
export function saveCheckpoint(path: string, model: Record<string, Tensor>, state: StateValue): void {
  if (existsSync(path)) throw expected("a folder that does not exist yet", "path", path);
  write(path, model, state, renameSync);
}

/** @param put brings what was written from a temporary place to its own */
function write(path: string, model: Record<string, Tensor>, state: StateValue, put: (temporary: string, path: string) => void): void {
  const tensors: Record<string, Tensor> = {};
  const json = JSON.stringify({ version, state: encode(state, tensors, "state") }, null, 1);
  const temporary = join(dirname(path), `${temporaryPrefix}${randomBytes(8).toString("hex")}.tmp`);
  try {
    mkdirSync(temporary, { recursive: true });
    saveSafetensors(join(temporary, "model.safetensors"), model);
    saveSafetensors(join(temporary, "state.safetensors"), tensors);
    writeWhole(join(temporary, "state.json"), [Buffer.from(json)]);
    syncFolder(temporary);
    put(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    // Whoever reads the message knows the checkpoint, not its temporary name.
    const cause = error instanceof SteppeError && error.code === "IO" ? error.cause : error;
    throw isSystemError(cause) ? ioError("write", path, cause) : error;
  }
}

/**
 * Reads a checkpoint.
 *
 * @throws SteppeError `IO` where there is none, `FORMAT` for a broken one or one of a later version
 */
export function loadCheckpoint(path: string): { model: Record<string, Tensor>; state: StateValue } {
  const file = join(path, "state.json");
  const json = readJsonObject(file);
  if (json["version"] !== version) throw formatError(file, 0, `a checkpoint of version ${version}`, describe(json["version"]));
  const model = loadSafetensors(join(path, "model.safetensors"));
  const tensors = loadSafetensors(join(path, "state.safetensors"));
  return { model, state: decode(json["state"], tensors, file) };
}

/** A folder of checkpoints that are numbered by their steps. */
export class CheckpointFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Clears away what a process that was killed has left: for the one who writes here, since to others it may be under way. */
  recover(): void {
    if (!existsSync(this.path)) return;
    for (const name of readdirSync(this.path).filter((each) => each.startsWith(temporaryPrefix))) {
      const replaced = name.startsWith(replacedPrefix) ? join(this.path, name.slice(replacedPrefix.length)) : null;
      // The process was killed before the new one of its step was in its place.
      if (replaced !== null && !existsSync(replaced)) renameSync(join(this.path, name), replaced);
      else rmSync(join(this.path, name), { recursive: true, force: true });
    }
  }

  /** The checkpoints, the oldest first. What is being written, or was left by a process that was killed, is none. */
  list(): { step: number; path: string }[] {
    if (!existsSync(this.path)) return [];
    return readdirSync(this.path)
      .flatMap((name) => {
        const step = /^step-(\d+)$/.exec(name);
        return step === null ? [] : [{ step: Number(step[1]), path: join(this.path, name) }];
      })
      .sort((a, b) => a.step - b.step);
  }

  /** The newest one, or null. */
  latest(): string | null {
    return this.list().at(-1)?.path ?? null;
  }

  /** Where the checkpoint of a step stands. */
  pathOf(step: number): string {
    return join(this.path, `step-${String(step).padStart(8, "0")}`);
  }

  /** Writes the checkpoint of a step; one of the same step gives way once the new one is on the disk. */
  save(step: number, model: Record<string, Tensor>, state: StateValue): string {
    const path = this.pathOf(step);
    const replaced = join(this.path, `${replacedPrefix}${basename(path)}`);
    write(path, model, state, (temporary) => {
      if (existsSync(path)) renameSync(path, replaced);
      renameSync(temporary, path);
    });
    rmSync(replaced, { recursive: true, force: true });
    return path;
  }

  /** Removes all but the last `keep`, and but `best`. */
  prune(keep: number, best: string | null): void {
    const all = this.list();
    for (const { path } of all.slice(0, Math.max(0, all.length - keep))) if (path !== best) this.#remove(path);
  }

  /** Out of the way first, in one step: a folder that is half removed is no checkpoint. */
  #remove(path: string): void {
    if (!existsSync(path)) return;
    const hidden = join(this.path, `${temporaryPrefix}${basename(path)}-${randomBytes(4).toString("hex")}.tmp`);
    renameSync(path, hidden);
    rmSync(hidden, { recursive: true, force: true });
  }
}

/** The new name is on the disk only once its folder is. Windows cannot open a folder, and needs no such step. */
function syncFolder(folder: string): void {
  if (process.platform !== "win32") withFile(folder, "r", fsyncSync);
}

function encode(value: StateValue, tensors: Record<string, Tensor>, path: string): unknown {
  if (value instanceof Tensor) {
    const name = path.replace(/^state\./, "");
    tensors[name] = value;
    return { [mark]: "tensor", name };
  }
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) return { [mark]: "number", name: Object.is(value, -0) ? "-0" : String(value) };
  if (value === undefined) return { [mark]: "undefined" };
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  if (Array.isArray(value)) return value.map((each: StateValue, i) => encode(each, tensors, `${path}.${i}`));
  if (typeof value === "object") {
    if (Object.hasOwn(value, mark)) throw expected(`no key "${mark}"`, path, value);
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, encode(each, tensors, `${path}.${key}`)]));
  }
  throw expected("a tensor, a number, a string, a boolean, null, an array or an object", path, value);
}

function decode(value: unknown, tensors: Record<string, Tensor>, file: string): StateValue {
  if (Array.isArray(value)) return value.map((each) => decode(each, tensors, file));
  if (typeof value !== "object" || value === null) return value as StateValue;
  if (!Object.hasOwn(value, mark)) return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, decode(each, tensors, file)]));
  const { [mark]: kind, name } = value as { [mark]: unknown; name?: unknown };
  if (kind === "undefined") return undefined;
  if (kind === "number") return Number(name);
  const tensor = kind === "tensor" && typeof name === "string" ? tensors[name] : undefined;
  if (tensor === undefined) throw new SteppeError("FORMAT", `Expected the tensor ${JSON.stringify(name)} of ${file} in state.safetensors beside it but received none.`);
  return tensor;
}
