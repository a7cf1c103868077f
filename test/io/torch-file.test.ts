import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32, deflateRawSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SteppeError, Tensor, io, torch } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { needsPython, python, runPython } from "../support/python.js";
import { damage, randomNumbers } from "../support/random.mjs";

const fixtures = fileURLToPath(new URL("../fixtures/models", import.meta.url));
const fixture = join(fixtures, "checkpoint.pt");

/** A value as test/fixtures/models/checkpoint.py writes it into JSON. */
function plain(value: io.TorchValue): unknown {
  if (value instanceof Tensor) return { dtype: value.dtype, shape: [...value.shape], data: Array.from(value.toTypedArray() as ArrayLike<number | bigint>, numberOf(value.dtype)) };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "bigint") return { bigint: String(value) };
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, plain(element as io.TorchValue)]));
}

const numberOf = (dtype: string) => (element: number | bigint) => (dtype === "bool" ? element === 1 : Number(element));

interface ArchiveOptions {
  compress?: boolean;
  flags?: number;
  /** Sizes and places in fields of 64 bits, as in files of 4 GB. */
  wide?: boolean;
}

const uint = (bytes: 2 | 4 | 8, ...values: number[]) => {
  const buffer = Buffer.alloc(bytes * values.length);
  values.forEach((value, i) => (bytes === 8 ? buffer.writeBigUInt64LE(BigInt(value), 8 * i) : buffer.writeUIntLE(value, bytes * i, bytes)));
  return buffer;
};

/** An archive as torch.save writes it, of any pickle and any storages. */
function archive(pickle: Buffer | string, entries: Record<string, Buffer> = {}, { compress = false, flags = 0, wide = false }: ArchiveOptions = {}): string {
  const files = { "a/data.pkl": Buffer.isBuffer(pickle) ? pickle : Buffer.from(pickle, "latin1"), ...entries };
  const most = 0xffffffff;
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const body = compress ? deflateRawSync(content) : content;
    const extra = wide ? Buffer.concat([uint(2, 0x4246, 3), Buffer.from("pad"), uint(2, 1, 24), uint(8, content.length, body.length, at)]) : Buffer.alloc(0);
    const head = (fields: number[]) => Buffer.concat([uint(2, 20, flags, compress ? 8 : 0, 0, 0), uint(4, crc32(content), ...fields), uint(2, Buffer.byteLength(name))]);
    const local = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), head([body.length, content.length]), uint(2, 0), Buffer.from(name), body]);
    const sizes = wide ? [most, most] : [body.length, content.length];
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x00", "latin1"), head(sizes), uint(2, extra.length, 0, 0, 0), uint(4, 0, wide ? most : at), Buffer.from(name), extra]));
    locals.push(local);
    at += local.length;
  }
  const list = Buffer.concat(directory);
  const count = directory.length;
  const tail = wide
    ? Buffer.concat([
        Buffer.from("PK\x06\x06", "latin1"), uint(8, 44), uint(2, 45, 45), uint(4, 0, 0), uint(8, count, count, list.length, at),
        Buffer.from("PK\x06\x07", "latin1"), uint(4, 0), uint(8, at + list.length), uint(4, 1),
      ])
    : Buffer.alloc(0);
  const end = Buffer.concat([Buffer.from("PK\x05\x06", "latin1"), uint(2, 0, 0, ...(wide ? [0xffff, 0xffff] : [count, count])), uint(4, ...(wide ? [most, most] : [list.length, at])), uint(2, 0)]);
  const path = join(temporaryFolder(), "made.pt");
  writeFileSync(path, Buffer.concat([...locals, list, tail, end]));
  return path;
}

const global = (name: string) => `c${name.slice(0, name.lastIndexOf("."))}\n${name.slice(name.lastIndexOf(".") + 1)}\n`;
const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;
/** A tensor over storage "0" of `length` float32. */
const tensor = (length: number, offset: number, shape: number[], strides: number[]) =>
  `${global("torch._utils._rebuild_tensor_v2")}((${text("storage")}${global("torch.FloatStorage")}${text("0")}${text("cpu")}K${String.fromCharCode(length)}tQ` +
  `K${String.fromCharCode(offset)}(${shape.map((n) => `K${String.fromCharCode(n)}`).join("")}t(${strides.map((n) => `K${String.fromCharCode(n)}`).join("")}t\x89${global("collections.OrderedDict")})RtR`;
const floats = (...values: number[]) => Buffer.from(Float32Array.from(values).buffer);

describe("a file of torch.save in the repository", () => {
  test("every value as Python has it", () => {
    expect(plain(io.loadTorch(fixture))).toEqual(JSON.parse(readFileSync(join(fixtures, "checkpoint.json"), "utf8")));
  });

  test("tensors share memory where they did", () => {
    const { views } = io.loadTorch(fixture) as { views: Record<string, Tensor> };
    views.base!.fill_(7);
    expect(views.row!.toArray()).toEqual([7, 7, 7, 7, 7, 7]);
    expect(views.transposed!.stride()).toEqual([1, 6]);
    expect(views.expanded!.stride()).toEqual([6, 0]);
  });

  test("keys of the prototype are keys like others", () => {
    const value = io.loadTorch(fixture) as Record<string, unknown>;
    expect(Object.getOwnPropertyDescriptor(value, "__proto__")!.value).toEqual({ polluted: true });
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test("only what is in the result stays in memory", () => {
    torch.sweep(); // what earlier tests left would go at any time
    const before = torch.memory().tensors;
    const value = torch.scope(() => void io.loadTorch(fixture));
    expect(value).toBeUndefined();
    expect(torch.memory().tensors).toBeLessThanOrEqual(before);
  });
});

describe("refused, with the place", () => {
  const refusal = (path: string): string => {
    try {
      io.loadTorch(path);
    } catch (error) {
      expect(error).toBeInstanceOf(SteppeError);
      expect((error as SteppeError).code).toBe("FORMAT");
      return (error as Error).message;
    }
    throw new Error("It was loaded.");
  };

  test.each([
    ["a function that would run a command", `\x80\x02${global("posix.system")}${text("true")}\x85R.`, /posix\.system, which is not loaded: nothing in a file is executed/],
    ["a built-in", `\x80\x02${global("builtins.eval")}${text("1")}\x85R.`, /builtins\.eval/],
    ["a class of torch", `\x80\x02${global("torch.nn.modules.linear.Linear")})\x81.`, /torch\.nn\.modules\.linear\.Linear/],
    ["a global from the stack", `\x80\x04\x8c\x02os\x8c\x06system\x93.`, /os\.system/],
    ["an object by its class", `\x80\x02${global("collections.OrderedDict")})\x81.`, /the pickle operation NEWOBJ/],
    ["text operations", "\x80\x02I1\n.", /the pickle operation INT/],
    ["an unknown operation", "\x80\x02\xff.", /the pickle operation 0xff/],
    ["protocol 1", "\x80\x01N.", /a pickle of protocol 2 to 5 .* received protocol 1/],
    ["attributes of a list", "\x80\x02]}b.", /attributes for a dict alone/],
    ["a call of what is no function", "\x80\x02K\x01)R.", /a function and its arguments/],
    ["nothing on the stack", "\x80\x02.", /a value on the pickle's stack/],
    ["no mark", "\x80\x02t.", /a mark on the pickle's stack/],
    ["two values", "\x80\x02NN.", /one value at the end/],
    ["a memo that was not made", "\x80\x02h\x05.", /number 5, which is not/],
    ["text longer than the file", "\x80\x02X\xff\xff\xff\x7fabc", /2147483647 more bytes of the pickle .* received 3/],
    ["no end", "\x80\x02N", /1 more bytes of the pickle/],
    ["a key that is no word", "\x80\x02})Ns.", /strings and numbers as keys/],
    ["one key as number and word", `\x80\x02}(K\x01N${text("1")}Nu.`, /each key once/],
    ["an odd dict", "\x80\x02(K\x01d.", /a value for each key/],
    ["a bare storage", `\x80\x02(${text("storage")}${global("torch.FloatStorage")}${text("0")}${text("cpu")}K\x02tQ.`, /tensors and plain values/],
    ["a bare function", `\x80\x02${global("torch._utils._rebuild_tensor_v2")}.`, /tensors and plain values/],
    ["a Counter of nothing", `\x80\x02${global("collections.Counter")})R.`, /the counts of a Counter .* received nothing/],
    ["a size that is none", `\x80\x02${global("torch.Size")}J\xff\xff\xff\xff\x85\x85R.`, /Expected sizes/],
    ["a device that is none", `\x80\x02${global("torch.device")}K\x01\x85R.`, /Expected a device/],
    ["an OrderedDict of no pairs", `\x80\x02${global("collections.OrderedDict")}]K\x01a\x85R.`, /a pair of an OrderedDict/],
    ["deep nesting", `\x80\x02${"]".repeat(100_000)}${"a".repeat(99_999)}.`, /nested at most 200 deep/],
    ["an integer of millions of digits", "\x80\x02\x8b\xff\xff\xff\x7f.", /an integer of at most 1024 bytes/],
  ])("%s", (_, pickle, message) => {
    expect(refusal(archive(pickle))).toMatch(message);
  });

  test.each([
    ["a view beyond its storage", tensor(2, 0, [3], [1]), /a tensor within the 2 elements of its storage .* sizes \[3\], strides \[1\], offset 0/],
    ["an offset beyond it", tensor(2, 2, [1], [1]), /within the 2 elements/],
    ["strides beyond it", tensor(2, 0, [2], [2]), /within the 2 elements/],
    ["an empty view beyond it", tensor(2, 3, [0], [1]), /within the 2 elements/],
    ["fewer strides than sizes", tensor(2, 0, [1, 1], [1]), /sizes and as many strides/],
    ["a length that is not the entry's", tensor(200, 0, [1], [1]), /800 bytes of float32 for storage "0" .* received 8/],
  ])("%s", (_, pickle, message) => {
    expect(refusal(archive(`\x80\x02${pickle}.`, { "a/data/0": floats(1, 2) }))).toMatch(message);
  });

  test("sizes whose product is no number", () => {
    const large = "\x8a\x07\xff\xff\xff\xff\xff\xff\x0f"; // 2⁵²−1
    const pickle = tensor(2, 0, [1, 1, 1], [0, 0, 0]).replace("(K\x01K\x01K\x01t", `(${large.repeat(3)}t`);
    expect(refusal(archive(`\x80\x02${pickle}.`, { "a/data/0": floats(1, 2) }))).toMatch(/within the 2 elements/);
  });

  test("a storage without an entry, and one that is damaged", () => {
    expect(refusal(archive(`\x80\x02${tensor(2, 0, [2], [1])}.`))).toMatch(/an entry for storage "0"/);
    const path = archive(`\x80\x02${tensor(2, 0, [2], [1])}.`, { "a/data/0": floats(1, 2) });
    expect((io.loadTorch(path) as Tensor).toArray()).toEqual([1, 2]);
    const bytes = readFileSync(path);
    bytes[bytes.indexOf(floats(1, 2))]! ^= 1;
    writeFileSync(path, bytes);
    expect(refusal(path)).toMatch(/bytes of "data\/0" with the checksum \d+ at byte \d+ of .* received \d+: the file is damaged/);
  });

  test("other files, and other kinds of archive", () => {
    const write = (bytes: Buffer) => {
      const path = join(temporaryFolder(), "other.pt");
      writeFileSync(path, bytes);
      return path;
    };
    expect(refusal(write(Buffer.alloc(0)))).toMatch(/an empty file/);
    expect(refusal(write(Buffer.from("\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "latin1")))).toMatch(/before PyTorch 1\.6/);
    expect(refusal(write(Buffer.from("no archive")))).toMatch(/the file is cut off, or no zip archive/);
    expect(refusal(archive("\x80\x02N.", {}, { compress: true }))).toMatch(/stored as it is .* "a\/data\.pkl", compressed by method 8/);
    expect(refusal(archive("\x80\x02N.", {}, { flags: 1 }))).toMatch(/not encrypted/);
    expect(refusal(archive("\x80\x02N.", { "a/byteorder": Buffer.from("middle") }))).toMatch(/"little" or "big" as byte order/);
  });

  test("every shorter file", () => {
    const bytes = readFileSync(fixture);
    const path = join(temporaryFolder(), "short.pt");
    for (let length = 0; length < bytes.length; length += 97) {
      writeFileSync(path, bytes.subarray(0, length));
      refusal(path);
    }
  });

  test("2,000 damaged files (seed 5) are refused in words or load as something whole", { timeout: 120_000 }, () => {
    const random = randomNumbers(5);
    const bytes = readFileSync(fixture);
    // Checksums would refuse nearly all of them: a second kind has none, as files that torch.save makes without.
    const unchecked = withoutChecksums(bytes);
    const path = join(temporaryFolder(), "damaged.pt");
    let loaded = 0;
    for (let i = 0; i < 2000; i++) {
      writeFileSync(path, damage(i % 4 === 0 ? bytes : unchecked, random));
      torch.scope(() => {
        try {
          plain(io.loadTorch(path));
          loaded++;
        } catch (error) {
          if (!(error instanceof SteppeError)) throw error;
          expect(error.code).toBe("FORMAT");
        }
      });
    }
    expect(loaded).toBeGreaterThan(20);
    expect(loaded).toBeLessThan(1500);
  });

  test("300 damaged pickles (seed 6)", { timeout: 120_000 }, () => {
    const random = randomNumbers(6);
    const bytes = readFileSync(fixture);
    const begin = bytes.indexOf(Buffer.from("\x80\x02}", "latin1"));
    const pickle = bytes.subarray(begin, bytes.indexOf(Buffer.from("PK\x07\x08", "latin1"), begin));
    let refused = 0;
    for (let i = 0; i < 300; i++) {
      const path = archive(damage(pickle, random));
      try {
        io.loadTorch(path);
      } catch (error) {
        if (!(error instanceof SteppeError)) throw error;
        refused++;
      }
    }
    expect(refused).toBe(300); // it names storages that this archive lacks
  });
});

function withoutChecksums(bytes: Buffer): Buffer {
  const result = Buffer.from(bytes);
  for (let at = result.indexOf("PK\x01\x02"); at >= 0; at = result.indexOf("PK\x01\x02", at + 4)) result.writeUInt32LE(0, at + 16);
  return result;
}

describe("other forms", () => {
  test("no checksums", () => {
    const path = join(temporaryFolder(), "unchecked.pt");
    writeFileSync(path, withoutChecksums(readFileSync(fixture)));
    expect(plain(io.loadTorch(path))).toEqual(plain(io.loadTorch(fixture)));
  });

  test("sizes and places of 64 bits, whole and damaged", () => {
    const path = archive(`\x80\x02${tensor(2, 0, [2], [1])}.`, { "a/data/0": floats(1.5, -2) }, { wide: true });
    expect((io.loadTorch(path) as Tensor).toArray()).toEqual([1.5, -2]);
    const bytes = readFileSync(path);
    const damaged: [string, number, RegExp][] = [
      ["PK\x06\x07", 0, /the place of the end record of 64 bits/],
      ["PK\x06\x07", 8, /the place of the end record of 64 bits/],
      ["PK\x06\x06", 32, /a zip directory of at least/],
      ["PK\x06\x06", 48, /a zip directory before byte|of the zip directory/],
      ["\x01\0\x18\0", 0, /sizes of 64 bits .* received none/],
    ];
    for (const [mark, offset, message] of damaged) {
      const copy = Buffer.from(bytes);
      copy[copy.indexOf(Buffer.from(mark, "latin1")) + offset]! ^= 0x7f;
      writeFileSync(path, copy);
      expect(() => io.loadTorch(path), `${mark} ${offset}`).toThrow(message);
    }
  });

  test("two entries over the same bytes are refused", () => {
    const path = archive(`\x80\x02${tensor(2, 0, [2], [1])}.`, { "a/data/0": floats(1.5, -2), "a/data/1": floats(1.5, -2) });
    const bytes = readFileSync(path);
    const directory = bytes.lastIndexOf("PK\x01\x02");
    const before = bytes.lastIndexOf("PK\x01\x02", directory - 1);
    bytes.copy(bytes, directory + 42, before + 42, before + 46);
    writeFileSync(path, bytes);
    expect(() => io.loadTorch(path)).toThrow(/the entry "a\/data\/1" to begin at byte \d+ of .* received bytes of "a\/data\/0"/);
  });

  test("a comment after the archive", () => {
    const bytes = readFileSync(fixture);
    bytes.writeUInt16LE(5, bytes.length - 2);
    const path = join(temporaryFolder(), "comment.pt");
    writeFileSync(path, Buffer.concat([bytes, Buffer.from("hello")]));
    expect(plain(io.loadTorch(path))).toEqual(plain(io.loadTorch(fixture)));
  });

  test("the other byte order", () => {
    const swapped = { "a/byteorder": Buffer.from("big"), "a/data/0": floats(1.5, -2).swap32() };
    const pickle = tensor(2, 0, [2], [1]);
    expect((io.loadTorch(archive(`\x80\x02${pickle}.`, swapped)) as Tensor).toArray()).toEqual([1.5, -2]);
    const complex = pickle.replace("FloatStorage", "ComplexFloatStorage").replace("K\x02tQ", "K\x01tQ").replace("(K\x02t", "(K\x01t");
    expect((io.loadTorch(archive(`\x80\x02${complex}.`, swapped)) as Tensor).toArray()).toEqual([{ re: 1.5, im: -2 }]);
  });

  test("something that is within itself", () => {
    const list = io.loadTorch(archive("\x80\x02]q\0h\0a.")) as unknown[];
    expect(list[0]).toBe(list);
  });
});

describe.runIf(python !== null)(needsPython, () => {
  const script = `
sys.path.insert(0, inputs["fixtures"])
import os
import checkpoint as made
value = made.checkpoint()
outputs = made.plain(value)
for protocol in (2, 3, 4, 5):
    torch.save(value, os.path.join(inputs["folder"], f"{protocol}.pt"), pickle_protocol=protocol)
torch.serialization.set_crc32_options(False)
torch.save(value, os.path.join(inputs["folder"], "unchecked.pt"))
torch.serialization.set_crc32_options(True)
torch.save(value, os.path.join(inputs["folder"], "legacy.pt"), _use_new_zipfile_serialization=False)
torch.save({"some": b"ab\\xff\\x00", "none": b""}, os.path.join(inputs["folder"], "bytes.pt"))
torch.save(torch.nn.Linear(2, 2), os.path.join(inputs["folder"], "module.pt"))
torch.save({"a": torch.ones(2).to_sparse()}, os.path.join(inputs["folder"], "sparse.pt"))
torch.save({"a": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, os.path.join(inputs["folder"], "quantized.pt"))
torch.save({"a": torch.ones(2, dtype=torch.complex64).conj()}, os.path.join(inputs["folder"], "conjugate.pt"))
torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), os.path.join(inputs["folder"], "script.pt"))
`;
  const folder = mkdtempSync(join(tmpdir(), "steppe-torch-file-"));
  let reference: unknown;
  beforeAll(() => void (reference = runPython(script, { fixtures, folder })), 120_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  test("bytes", () => {
    expect(io.loadTorch(join(folder, "bytes.pt"))).toEqual({ some: Uint8Array.of(97, 98, 255, 0), none: new Uint8Array() });
  });

  test.each(["2", "3", "4", "5", "unchecked"])("protocol %s", (name) => {
    expect(plain(io.loadTorch(join(folder, `${name}.pt`)))).toEqual(reference);
  });

  test.each([
    ["legacy", /before PyTorch 1\.6/],
    ["module", /torch\.nn\.modules\.linear\.Linear/],
    ["sparse", /_rebuild_sparse_tensor/],
    ["quantized", /_rebuild_qtensor/],
    ["conjugate", /marks of its own/],
    ["script", /__torch__/],
  ])("%s is refused by name", (name, message) => {
    expect(() => io.loadTorch(join(folder, `${name}.pt`))).toThrow(message);
  });
});
