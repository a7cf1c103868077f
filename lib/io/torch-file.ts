import { crc32 } from "node:zlib";
import { dtypes } from "../dtype.js";
import { checkKeys, describe, expected } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { formatError } from "./file-errors.js";
import { OpenFile } from "./open-file.js";
import { Dict, Refusal, unpickle } from "./pickle.js";
import { StorageType, findGlobal, plainGlobal } from "./torch-globals.js";
import { TorchStorage, TorchTensor } from "./torch-storage.js";
import { zipEntries } from "./zip.js";
import type { Device, DType } from "../types.js";
import type { StorageReference } from "./torch-globals.js";
import type { ZipEntry } from "./zip.js";

/** What a file of torch.save holds: tensors and plain values, nested. */
export type TorchValue = Tensor | number | bigint | string | boolean | null | Uint8Array | TorchValue[] | { [key: string]: TorchValue };

/** The same before tensors are read. */
export type Stored = TorchTensor | number | bigint | string | boolean | null | Uint8Array | Stored[] | { [key: string]: Stored };

/**
 * Loads what Python's `torch.save` wrote (`.pt`, `.pth`, `pytorch_model.bin`): state dicts and other dicts, lists, tuples,
 * numbers, strings, bytes and tensors in any nesting. Dicts come as objects, lists and tuples as arrays, dtypes and devices as
 * their names, parameters as tensors. Tensors that shared memory share it again.
 *
 * Nothing in the file is executed: its pickle is read by a reader that knows how tensors are put together and refuses
 * anything else by name. Whole modules (`torch.save(model)`) are such: save `model.state_dict()` instead.
 *
 * @param options `device`: where the tensors go, "cpu" by default
 * @throws SteppeError `FORMAT` for a damaged file, one of before PyTorch 1.6, and anything but plain values, with its place
 * @throws SteppeError `IO` if it cannot be read
 * @example model.loadStateDict(io.loadTorch("checkpoint.pt").model);
 */
export function loadTorch(path: string, options: { device?: Device } = {}): TorchValue {
  checkKeys(options, ["device"]);
  const { device = "cpu" } = options;
  if (typeof device !== "string") throw expected("a device", "device", device);
  return OpenFile.with(path, (file) =>
    torch.scope(() => {
      const memories = new Map<TorchStorage, Tensor>();
      const memory = (storage: TorchStorage): Tensor => {
        if (!memories.has(storage)) memories.set(storage, storage.whole.read().to(device));
        return memories.get(storage)!;
      };
      return materialize(readTorch(file), (tensor) => tensor.view(memory(tensor.storage)));
    }),
  );
}

/** Reads the structure of a file, whose tensors are read while it is open. */
export function readTorch(file: OpenFile): Stored {
  const magic = file.read(0, Math.min(file.size, 4));
  if (magic.length === 0 || magic[0] === 0x80) throw formatError(file.path, 0, "a zip archive of torch.save", magic.length === 0 ? "an empty file" : "a bare pickle: files of before PyTorch 1.6 are to be saved anew by torch.save");
  const entries = zipEntries(file);
  const name = [...entries.keys()].find((key) => /^[^/]+\/data\.pkl$/.test(key));
  if (name === undefined) throw formatError(file.path, 0, "an archive with data.pkl", `one of ${entries.size} other entries`);
  const folder = name.slice(0, -"data.pkl".length);
  const bigEndian = readByteOrder(file, entries.get(`${folder}byteorder`)) === "big";
  const storages = new Map<string, TorchStorage>();

  const open = (key: string, length: number, unit: number, dtype: DType): TorchStorage => {
    const known = storages.get(key);
    if (known !== undefined && known.dtype !== dtype) throw new Refusal(`one dtype for storage ${JSON.stringify(key)}`, `${known.dtype} and ${dtype}`);
    const entry = entries.get(`${folder}data/${key}`);
    if (entry === undefined) throw new Refusal(`an entry for storage ${JSON.stringify(key)}`, "none");
    const size = entry.end - entry.begin;
    if (length * unit !== size || size % dtypes[dtype]!.size !== 0) throw new Refusal(`${length * unit} bytes of ${dtype} for storage ${JSON.stringify(key)}`, `${size}`);
    const storage = known ?? new TorchStorage(file, `data/${key}`, entry, dtype, bigEndian);
    storages.set(key, storage);
    return storage;
  };
  const persistent = (id: unknown): StorageReference => {
    const [kind, type, key, , length, ...others] = Array.isArray(id) ? (id as unknown[]) : [];
    if (kind !== "storage" || !(type instanceof StorageType) || typeof key !== "string" || !Number.isSafeInteger(length) || (length as number) < 0 || others.some((part) => part !== null)) {
      throw new Refusal("the id of a storage", describe(id));
    }
    const unit = type.dtype === null ? 1 : dtypes[type.dtype]!.size;
    return { type, length: length as number, open: (dtype) => open(key, length as number, unit, dtype) };
  };

  const entry = entries.get(name)!;
  const bytes = file.read(entry.begin, entry.end - entry.begin);
  if (entry.crc !== 0 && crc32(bytes) !== entry.crc) throw formatError(file.path, entry.begin, `data.pkl with the checksum ${entry.crc}`, `${crc32(bytes)}: the file is damaged`);
  const value = unpickle(bytes, { path: file.path, offset: entry.begin, find: findGlobal, persistent });
  return new Plain(file.path, entry.begin).convert(value, 0);
}

function readByteOrder(file: OpenFile, entry: ZipEntry | undefined): "little" | "big" {
  if (entry === undefined) return "little"; // files of before PyTorch 2.0 have no mark
  const mark = file.read(entry.begin, Math.min(entry.end - entry.begin, 16)).toString("latin1");
  if (mark !== "little" && mark !== "big") throw formatError(file.path, entry.begin, '"little" or "big" as byte order', JSON.stringify(mark));
  return mark;
}

/** How deep values may be nested: more is no checkpoint, and would exhaust the stack. */
const deepest = 200;

/** Turns dicts into objects, each once, so that what was shared stays shared. */
class Plain {
  readonly #seen = new Map<unknown, Stored>();

  constructor(
    private readonly path: string,
    private readonly offset: number,
  ) {}

  convert(value: unknown, depth: number): Stored {
    const wrong = (what: string, received: string) => formatError(this.path, this.offset, what, received);
    if (depth > deepest) throw wrong(`values nested at most ${deepest} deep`, "deeper ones");
    if (this.#seen.has(value)) return this.#seen.get(value)!;
    if (Array.isArray(value)) {
      const list: Stored[] = [];
      this.#seen.set(value, list);
      for (const element of value) list.push(this.convert(element, depth + 1));
      return list;
    }
    if (value instanceof Dict) {
      const object: Record<string, Stored> = {};
      this.#seen.set(value, object);
      for (const [key, element] of value.entries) {
        if (typeof key !== "string" && typeof key !== "number") throw wrong("strings and numbers as keys", describe(key));
        if (Object.hasOwn(object, String(key))) throw wrong("each key once", `${String(key)} as a number and as a string`);
        // Not by assignment: a key may be "__proto__".
        Object.defineProperty(object, String(key), { value: this.convert(element, depth + 1), enumerable: true, writable: true, configurable: true });
      }
      return object;
    }
    const plain = plainGlobal(value) ?? value;
    if (plain !== null && typeof plain === "object" && !(plain instanceof TorchTensor) && !(plain instanceof Uint8Array)) throw wrong("tensors and plain values", (plain as { name?: string }).name ?? "a storage without a tensor");
    return plain as Stored;
  }
}

/** Puts tensors in the place of stored ones; lists and objects that were shared stay so. */
function materialize(value: Stored, read: (tensor: TorchTensor) => Tensor, seen = new Map<unknown, TorchValue>()): TorchValue {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const known = seen.get(value);
  if (known !== undefined) return known;
  if (value instanceof TorchTensor) {
    const tensor = read(value);
    seen.set(value, tensor);
    return tensor;
  }
  const made: TorchValue[] | Record<string, TorchValue> = Array.isArray(value) ? [] : {};
  seen.set(value, made);
  for (const [key, element] of Object.entries(value)) {
    Object.defineProperty(made, key, { value: materialize(element, read, seen), enumerable: true, writable: true, configurable: true });
  }
  return made;
}
