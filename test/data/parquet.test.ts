import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SteppeError, data } from "../../lib/index.js";
import { hasLibraries, runPython } from "../support/python.js";
import { temporaryFolder } from "../support/folder.js";
import { damage, randomNumbers } from "../support/random.mjs";

// Files of every codec and of both versions of pages, made by pyarrow, Polars and DuckDB (fixtures/parquet/make.py). What must be
// in them is what pyarrow read from them itself.

const folder = new URL("../fixtures/parquet/", import.meta.url).pathname;
const files = readdirSync(folder).filter((name) => name.endsWith(".parquet"));

/** As make.py writes values that JSON does not have. */
function told(value: unknown): unknown {
  if (typeof value === "bigint") return { $big: String(value) };
  if (value instanceof Date) return { $date: value.toISOString().slice(0, 10) };
  if (value instanceof Uint8Array) return { $bytes: [...value] };
  if (Array.isArray(value)) return value.map(told);
  if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, told(each)]));
  return value;
}

const readJson = (path: string) => JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>[];

async function compare(path: string, wanted: Record<string, unknown>[]): Promise<void> {
  const rows = (await data.readRows(path)).map(told) as Record<string, unknown>[];
  expect(rows).toEqual(wanted.map((row) => Object.fromEntries(Object.keys(rows[0]!).map((name) => [name, row[name]]))));
}

describe("Parquet", () => {
  test.each(files)("%s", async (name) => {
    await compare(join(folder, name), readJson(join(folder, "rows.json")));
  });

  test("some columns, row group by row group, a reader that stops early", async () => {
    const path = join(folder, "zstd-v1.parquet");
    expect(await data.readRows(path, { columns: ["label", "text"] })).toEqual(readJson(join(folder, "rows.json")).map(({ label, text }) => ({ label, text })));
    const seen: unknown[] = [];
    for await (const { label } of data.rows(path)) if (seen.push(label) === 6) break;
    expect(seen).toEqual([-1, 0, 1, -1, 0, 1]);
  });

  test("one row group at a time: what comes before damage is read", async () => {
    const bytes = readFileSync(join(folder, "none-v1.parquet"));
    const footer = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
    // "row 4" is in the first group alone: what comes after it belongs to the second.
    for (let at = bytes.lastIndexOf("row 4", footer) + 1; (at = bytes.indexOf("row ", at)) < footer; at++) bytes.write("\xff", at, "latin1");
    const path = join(temporaryFolder(), "a.parquet");
    writeFileSync(path, bytes);
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { text } of data.rows(path)) seen.push(text);
    })();
    await expect(reading).rejects.toThrow(`Expected Parquet data in column "text", row group 1 of ${path} but received: text that is no UTF-8`);
    expect(seen).toEqual(readJson(join(folder, "rows.json")).slice(0, 5).map(({ text }) => text));
  });

  test("a file under another name", async () => {
    const path = join(temporaryFolder(), "data");
    writeFileSync(path, readFileSync(join(folder, "snappy-v2.parquet")));
    expect(await data.readRows(path, { format: "parquet" })).toHaveLength(8);
  });

  const there = hasLibraries("pyarrow");
  test.skipIf(!there)(`beside pyarrow, over many pages and row groups${there ? "" : " (skipped: not installed)"}`, { timeout: 300_000 }, async () => {
    const made = temporaryFolder();
    runPython(`sys.path.insert(0, inputs["make"])\nfrom make import make\nmake(inputs["folder"], 700, 300)\noutputs = 0`, { make: folder, folder: made });
    for (const name of ["snappy-v1.parquet", "zstd-v2.parquet", "plain.parquet", "delta.parquet"]) await compare(join(made, name), readJson(join(made, "rows.json")));
  });
});

describe("what is no Parquet", () => {
  const good = readFileSync(join(folder, "none-v1.parquet"));
  const length = good.readUInt32LE(good.length - 8);
  const changed = (change: (bytes: Buffer) => Buffer | void) => {
    const bytes = Buffer.from(good);
    return change(bytes) ?? bytes;
  };
  test.each<[string, Buffer, RegExp]>([
    ["empty", Buffer.alloc(0), /Expected a Parquet file at byte 0 of .* but received nothing/],
    ["short", good.subarray(0, 9), /Expected a Parquet file at byte 0 of .* but received 9 bytes/],
    ["another format", Buffer.from("sentence\tlabel\nfine\t1\n"), /Expected PAR1, with which Parquet files begin, at byte 0|Expected PAR1, with which Parquet files begin at byte 0/],
    ["truncated", good.subarray(0, 4000), /Expected PAR1, with which Parquet files end at byte 3996 of .* it may be truncated/],
    ["metadata longer than the file", changed((bytes) => void bytes.writeUInt32LE(2 ** 31, bytes.length - 8)), /Expected at most \d+ bytes of metadata at byte \d+ of .* but received 2147483648/],
    ["metadata that are none", changed((bytes) => void bytes.fill(0xff, bytes.length - 8 - length, bytes.length - 8)), /Expected Parquet's metadata at byte/],
    ["pages that are none", changed((bytes) => void bytes.fill(0xff, 4, 200)), /Expected Parquet data in column "text", row group 0 of .* but received/],
    ["text that is no UTF-8", changed((bytes) => void bytes.write("\xff\xff", bytes.indexOf("row 0 é"), "latin1")), /Expected Parquet data in column "text", row group 0 of .* but received: text that is no UTF-8/],
  ])("%s", async (_, bytes, message) => {
    const path = join(temporaryFolder(), "a.parquet");
    writeFileSync(path, bytes);
    await expect(data.readRows(path)).rejects.toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(message) }));
  });

  test("no file, no such column", async () => {
    await expect(data.readRows("/nowhere/a.parquet")).rejects.toThrow(expect.objectContaining({ code: "IO" }));
    await expect(data.readRows(join(folder, "none-v1.parquet"), { columns: ["labels"] })).rejects.toThrow('Expected the column "labels" in');
  });

  const inLittleMemory = () => {
    const { heapTotal, external } = process.memoryUsage();
    expect(heapTotal + external).toBeLessThan(2 ** 30);
  };

  async function readDamaged(path: string, bytes: Buffer, what: string): Promise<"rows" | "refused"> {
    writeFileSync(path, bytes);
    try {
      await data.readRows(path);
      return "rows";
    } catch (error) {
      if (!(error instanceof SteppeError) || error.code !== "FORMAT") throw new Error(what, { cause: error });
      return "refused";
    }
  }

  test("numbers of two thousand million anywhere in the file", async () => {
    const path = join(temporaryFolder(), "damaged.parquet");
    let refused = 0;
    for (const [name, step] of [["plain.parquet", 23], ["snappy-v2.parquet", 41], ["delta.parquet", 7]] as const) {
      const original = readFileSync(join(folder, name));
      for (let at = 4; at < original.length - 12; at += step) {
        const bytes = Buffer.from(original);
        bytes.write("fffffff707", at, "hex"); // as Thrift and Parquet's runs write 2^31 - 9
        if ((await readDamaged(path, bytes, `byte ${at} of ${name}`)) === "refused") refused++;
      }
    }
    expect(refused).toBeGreaterThan(100);
    inLittleMemory();
  });

  // STEPPE_FUZZ_FILES=5000 npx vitest run test/data/parquet     more of them
  test("random damage: rows, or an error that says so, in little memory", async () => {
    const rounds = Number(process.env.STEPPE_FUZZ_FILES ?? 12);
    const random = randomNumbers(Number(process.env.STEPPE_FUZZ_SEED ?? 1));
    const path = join(temporaryFolder(), "damaged.parquet");
    const outcomes = { rows: 0, refused: 0 };
    for (const name of files) {
      const original = readFileSync(join(folder, name));
      for (let round = 0; round < rounds; round++) {
        // In turn anywhere, and in the metadata alone, which is most of so small a file but little of a real one.
        const footer = original.length - 8 - original.readUInt32LE(original.length - 8);
        const bytes = round % 2 === 0 ? damage(original, random) : Buffer.concat([original.subarray(0, footer), damage(original.subarray(footer), random)]);
        outcomes[await readDamaged(path, bytes, `round ${round} of ${name}`)]++;
      }
    }
    expect(outcomes.refused).toBeGreaterThan(0);
    expect(outcomes.rows).toBeGreaterThan(0);
    inLittleMemory();
  });
});
