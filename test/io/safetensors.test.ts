import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { io, torch } from "../../lib/index.js";
import type { DType, Tensor } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { damage, randomNumbers } from "../support/random.mjs";

const dtypes: readonly DType[] = [
  "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
  "complex64", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool",
];

/** Any bytes are a tensor of any dtype but bool: NaN payloads, infinities and subnormal numbers included. */
function randomTensor(dtype: DType, shape: number[], random: () => number): Tensor {
  const width = torch.empty([1], { dtype }).itemSize;
  const bytes = Uint8Array.from({ length: width * shape.reduce((a, b) => a * b, 1) }, () => Math.floor(random() * (dtype === "bool" ? 2 : 256)));
  return torch.fromBuffer(bytes, dtype, shape);
}

function file(name = "tensors.safetensors"): string {
  return join(temporaryFolder(), name);
}

/** A file from its JSON header, given as text or object, and the tensors' bytes. */
function compose(header: string | object | Buffer, body = Buffer.alloc(0), size?: bigint): Buffer {
  const json = Buffer.isBuffer(header) ? header : Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(size ?? BigInt(json.length));
  return Buffer.concat([length, json, body]);
}

describe("round trip", () => {
  const random = randomNumbers(1);

  test.each(dtypes)("%s keeps every bit", (dtype) => {
    const path = file();
    const shapes = [[2, 3], [], [0], [4, 0, 2], [7]];
    const tensors = Object.fromEntries(shapes.map((shape) => [`t${shape.join("x")}`, randomTensor(dtype, shape, random)]));
    io.saveSafetensors(path, tensors);
    const loaded = io.loadSafetensors(path);
    expect(Object.keys(loaded).sort()).toEqual(Object.keys(tensors).sort());
    for (const [name, tensor] of Object.entries(tensors)) {
      expect(loaded[name]!.dtype).toBe(dtype);
      expect(loaded[name]!.shape).toEqual(tensor.shape);
      expect(loaded[name]!.toBytes()).toEqual(tensor.toBytes());
    }
  });

  test("names of any kind, metadata, tensors that are no whole memory of their own", () => {
    const path = file();
    const base = torch.arange(12, { dtype: "float32" }).reshape([3, 4]);
    const tensors = Object.fromEntries([
      ["__proto__", torch.ones([2])],
      ["", torch.zeros([1])],
      ["1", torch.zeros([1])],
      ['gewichte/größe "1"\n日本🙂', base.t()],
      ["view", base.narrow(1, 1, 2)],
    ]);
    const metadata = { format: "pt", "": "leer", ünï: "日本🙂" };
    io.saveSafetensors(path, tensors, metadata);
    const loaded = io.loadSafetensors(path);
    expect(Object.keys(loaded).sort()).toEqual(Object.keys(tensors).sort());
    expect(Object.getPrototypeOf(loaded)).toBe(Object.prototype);
    for (const [name, tensor] of Object.entries(tensors)) {
      expect(Object.getOwnPropertyDescriptor(loaded, name)!.value.toArray()).toEqual(tensor.toArray());
    }
    expect(io.safetensorsMetadata(path)).toEqual(metadata);
  });

  test("a file with no tensors and no metadata", () => {
    const path = file();
    io.saveSafetensors(path, {});
    expect(io.loadSafetensors(path)).toEqual({});
    expect(io.safetensorsMetadata(path)).toEqual({});
  });

  test("each tensor begins at a multiple of its element's size", () => {
    const path = file();
    io.saveSafetensors(path, Object.fromEntries(dtypes.map((dtype) => [dtype, randomTensor(dtype, [3], random)])), { odd: "x" });
    const bytes = readFileSync(path);
    const size = Number(bytes.readBigUInt64LE());
    expect(size % 8).toBe(0);
    const header = JSON.parse(bytes.toString("utf8", 8, 8 + size)) as Record<string, { data_offsets: [number, number] }>;
    for (const dtype of dtypes) expect(header[dtype]!.data_offsets[0] % torch.empty([1], { dtype }).itemSize, dtype).toBe(0);
  });

  test("loaded tensors have memory of their own", () => {
    const path = file();
    io.saveSafetensors(path, { a: torch.ones([3]) });
    const first = io.loadSafetensors(path)["a"]!;
    first.fill_(7);
    expect(io.loadSafetensors(path)["a"]!.toArray()).toEqual([1, 1, 1]);
  });
});

describe("writing", () => {
  test("an older file stays whole when writing fails in the middle, and nothing else is left", () => {
    const path = file();
    io.saveSafetensors(path, { a: torch.ones([3]) });
    const gone = torch.ones([5]);
    const tensors = { a: torch.zeros([1000], { dtype: "float64" }), b: gone };
    // Disposed of while the first tensor is being written: its size is known by then.
    tensors.a.toBytes = () => (gone.dispose(), new Uint8Array(8000));
    expect(() => io.saveSafetensors(path, tensors)).toThrow(expect.objectContaining({ code: "DISPOSED" }));
    expect(io.loadSafetensors(path)["a"]!.toArray()).toEqual([1, 1, 1]);
    expect(readdirSync(join(path, ".."))).toEqual(["tensors.safetensors"]);
  });

  test("a link stays a link", () => {
    const path = file();
    io.saveSafetensors(path, { a: torch.ones([1]) });
    const link = join(path, "..", "latest");
    symlinkSync(path, link);
    io.saveSafetensors(link, { a: torch.zeros([1]) });
    expect(io.loadSafetensors(path)["a"]!.toArray()).toEqual([0]);
  });

  test("what cannot be written is refused before anything is", () => {
    const path = file();
    const wrong = (tensors: unknown, metadata?: unknown) => () => io.saveSafetensors(path, tensors as never, metadata as never);
    expect(wrong({ a: 3 })).toThrow("Expected a tensor for tensors.a but received 3 of type number.");
    expect(wrong({ a: torch.zeros([1], { dtype: "complex128" }) })).toThrow(/a dtype that safetensors has for tensors\.a but received "complex128".*complex64/);
    expect(wrong({ __metadata__: torch.zeros([1]) })).toThrow(/other than __metadata__/);
    expect(wrong({ "\ud800": torch.zeros([1]) })).toThrow(/a name in Unicode/);
    expect(wrong({}, { a: 1 })).toThrow("Expected a string for metadata.a but received 1 of type number.");
    expect(wrong(null)).toThrow(/an object of tensors/);
    expect(() => io.saveSafetensors("", {})).toThrow(/the path of a file/);
    expect(() => io.saveSafetensors("a\0b", {})).toThrow(/the path of a file/);
    expect(readdirSync(join(path, ".."))).toEqual([]);
  });

  test("the file system's refusals", () => {
    const folder = temporaryFolder();
    expect(() => io.saveSafetensors(join(folder, "none", "x"), {})).toThrow(expect.objectContaining({ code: "IO", message: expect.stringContaining("ENOENT") }));
    mkdirSync(join(folder, "taken"));
    expect(() => io.saveSafetensors(join(folder, "taken"), {})).toThrow(expect.objectContaining({ code: "IO" }));
    expect(readdirSync(folder)).toEqual(["taken"]);
    expect(() => io.loadSafetensors(join(folder, "none"))).toThrow(expect.objectContaining({ code: "IO" }));
    expect(() => io.loadSafetensors(folder)).toThrow(expect.objectContaining({ code: "FORMAT" }));
    if (process.platform !== "win32") {
      // Neither waited for nor replaced by a file.
      execFileSync("mkfifo", [join(folder, "pipe")]);
      expect(() => io.saveSafetensors(join(folder, "pipe"), {})).toThrow(expect.objectContaining({ code: "IO", message: expect.stringContaining("a pipe") }));
      expect(() => io.loadSafetensors(join(folder, "pipe"))).toThrow(expect.objectContaining({ code: "FORMAT" }));
      expect(statSync(join(folder, "pipe")).isFIFO()).toBe(true);
      io.saveSafetensors(join(folder, "mine"), {});
      chmodSync(join(folder, "mine"), 0o600);
      io.saveSafetensors(join(folder, "mine"), { a: torch.zeros([1]) });
      expect(statSync(join(folder, "mine")).mode & 0o777).toBe(0o600);
    }
    expect(() => io.loadSafetensors(join(folder, "none"), { devise: "cpu" } as never)).toThrow(/Did you mean "device"/);
  });
});

describe("corrupt files", () => {
  const entry = (shape: unknown, offsets: unknown, dtype: unknown = "F32") => ({ dtype, shape, data_offsets: offsets });
  const four = Buffer.alloc(4);
  const cases: [name: string, content: Buffer, message: RegExp][] = [
    ["empty", Buffer.alloc(0), /the header's size in 8 bytes at byte 0 of .* but received a file of 0 bytes/],
    ["shorter than a size", Buffer.alloc(7), /received a file of 7 bytes/],
    ["no header", Buffer.alloc(8), /a header in JSON at byte 8/],
    ["a header longer than the file", compose("{}", four, 7n), /a header of at most 6 bytes at byte 0 .* received a size of 7/],
    ["a header of 2^64-1 bytes", compose("{}", four, 2n ** 64n - 1n), /received a size of 18446744073709551615/],
    ["a header of 2^53 bytes", compose("{}", four, 2n ** 53n), /a header of at most 6 bytes/],
    ["a header that is no UTF-8", compose(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), /a header in UTF-8 at byte 8/],
    ["a byte-order mark", compose("\ufeff{}"), /a header in JSON/],
    ["no JSON", compose("{'a': 1}"), /a header in JSON at byte 9 of .* but received Expected property name or '}'\./],
    ["JSON that goes on after its end", compose("{}{}"), /a header in JSON/],
    ["an array", compose("[]"), /a JSON object/],
    ["null", compose("null"), /a JSON object/],
    ["the same name twice", compose(`{"a":${JSON.stringify(entry([1], [0, 4]))},"\\u0061":${JSON.stringify(entry([1], [0, 4]))}}`, four), /each key once .* received "a" twice/],
    ["the same field twice", compose(`{"a":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}}`, four), /each key once .* received "dtype" twice/],
    ["half a character as name", compose(`{"\\ud800":${JSON.stringify(entry([1], [0, 4]))}}`, four), /a name in Unicode/],
    ["an entry that is no object", compose({ a: 1 }), /an object with dtype, shape and data_offsets of tensor "a" .* received 1 of type number/],
    ["an unknown dtype", compose({ a: entry([1], [0, 4], "F31") }, four), /one of F64, F32, .* as dtype of tensor "a" .* received "F31"/],
    ["a dtype that is no text", compose({ a: entry([1], [0, 4], 3) }, four), /as dtype of tensor "a" .* received 3 of type number/],
    ["a dtype from Object.prototype", compose({ a: entry([1], [0, 4], "constructor") }, four), /as dtype of tensor "a"/],
    ["no shape", compose({ a: entry(undefined, [0, 4]) }, four), /an array of sizes as shape .* received nothing/],
    ["a negative size", compose({ a: entry([-1], [0, 4]) }, four), /an array of sizes as shape .* received \[-1\]/],
    ["half a size", compose({ a: entry([0.5], [0, 2]) }, four), /an array of sizes as shape/],
    ["a size beyond 2^53", compose(`{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}`, four), /an array of sizes as shape/],
    ["sizes whose product overflows", compose({ a: entry([2 ** 40, 2 ** 40], [0, 4]) }, four), /bytes for F32 in the shape/],
    ["an empty tensor of impossible size", compose({ a: entry([2 ** 40, 0, 2 ** 40], [0, 0]) }), /bytes for F32 in the shape/],
    ["no offsets", compose({ a: entry([1], undefined) }, four), /two byte counts as data_offsets .* received nothing/],
    ["three offsets", compose({ a: entry([1], [0, 4, 4]) }, four), /two byte counts as data_offsets/],
    ["a negative offset", compose({ a: entry([1], [-4, 0]) }, four), /two byte counts as data_offsets/],
    ["offsets in the wrong order", compose({ a: entry([1], [4, 0]) }, four), /data_offsets that rise and stay within the file's 4 bytes/],
    ["offsets behind the end", compose({ a: entry([2], [0, 8]) }, four), /data_offsets that rise and stay within the file's 4 bytes .* received \[0,8\]/],
    ["a wrong size for the shape", compose({ a: entry([2], [0, 4]) }, four), /8 bytes for F32 in the shape \[2\] of tensor "a" .* received 4/],
    ["an unknown field", compose({ a: { ...entry([1], [0, 4]), stride: [1] } }, four), /only dtype, shape and data_offsets of tensor "a" .* received "stride"/],
    ["tensors that overlap", compose({ a: entry([1], [0, 4]), b: entry([1], [2, 6]) }, Buffer.alloc(6)), /tensor "b" to begin at byte \d+ .* an overlap/],
    ["the same bytes twice", compose({ a: entry([1], [0, 4]), b: entry([1], [0, 4]) }, four), /an overlap/],
    ["an empty tensor within another", compose({ a: entry([1], [0, 4]), b: entry([0], [2, 2]) }, four), /an overlap/],
    ["a hole before", compose({ a: entry([1], [4, 8]) }, Buffer.alloc(8)), /tensor "a" to begin at byte \d+ .* a hole/],
    ["a hole between", compose({ a: entry([1], [0, 4]), b: entry([1], [8, 12]) }, Buffer.alloc(12)), /tensor "b" to begin at byte \d+ .* a hole/],
    ["bytes behind the last tensor", compose({ a: entry([1], [0, 4]) }, Buffer.alloc(5)), /the end of the file at byte \d+ .* received 1 bytes that belong to no tensor/],
    ["metadata that are no object", compose({ __metadata__: ["a"] }), /an object of strings as __metadata__/],
    ["metadata that are no text", compose({ __metadata__: { a: 1 } }), /an object of strings as __metadata__/],
    ["null as metadata", compose({ __metadata__: null }), /an object of strings as __metadata__/],
    ["a bool of 2", compose({ a: entry([3], [0, 3], "BOOL") }, Buffer.from([0, 1, 2])), /0 or 1 in the BOOL tensor "a" at byte \d+ .* received 2/],
  ];

  test.each(cases)("%s", (_, content, message) => {
    const path = file("broken.safetensors");
    writeFileSync(path, content);
    torch.sweep(); // what earlier tests left would go at any time
    const before = torch.memory().tensors;
    expect(() => io.loadSafetensors(path)).toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(message) }));
    expect(() => io.loadSafetensors(path)).toThrow(path);
    expect(torch.memory().tensors).toBeLessThanOrEqual(before);
  });

  test("cut off at every byte", () => {
    const path = file();
    io.saveSafetensors(path, { a: torch.ones([3]), b: torch.zeros([2], { dtype: "bool" }) }, { note: "x" });
    const { length } = readFileSync(path);
    for (let size = length - 1; size >= 0; size--) {
      truncateSync(path, size);
      expect(() => io.loadSafetensors(path), `${size} bytes`).toThrow(expect.objectContaining({ code: "FORMAT" }));
    }
  });

  test("3,000 damaged files (seed 7) are refused in words or load as something whole", () => {
    const random = randomNumbers(7);
    const path = file();
    const tensors = Object.fromEntries((["float32", "bool", "bfloat16", "int64"] as const).map((dtype, i) => [`layer.${i}`, randomTensor(dtype, [2, i], random)]));
    io.saveSafetensors(path, tensors, { note: "fuzz" });
    const valid = readFileSync(path);
    torch.sweep(); // what earlier tests left would go at any time
    const live = torch.memory().tensors;
    let refused = 0;
    for (let i = 0; i < 3000; i++) {
      // Half of them in the header only, where the structure is.
      const cut = i % 2 === 0 ? valid.length : 8 + Number(valid.readBigUInt64LE());
      const header = damage(valid.subarray(i % 4 === 0 ? 0 : 8, cut), random);
      const content = i % 4 === 0 ? Buffer.concat([header, valid.subarray(cut)]) : compose(header, valid.subarray(cut), cut === valid.length ? valid.readBigUInt64LE() : undefined);
      writeFileSync(path, content);
      try {
        for (const tensor of Object.values(io.loadSafetensors(path))) tensor.dispose();
      } catch (error) {
        expect(error).toMatchObject({ name: "SteppeError", code: "FORMAT" });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(1500);
    expect(refused).toBeLessThan(3000);
    expect(torch.memory().tensors).toBeLessThanOrEqual(live);
  });
});
