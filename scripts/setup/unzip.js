import { createReadStream, createWriteStream, mkdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join, normalize, sep } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";

// Wheels and LibTorch's archives are zip files: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, section 4.3.
const END = 0x06054b50;
const END64 = 0x06064b50;
const ENTRY = 0x02014b50;
const STORED = 0;
const DEFLATED = 8;

/**
 * One file inside a zip file.
 *
 * @typedef {{ name: string, method: number, crc: number, packed: number, size: number, offset: number }} Entry
 */

/**
 * The files in a zip file.
 *
 * @param {string} zip
 * @returns {Promise<Entry[]>}
 * @throws when the file is cut off or no zip file
 */
export async function listZip(zip) {
  const file = await open(zip);
  try {
    const { size } = await file.stat();
    const tail = await readAt(file, Math.max(0, size - 65_557), Math.min(size, 65_557));
    const end = lastIndexOf(tail, END);
    if (end < 0) throw new Error(`${zip} is cut off or no zip file`);
    let count = tail.readUInt16LE(end + 10);
    let length = tail.readUInt32LE(end + 12);
    let start = tail.readUInt32LE(end + 16);
    if (count === 0xffff || length === 0xffffffff || start === 0xffffffff) {
      const locator = end - 20;
      const end64 = await readAt(file, Number(tail.readBigUInt64LE(locator + 8)), 56);
      if (end64.readUInt32LE(0) !== END64) throw new Error(`${zip} is damaged: its zip64 record is missing`);
      [count, length, start] = [32, 40, 48].map((at) => Number(end64.readBigUInt64LE(at)));
    }
    return parseDirectory(await readAt(file, start, length), count, zip);
  } finally {
    await file.close();
  }
}

function parseDirectory(bytes, count, zip) {
  const entries = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== ENTRY) throw new Error(`${zip} is damaged: entry ${i} of ${count}`);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => bytes.readUInt16LE(at + field));
    const name = bytes.toString("utf8", at + 46, at + 46 + nameLength);
    const extra = bytes.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
    // Fields that don't fit 32 bits stand in the zip64 extra, in this order, only those that don't fit.
    const wide = [24, 20, 42].map((field) => bytes.readUInt32LE(at + field));
    const [size, packed, offset] = widen(wide, extra);
    if (!name.endsWith("/")) {
      entries.push({ name, method: bytes.readUInt16LE(at + 10), crc: bytes.readUInt32LE(at + 16), packed, size, offset });
    }
    at += 46 + nameLength + extraLength + commentLength;
  }
  return entries;
}

function widen(fields, extra) {
  let at = 0;
  while (at + 4 <= extra.length && extra.readUInt16LE(at) !== 1) at += 4 + extra.readUInt16LE(at + 2);
  let next = at + 4;
  return fields.map((field) => {
    if (field !== 0xffffffff) return field;
    next += 8;
    return Number(extra.readBigUInt64LE(next - 8));
  });
}

/**
 * Unpacks the chosen files and checks each one's checksum.
 *
 * @param {string} zip
 * @param {string} folder
 * @param {Entry[]} entries
 * @param {(bytes: number) => void} [onBytes] how many bytes have been written so far
 */
export async function unpack(zip, folder, entries, onBytes) {
  let written = 0;
  const file = await open(zip);
  try {
    for (const entry of entries) {
      const target = normalize(join(folder, entry.name));
      if (!target.startsWith(normalize(folder + sep))) throw new Error(`${zip} holds a path that leads out of it: ${entry.name}`);
      if (entry.method !== STORED && entry.method !== DEFLATED) throw new Error(`${entry.name} is packed by method ${entry.method}`);
      mkdirSync(dirname(target), { recursive: true });
      const header = await readAt(file, entry.offset, 30);
      const start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
      let crc = 0;
      const check = new Transform({
        transform(chunk, _, done) {
          crc = crc32(chunk, crc);
          written += chunk.length;
          onBytes?.(written);
          done(null, chunk);
        },
      });
      const source = entry.packed === 0 ? [] : createReadStream(zip, { start, end: start + entry.packed - 1, highWaterMark: 1 << 20 });
      const stages = entry.method === DEFLATED ? [createInflateRaw({ chunkSize: 1 << 20 })] : [];
      await pipeline([source, ...stages, check, createWriteStream(target)]);
      if (crc !== entry.crc) throw new Error(`${entry.name} in ${zip} is damaged: its checksum is wrong`);
    }
  } finally {
    await file.close();
  }
}

async function readAt(file, position, length) {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function lastIndexOf(bytes, signature) {
  const pattern = Buffer.alloc(4);
  pattern.writeUInt32LE(signature);
  return bytes.lastIndexOf(pattern);
}
