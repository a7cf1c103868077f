import { fstatSync, readSync } from "node:fs";
import { dtypes } from "../dtype.js";
import { checkKeys, expected } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { formatError, ioError } from "./file-errors.js";
import { codes, formatHeader, maxHeaderSize, metadataKey, parseHeader } from "./safetensors-header.js";
import { isSystemError, withFile, writeWhole } from "./whole-file.js";
import type { Device } from "../types.js";
import type { Entry, Header } from "./safetensors-header.js";

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
  return withHeader(path, (file, { entries }) => {
    const loaded: [string, Tensor][] = [];
    try {
      for (const entry of entries) {
        const tensor = torch.fromBuffer(readTensor(file, path, entry), entry.dtype, entry.shape);
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

/**
 * The strings that a safetensors file keeps beside its tensors, `{}` if there are none. No tensor is read.
 *
 * @throws SteppeError `FORMAT` or `IO`, as `loadSafetensors`
 */
export function safetensorsMetadata(path: string): Record<string, string> {
  return withHeader(path, (_, { metadata }) => metadata);
}

function withHeader<T>(path: string, work: (file: number, header: Header) => T): T {
  checkPath(path);
  try {
    return withFile(path, "r", (file) => {
      const status = fstatSync(file);
      if (!status.isFile()) throw formatError(path, 0, "a file", "a folder or a device");
      return work(file, readHeader(file, path, status.size));
    });
  } catch (error) {
    throw isSystemError(error) ? ioError("read", path, error) : error;
  }
}

function readHeader(file: number, path: string, size: number): Header {
  if (size < 8) throw formatError(path, 0, "the header's size in 8 bytes", `a file of ${size} bytes`);
  const length = readBytes(file, path, 0, 8).readBigUInt64LE();
  const limit = Math.min(size - 8, maxHeaderSize);
  if (length > BigInt(limit)) throw formatError(path, 0, `a header of at most ${limit} bytes`, `a size of ${length}`);
  return parseHeader(readBytes(file, path, 8, Number(length)), path, size);
}

function readTensor(file: number, path: string, { name, dtype, begin, end }: Entry): Buffer {
  const bytes = readBytes(file, path, begin, end - begin);
  // Compiled code may rely on 0 and 1 being the only values of a bool.
  const wrong = dtype === "bool" ? bytes.findIndex((byte) => byte > 1) : -1;
  if (wrong >= 0) throw formatError(path, begin + wrong, `0 or 1 in the BOOL tensor ${JSON.stringify(name)}`, `${bytes[wrong]}`);
  return bytes;
}

function readBytes(file: number, path: string, begin: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const count = readSync(file, bytes, done, length - done, begin + done);
    // The file's size was checked before: somebody shortens it at this moment.
    if (count === 0) throw formatError(path, begin + done, `${length - done} more bytes`, "the end of the file");
    done += count;
  }
  return bytes;
}

function checkPath(path: unknown): void {
  if (typeof path !== "string" || path === "" || path.includes("\0")) throw expected("the path of a file", "path", path);
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
