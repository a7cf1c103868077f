import { formatError } from "./file-errors.js";
import type { OpenFile } from "./open-file.js";

// As much of the zip format as files of torch.save use: entries that are stored as they are, with sizes of 64 bits where they
// need them. Only the places of the entries are read, so that a file of gigabytes needs no memory here, which no library of
// the kind offers. The format: APPNOTE.TXT of PKWARE, sections 4.3 and 4.5.

/** Where an entry's bytes stand in the file. */
export interface ZipEntry {
  begin: number;
  end: number;
  /** CRC-32 of the bytes; 0 if the writer computed none. */
  crc: number;
}

const endSize = 22;
const locatorSize = 20;
const end64Size = 56;
const entrySize = 46;
const localSize = 30;

/**
 * The entries of a zip archive by name.
 *
 * @throws SteppeError `FORMAT` for what is no zip archive, for compressed and encrypted entries, and for entries that overlap
 */
export function zipEntries(file: OpenFile): Map<string, ZipEntry> {
  const { begin, size, count } = findDirectory(file);
  const directory = file.read(begin, size);
  const entries: (ZipEntry & { name: string })[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const wrong = (what: string, received: string) => formatError(file.path, begin + at, what, received);
    if (at + entrySize > size || directory.readUInt32LE(at) !== 0x02014b50) throw wrong(`entry ${i + 1} of ${count} of the zip directory`, "something else");
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => directory.readUInt16LE(at + field)) as [number, number, number];
    const next = at + entrySize + nameLength + extraLength + commentLength;
    if (next > size) throw wrong(`an entry within the zip directory's ${size} bytes`, `one of ${next - at}`);
    const name = utf8(directory.subarray(at + entrySize, at + entrySize + nameLength));
    if (name === null) throw wrong("a name in UTF-8", "other bytes");
    if ((directory.readUInt16LE(at + 8) & 1) !== 0) throw wrong("an entry that is not encrypted", JSON.stringify(name));
    const method = directory.readUInt16LE(at + 10);
    if (method !== 0) throw wrong("an entry that is stored as it is", `${JSON.stringify(name)}, compressed by method ${method}`);
    const fields = { length: directory.readUInt32LE(at + 24), stored: directory.readUInt32LE(at + 20), header: directory.readUInt32LE(at + 42) };
    widen(fields, directory.subarray(at + entrySize + nameLength, at + entrySize + nameLength + extraLength), wrong);
    if (fields.length !== fields.stored) throw wrong(`${fields.length} bytes for ${JSON.stringify(name)}`, `${fields.stored}`);
    if (fields.header > begin - localSize) throw wrong("the place of an entry before the zip directory", `byte ${fields.header}`);
    const local = file.read(fields.header, localSize);
    if (local.readUInt32LE(0) !== 0x04034b50) throw formatError(file.path, fields.header, `the entry ${JSON.stringify(name)}`, "something else");
    const first = fields.header + localSize + local.readUInt16LE(26) + local.readUInt16LE(28);
    if (first + fields.length > begin) {
      throw formatError(file.path, fields.header, `${fields.length} bytes of ${JSON.stringify(name)} before the zip directory`, `${Math.max(0, begin - first)}`);
    }
    entries.push({ name, begin: first, end: first + fields.length, crc: directory.readUInt32LE(at + 16) });
    at = next;
  }
  checkApart(file.path, entries);
  return new Map(entries.map(({ name, ...entry }) => [name, entry]));
}

/** The directory's place. It stands before the archive's last record. */
function findDirectory(file: OpenFile): { begin: number; size: number; count: number } {
  const { path } = file;
  const tailLength = Math.min(file.size, endSize + 0xffff); // a comment of 65,535 bytes may follow
  const start = file.size - tailLength;
  const tail = file.read(start, tailLength);
  let at = tailLength - endSize;
  while (at >= 0 && !(tail.readUInt32LE(at) === 0x06054b50 && at + endSize + tail.readUInt16LE(at + 20) === tailLength)) at--;
  if (at < 0) throw formatError(path, file.size, "the end of a zip archive", "other bytes: the file is cut off, or no zip archive");
  let [count, size, begin] = [tail.readUInt16LE(at + 10), tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16)];
  let limit = start + at;
  if (count === 0xffff || size === 0xffffffff || begin === 0xffffffff) {
    const locator = limit - locatorSize;
    if (locator < 0 || file.read(locator, 4).readUInt32LE() !== 0x07064b50) throw formatError(path, Math.max(0, locator), "the place of the end record of 64 bits", "other bytes");
    const place = integer(file.read(locator + 8, 8));
    if (place > locator - end64Size || file.read(place, 4).readUInt32LE() !== 0x06064b50) throw formatError(path, locator, "the place of the end record of 64 bits", `byte ${place}`);
    const record = file.read(place, end64Size);
    [count, size, begin] = [integer(record.subarray(32)), integer(record.subarray(40)), integer(record.subarray(48))];
    limit = place;
  }
  if (begin + size > limit) throw formatError(path, start + at, `a zip directory before byte ${limit}`, `${size} bytes at ${begin}`);
  if (count * entrySize > size) throw formatError(path, start + at, `a zip directory of at least ${count * entrySize} bytes for ${count} entries`, `${size}`);
  return { begin, size, count };
}

/** Fields that do not fit 32 bits stand in an extra field, in this order. */
function widen(fields: { length: number; stored: number; header: number }, extra: Buffer, wrong: (what: string, received: string) => Error): void {
  const wide = (Object.keys(fields) as (keyof typeof fields)[]).filter((name) => fields[name] === 0xffffffff);
  if (wide.length === 0) return;
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === 1 && length >= 8 * wide.length && at + 4 + length <= extra.length) {
      wide.forEach((name, i) => (fields[name] = integer(extra.subarray(at + 4 + 8 * i))));
      return;
    }
    at += 4 + length;
  }
  throw wrong("sizes of 64 bits", "none");
}

/** Bytes that belong to two entries would let a small file ask for much memory. */
function checkApart(path: string, entries: readonly (ZipEntry & { name: string })[]): void {
  const sorted = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  sorted.forEach(({ begin, name }, i) => {
    const before = sorted[i - 1];
    if (before !== undefined && before.end > begin) throw formatError(path, begin, `the entry ${JSON.stringify(name)} to begin`, `bytes of ${JSON.stringify(before.name)}`);
  });
  if (new Set(entries.map(({ name }) => name)).size < entries.length) throw formatError(path, 0, "each entry's name once", "one twice");
}

/** 64 bits; what is beyond 2⁵³ is beyond any file as well. */
function integer(bytes: Buffer): number {
  return Number(bytes.readBigUInt64LE());
}

function utf8(bytes: Buffer): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
