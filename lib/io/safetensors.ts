import { dtypes } from "../dtype.js";
import { checkKeys, expected } from "../errors.js";
import { Tensor } from "../tensor.js";
import { formatError } from "./file-errors.js";
import { OpenFile, checkPath } from "./open-file.js";
import { codes, formatHeader, maxHeaderSize, metadataKey, parseHeader } from "./safetensors-header.js";
import { ContiguousTensor } from "./stored-tensor.js";
import { writeWhole } from "./whole-file.js";
import type { Device } from "../types.js";
import type { Entry, Header } from "./safetensors-header.js";
import type { StoredTensor, TensorFile } from "./stored-tensor.js";

/**
 * Writes tensors to a safetensors file, which Python's `safetensors` and every other reader of the format can load.
 * The file is written whole or not at all: it is never seen half written, and an older one stays until the new one is on the disk.
 *
 * @param path the file; its folder must exist
 * @param tensors by name, any shape, on any device; each is written out in full, also where several share memory
 * @param metadata strings to keep beside them
 * @throws SteppeError `ARGUMENT` for a dtype that the format has not (complex32, complex128), a value that is no tensor, the name `__metadata__`
 * @throws SteppeError `IO` if the file system refuses
 * @example io.saveSafetensors("model.safetensors", model.stateDict(), { epoch: "3" });
 */
export function saveSafetensors(path: string, tensors: Record<string, Tensor>, metadata?: Record<string, string>): void {
  checkPath(path);
  if (metadata !== undefined) checkMetadata(metadata);
  const entries = describeTensors(tensors);
  const header = formatHeader(entries, metadata);
  if (header.length > maxHeaderSize) throw expected(`names and metadata of at most ${maxHeaderSize} bytes`, "tensors", header.length);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  writeWhole(
    path,
    (function* () {
      yield size;
      yield header;
      for (const { tensor } of entries) yield tensor.toBytes();
    })(),
  );
}

/**
 * Loads the tensors of a safetensors file, each into memory of its own.
 *
 * @param options `device`: where the tensors go, "cpu" by default
 * @throws SteppeError `FORMAT` for a file that breaks the format in any way (with the place, what was expected and what stands there); nothing is loaded then
 * @throws SteppeError `IO` if it cannot be read
 * @example model.loadStateDict(io.loadSafetensors("model.safetensors"));
 */
export function loadSafetensors(path: string, options: { device?: Device } = {}): Record<string, Tensor> {
  checkKeys(options, ["device"]);
  const { device = "cpu" } = options;
  return OpenFile.with(path, (file) => {
    const loaded: [string, Tensor][] = [];
    try {
      for (const entry of readHeader(file).entries) {
        const tensor = storedTensor(file, entry).read();
        loaded.push([entry.name, tensor]);
        if (device !== "cpu") {
          loaded[loaded.length - 1]![1] = tensor.to(device);
          tensor.dispose();
        }
      }
    } catch (error) {
      for (const [, tensor] of loaded) tensor.dispose();
      throw error;
    }
    // Not by assignment: a tensor may be called "__proto__".
    return Object.fromEntries(loaded);
  });
}

/** Opens a safetensors file to read its tensors one by one. */
export function openSafetensors(path: string): TensorFile {
  const file = new OpenFile(path);
  try {
    const tensors = new Map(readHeader(file).entries.map((entry) => [entry.name, storedTensor(file, entry)]));
    return { tensors, close: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * The strings that a safetensors file keeps beside its tensors, `{}` if there are none. No tensor is read.
 *
 * @throws SteppeError `FORMAT` or `IO`, as `loadSafetensors`
 */
export function safetensorsMetadata(path: string): Record<string, string> {
  return OpenFile.with(path, (file) => readHeader(file).metadata);
}

function readHeader(file: OpenFile): Header {
  const { path, size } = file;
  if (size < 8) throw formatError(path, 0, "the header's size in 8 bytes", `a file of ${size} bytes`);
  const length = file.read(0, 8).readBigUInt64LE();
  const limit = Math.min(size - 8, maxHeaderSize);
  if (length > BigInt(limit)) throw formatError(path, 0, `a header of at most ${limit} bytes`, `a size of ${length}`);
  return parseHeader(file.read(8, Number(length)), path, size);
}

function storedTensor(file: OpenFile, { name, dtype, shape, begin }: Entry): StoredTensor {
  return new ContiguousTensor(dtype, shape, (start, length, into) => {
    const bytes = file.read(begin + start, length, into);
    // Compiled code may rely on 0 and 1 being the only values of a bool.
    const wrong = dtype === "bool" ? bytes.findIndex((byte) => byte > 1) : -1;
    if (wrong >= 0) throw formatError(file.path, begin + start + wrong, `0 or 1 in the BOOL tensor ${JSON.stringify(name)}`, `${bytes[wrong]}`);
    return bytes;
  });
}

function checkMetadata(metadata: unknown): void {
  if (typeof metadata !== "object" || metadata === null) throw expected("an object of strings", "metadata", metadata);
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== "string") throw expected("a string", `metadata.${key}`, value);
    if (/\p{Surrogate}/u.test(key + value)) throw expected("text in Unicode", `metadata.${key}`, value);
  }
}

/** The tensors in the order of the file: the widest elements first, so that each tensor begins at a multiple of its element's size. */
function describeTensors(tensors: Record<string, Tensor>) {
  if (typeof tensors !== "object" || tensors === null) throw expected("an object of tensors", "tensors", tensors);
  const entries = Object.entries(tensors).map(([name, tensor]) => {
    if (!(tensor instanceof Tensor)) throw expected("a tensor", `tensors.${name}`, tensor);
    if (name === metadataKey || /\p{Surrogate}/u.test(name)) throw expected(`a name in Unicode other than ${metadataKey}`, "a tensor", name);
    const [code] = [...codes].find(([, dtype]) => dtype === tensor.dtype) ?? [];
    if (code === undefined) {
      const hint = tensor.dtype.startsWith("complex") ? "Convert it to complex64, or save torch.viewAsReal of it." : "Convert it first.";
      throw expected("a dtype that safetensors has", `tensors.${name}`, tensor.dtype, hint);
    }
    const width = dtypes[tensor.dtype]!.size;
    return { name, tensor, code, width, shape: tensor.shape, bytes: tensor.numel() * width };
  });
  return entries.sort((a, b) => b.width - a.width || (a.name < b.name ? -1 : 1));
}
