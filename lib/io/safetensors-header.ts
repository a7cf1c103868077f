import { dtypes } from "../dtype.js";
import { describe } from "../errors.js";
import { duplicateKey } from "./duplicate-key.js";
import { formatError } from "./file-errors.js";
import { jsonPlace } from "./json-place.js";
import type { DType } from "../types.js";

// The format: https://github.com/huggingface/safetensors#format
// 8 bytes: size of the header, little-endian · the header, JSON in UTF-8 that may end in spaces · the tensors' bytes, without holes.

/** The format's dtypes that tensors have here, by their names in files. */
export const codes: ReadonlyMap<string, DType> = new Map([
  ["F64", "float64"],
  ["F32", "float32"],
  ["F16", "float16"],
  ["BF16", "bfloat16"],
  ["F8_E4M3", "float8_e4m3fn"],
  ["F8_E5M2", "float8_e5m2"],
  ["F8_E4M3FNUZ", "float8_e4m3fnuz"],
  ["F8_E5M2FNUZ", "float8_e5m2fnuz"],
  ["F8_E8M0", "float8_e8m0fnu"],
  ["C64", "complex64"],
  ["I64", "int64"],
  ["I32", "int32"],
  ["I16", "int16"],
  ["I8", "int8"],
  ["U64", "uint64"],
  ["U32", "uint32"],
  ["U16", "uint16"],
  ["U8", "uint8"],
  ["BOOL", "bool"],
]);

/** The reference reader's limit, in bytes. */
export const maxHeaderSize = 100_000_000;

/** The header's key for what is no tensor. */
export const metadataKey = "__metadata__";

/** One tensor of a file: `begin` and `end` count from the start of the file. */
export interface Entry {
  name: string;
  dtype: DType;
  shape: number[];
  begin: number;
  end: number;
}

/** What stands before the tensors. The entries are in the order of their bytes. */
export interface Header {
  entries: Entry[];
  metadata: Record<string, string>;
}

/**
 * Reads and checks a header. Everything that it claims is compared with the file's size.
 *
 * @param bytes the header, without the 8 bytes before it
 * @param path the file, for messages
 * @param size the file's size in bytes
 * @throws SteppeError `FORMAT`
 */
export function parseHeader(bytes: Uint8Array, path: string, size: number): Header {
  const { [metadataKey]: metadata, ...tensors } = parseJson(bytes, path);
  const start = 8 + bytes.length;
  const entries = Object.entries(tensors).map(([name, value]) => parseEntry(name, value, path, start, size));
  // An empty tensor begins where the next one does, and comes first.
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let end = start;
  for (const entry of entries) {
    if (entry.begin !== end) {
      const problem = entry.begin < end ? "an overlap with the tensor before" : "a hole";
      throw formatError(path, end, `tensor ${JSON.stringify(entry.name)} to begin`, `${problem}: it begins at byte ${entry.begin}`);
    }
    end = entry.end;
  }
  if (end !== size) throw formatError(path, end, "the end of the file", `${size - end} bytes that belong to no tensor`);
  return { entries, metadata: parseMetadata(metadata, path) };
}

/** The header for tensors that are written in this order, padded so that the tensors' bytes begin at a multiple of 8. */
export function formatHeader(tensors: readonly { name: string; code: string; shape: readonly number[]; bytes: number }[], metadata?: Record<string, string>): Uint8Array {
  let end = 0;
  const members = tensors.map(({ name, code, shape, bytes }) => {
    const offsets = [end, (end += bytes)];
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype: code, shape, data_offsets: offsets })}`;
  });
  if (metadata !== undefined) members.unshift(`${JSON.stringify(metadataKey)}:${JSON.stringify(metadata)}`);
  const json = Buffer.from(`{${members.join(",")}}`);
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, " ");
  padded.set(json);
  return padded;
}

function parseJson(bytes: Uint8Array, path: string): Record<string, unknown> {
  let json: string;
  try {
    json = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw formatError(path, 8, "a header in UTF-8", "other bytes", error);
  }
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    const { index, said } = jsonPlace(error, json);
    throw formatError(path, 8 + Buffer.byteLength(json.slice(0, index)), "a header in JSON", said, error);
  }
  if (!isObject(value)) throw formatError(path, 8, "a JSON object", describe(value));
  const twice = duplicateKey(json);
  if (twice !== undefined) throw formatError(path, 8, "each key once", `${JSON.stringify(twice)} twice`);
  return value;
}

function parseEntry(name: string, value: unknown, path: string, start: number, size: number): Entry {
  const label = `of tensor ${JSON.stringify(name)}`;
  const wrong = (what: string, received: string) => formatError(path, 8, `${what} ${label}`, received);
  if (/\p{Surrogate}/u.test(name)) throw formatError(path, 8, "a name in Unicode", JSON.stringify(name));
  if (!isObject(value)) throw wrong("an object with dtype, shape and data_offsets", describe(value));
  const { dtype: code, shape, data_offsets: offsets, ...others } = value;
  const [other] = Object.keys(others);
  if (other !== undefined) throw wrong("only dtype, shape and data_offsets", JSON.stringify(other));
  const dtype = typeof code === "string" ? codes.get(code) : undefined;
  if (dtype === undefined) throw wrong(`one of ${[...codes.keys()].join(", ")} as dtype`, describe(code));
  if (!Array.isArray(shape) || !shape.every(isSize)) throw wrong("an array of sizes as shape", JSON.stringify(shape) ?? "nothing");
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw wrong("two byte counts as data_offsets", JSON.stringify(offsets) ?? "nothing");
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > size - start) {
    throw wrong(`data_offsets that rise and stay within the file's ${size - start} bytes of tensors`, JSON.stringify(offsets));
  }
  // Sizes of 0 are left out here: what stands beside them must fit as well, or no tensor could have this shape.
  const extent = shape.reduce((product: number, n: number) => product * (n || 1), dtypes[dtype]!.size);
  const needed = shape.includes(0) ? 0 : extent;
  if (!Number.isSafeInteger(extent) || needed !== end - begin) {
    throw wrong(`${needed} bytes for ${code} in the shape [${shape.join(", ")}]`, `${end - begin}`);
  }
  return { name, dtype, shape, begin: start + begin, end: start + end };
}

function parseMetadata(value: unknown, path: string): Record<string, string> {
  if (value === undefined) return {};
  const valid = isObject(value) && Object.values(value).every((text) => typeof text === "string");
  if (!valid) throw formatError(path, 8, `an object of strings as ${metadataKey}`, JSON.stringify(value).slice(0, 80));
  return value as Record<string, string>;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
