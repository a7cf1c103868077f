import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { describe, expect, test } from "vitest";
import { resultOf } from "../support/child.js";
import { temporaryFolder } from "../support/folder.js";
import { hasLibraries, runPython } from "../support/python.js";

// Files several times as large as what may be in memory: JavaScript's heap has 32 MiB in these processes, and the process
// may grow by no more than a part of the file while it reads.

const heap = 32;
/** MiB of a file, unpacked. */
const size = 100;
const row = "x".repeat(2000);
const rows = Math.floor((size * 2 ** 20) / row.length);

/** Writes rows into a file, packed if its name says so. */
async function fill(name: string, of: (i: number) => string, head = ""): Promise<string> {
  const path = join(temporaryFolder(), name);
  const pieces = function* () {
    yield head;
    for (let i = 0; i < rows; i += 500) yield Array.from({ length: Math.min(500, rows - i) }, (_, k) => of(i + k)).join("");
  };
  const from = Readable.from(pieces());
  if (name.endsWith(".gz")) await pipeline(from, createGzip({ level: 1 }), createWriteStream(path));
  else await pipeline(from, createWriteStream(path));
  return path;
}

interface Read {
  seen: number;
  letters: number;
  /** MiB by which the process grew. */
  grown: number;
}

/** What a loop sees that counts `seen` and `letters`. */
function read(loop: string, inputs: unknown): Promise<Read> {
  return resultOf(
    `const { data } = steppe;
    const inputs = ${JSON.stringify(inputs)};
    const before = process.memoryUsage().rss;
    let [peak, seen, letters] = [before, 0, 0];
    const look = () => { if (++seen % 100 === 0) peak = Math.max(peak, process.memoryUsage.rss()); };
    ${loop}
    console.log(JSON.stringify({ seen, letters, grown: (peak - before) / 2 ** 20 }));`,
    { args: [`--max-old-space-size=${heap}`, "--max-semi-space-size=4"] },
  );
}

function expectStreamed({ seen, letters, grown }: Read): void {
  expect([seen, letters]).toEqual([rows, rows * row.length]);
  expect(grown).toBeLessThan(size / 2);
}

describe(`files of ${size} MiB with a heap of ${heap}`, () => {
  test.each([
    ["CSV, gzipped", "a.csv.gz", (i: number) => `${i},"${row}"\n`, "n,text\n"],
    ["TSV", "a.tsv", (i: number) => `${i}\t${row}\n`, "n\ttext\n"],
    ["JSON lines, gzipped", "a.jsonl.gz", (i: number) => `{"n":${i},"text":"${row}"}\n`, ""],
  ])("%s", { timeout: 300_000 }, async (_, name, of, head) => {
    const path = await fill(name, of, head);
    expectStreamed(await read("for await (const { text } of data.rows(inputs)) { letters += text.length; look(); }", path));
  });

  test("two files of translations, one of them gzipped", { timeout: 300_000 }, async () => {
    const files = { source: await fill("a.de", () => `${row}\n`), target: await fill("a.en.gz", (i) => `${i}\n`) };
    expectStreamed(await read("for await (const { source } of data.parallelText(inputs)) { letters += source.length; look(); }", files));
  });

  const there = hasLibraries("pyarrow");
  test.skipIf(!there)(`Parquet, row group by row group${there ? "" : " (skipped: not installed)"}`, { timeout: 300_000 }, async () => {
    const path = join(temporaryFolder(), "a.parquet");
    runPython(
      `
import pyarrow as pa, pyarrow.parquet as pq
schema = pa.schema([("n", pa.int64()), ("text", pa.string())])
with pq.ParquetWriter(inputs["path"], schema, compression="snappy", use_dictionary=False) as writer:
    for start in range(0, inputs["rows"], 1000):
        n = range(start, min(start + 1000, inputs["rows"]))
        writer.write_table(pa.table({"n": list(n), "text": [inputs["row"]] * len(n)}, schema=schema))
outputs = 0`,
      { path, rows, row },
    );
    expectStreamed(await read("for await (const { text } of data.rows(inputs)) { letters += text.length; look(); }", path));
  });
});
