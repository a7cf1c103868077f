import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { data, torch } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { idx } from "../support/idx.mjs";
import { damage, randomNumbers } from "../support/random.mjs";

function file(content: Uint8Array): string {
  const path = join(temporaryFolder(), "file-idx");
  writeFileSync(path, content);
  return path;
}

/** Big-endian bytes of numbers. */
function bytes(count: number, width: number, write: (buffer: Buffer, i: number) => void): Buffer {
  const buffer = Buffer.alloc(count * width);
  for (let i = 0; i < count; i++) write(buffer, i);
  return buffer;
}

describe("every element type, gzipped and not", () => {
  const values = [0, 1, -2, 100];
  const cases = [
    { type: 0x08, dtype: "uint8", content: Buffer.from([0, 1, 254, 100]), values: [0, 1, 254, 100] },
    { type: 0x09, dtype: "int8", content: bytes(4, 1, (b, i) => b.writeInt8(values[i]!, i)), values },
    { type: 0x0b, dtype: "int16", content: bytes(4, 2, (b, i) => b.writeInt16BE(values[i]!, 2 * i)), values },
    { type: 0x0c, dtype: "int32", content: bytes(4, 4, (b, i) => b.writeInt32BE(values[i]!, 4 * i)), values },
    { type: 0x0d, dtype: "float32", content: bytes(4, 4, (b, i) => b.writeFloatBE(values[i]! / 8, 4 * i)), values: values.map((v) => v / 8) },
    { type: 0x0e, dtype: "float64", content: bytes(4, 8, (b, i) => b.writeDoubleBE(values[i]! / 3, 8 * i)), values: values.map((v) => v / 3) },
  ];

  test.each(cases)("$dtype", async ({ type, dtype, content, values }) => {
    const plain = idx(type, [2, 2], content);
    for (const path of [file(plain), file(gzipSync(plain))]) {
      const tensor = await data.readIdx(path);
      expect(tensor.dtype).toBe(dtype);
      expect(tensor.toArray()).toEqual([values.slice(0, 2), values.slice(2)]);
    }
  });

  test("an empty one", async () => {
    const tensor = await data.readIdx(file(gzipSync(idx(8, [0, 28, 28], Buffer.alloc(0)))));
    expect(tensor.shape).toEqual([0, 28, 28]);
  });
});

describe("corrupt files", () => {
  const good = idx(8, [3, 2], Buffer.from([1, 2, 3, 4, 5, 6]));
  const zipped = gzipSync(good);
  const cases: [name: string, content: Buffer, message: RegExp][] = [
    ["empty", Buffer.alloc(0), /an IDX header at byte 0 of .* received a file of 0 bytes/],
    ["another format", Buffer.from("PK\u0003\u0004 and so on"), /the magic number of an IDX file .* received 504b0304/],
    ["an unknown type", idx(0x0a, [1], Buffer.alloc(1)), /the magic number .* received 00000a01/],
    ["no dimensions", idx(8, [], Buffer.alloc(0)), /at least one dimension at byte 3/],
    ["cut off in the header", good.subarray(0, 10), /the sizes of 2 dimensions at byte 4/],
    ["cut off in the elements", good.subarray(0, 15), /6 bytes of uint8 for the shape \[3, 2\] at byte 12 .* received 3/],
    ["too long", Buffer.concat([good, Buffer.alloc(2)]), /6 bytes of uint8 .* received 8/],
    ["sizes beyond all memory", idx(8, [2 ** 32 - 1, 2 ** 32 - 1], Buffer.alloc(1)), /a shape that fits into memory at byte 4/],
    ["sizes that are not there", idx(8, [2 ** 31, 2 ** 8], Buffer.alloc(1)), /549755813888 bytes of uint8 .* received 1/],
    ["gzip, cut off", zipped.subarray(0, -9), /in gzip at byte 0 of .* received corrupt or truncated data/],
    ["gzip, without its end", zipped.subarray(0, -3), /corrupt or truncated data/],
    ["gzip with a wrong checksum", Buffer.concat([zipped.subarray(0, -8), Buffer.from([1, 2, 3, 4]), zipped.subarray(-4)]), /corrupt or truncated data/],
    ["gzip of too little", gzipSync(good.subarray(0, 15)), /6 bytes of uint8 .* received 3/],
    ["gzip of something else", gzipSync(Buffer.from("hello")), /the magic number/],
    ["gzip of far too little for its header", gzipSync(idx(8, [2 ** 31, 8], Buffer.alloc(10))), /data for the shape \[2147483648, 8\] \(17179869196 bytes\) .* bytes in gzip/],
    ["gzip of far more than its header says", gzipSync(idx(8, [3, 2], Buffer.alloc(50_000_000))), /18 bytes in gzip .* received more than that/],
  ];

  test.each(cases)("%s", async (_, content, message) => {
    const path = file(content);
    await expect(data.readIdx(path)).rejects.toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(message) }));
    await expect(data.readIdx(path)).rejects.toThrow(path);
  });

  test("a file that is not there, and a folder", async () => {
    const folder = temporaryFolder();
    await expect(data.readIdx(join(folder, "none"))).rejects.toThrow(expect.objectContaining({ code: "IO" }));
    await expect(data.readIdx(folder)).rejects.toThrow(expect.objectContaining({ code: "IO" }));
    await expect(data.readIdx("/dev/zero")).rejects.toThrow("Expected a file at byte 0 of /dev/zero but received a device or a pipe.");
  });

  test("1,000 damaged files (seed 3) are refused in words or read as what they say", async () => {
    const random = randomNumbers(3);
    const content = idx(0x0b, [5, 3, 2], Buffer.from(Array.from({ length: 60 }, () => Math.floor(random() * 256))));
    const path = file(content);
    torch.sweep(); // what earlier tests left would go at any time
    const live = torch.memory().tensors;
    let refused = 0;
    for (let i = 0; i < 1000; i++) {
      const damaged = i % 2 === 0 ? damage(content, random) : damage(gzipSync(content), random);
      writeFileSync(path, damaged);
      try {
        const tensor = await data.readIdx(path);
        const unpacked = damaged[0] === 0x1f ? gunzipSync(damaged) : damaged;
        expect(tensor.numel() * tensor.itemSize).toBe(unpacked.length - 4 - 4 * tensor.dim());
        tensor.dispose();
      } catch (error) {
        expect(error).toMatchObject({ name: "SteppeError", code: "FORMAT" });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(500);
    expect(refused).toBeLessThan(1000);
    expect(torch.memory().tensors).toBeLessThanOrEqual(live);
  });
});
