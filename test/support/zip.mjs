import { crc32, deflateRawSync } from "node:zlib";

/** Bytes of a zip archive, as PKWARE's APPNOTE has them: files stored or deflated, then the directory. JavaScript: plain Node runs it, too. */
export function zip(files, compressed = false) {
  const chunks = [];
  const directory = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const packed = compressed ? deflateRawSync(content) : content;
    const fields = Buffer.alloc(26); // what both headers have: version, flags, method, time, date, CRC, sizes, lengths
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(compressed ? 8 : 0, 4);
    fields.writeUInt32LE(crc32(content), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(content.length, 18);
    fields.writeUInt16LE(Buffer.byteLength(name), 22);
    const rest = Buffer.alloc(14); // comment, disk, attributes, place
    rest.writeUInt32LE(at, 10);
    chunks.push(Buffer.from("PK\x03\x04"), fields, Buffer.from(name), packed);
    directory.push(Buffer.from("PK\x01\x02\x14\x00", "latin1"), fields, rest, Buffer.from(name));
    at += 30 + Buffer.byteLength(name) + packed.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(Object.keys(files).length, 8);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...chunks, listed, end]);
}
