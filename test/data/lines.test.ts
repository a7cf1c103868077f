import { isUtf8 } from "node:buffer";
import { closeSync, existsSync, openSync, readdirSync, readlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { data } from "../../lib/index.js";
import { resultOf } from "../support/child.js";
import { temporaryFolder } from "../support/folder.js";

function file(name: string, content: string | Buffer): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

async function linesOf(path: string): Promise<string[]> {
  const all: string[] = [];
  for await (const line of data.lines(path)) all.push(line);
  return all;
}

test("a line ends with \\n or \\r\\n, with nothing else; the mark at the start is left out", async () => {
  expect(await linesOf(file("a.txt", "\ufeffone\r\n\ntwo\u2028\u2029\u0085\r three\n four "))).toEqual(["one", "", "two\u2028\u2029\u0085\r three", " four "]);
  expect(await linesOf(file("b.txt", ""))).toEqual([]);
  expect(await linesOf(file("c.txt", "\n"))).toEqual([""]);
  expect(await linesOf(file("d.txt", "one\n\n"))).toEqual(["one", ""]);
});

test("characters and lines over the borders of chunks, packed or not", async () => {
  // Chunks are of 64 KiB: lines of every length, of characters of one to four bytes.
  const text = Array.from({ length: 3000 }, (_, i) => "aé中🐋".repeat((i * 7919) % 60) + "x".repeat(i % 5));
  text[1500] = "🐋".repeat(60_000);
  expect(await linesOf(file("a.txt", text.join("\n")))).toEqual(text);
  expect(await linesOf(file("a.txt.gz", gzipSync(`${text.join("\r\n")}\r\n`)))).toEqual(text);
});

test("any bytes: the lines of their text, or an error at the byte where it ends to be one", async () => {
  const piece = fc.oneof(fc.string({ unit: "binary", maxLength: 4 }).map((text) => [...Buffer.from(text)]), fc.array(fc.integer({ min: 0x80, max: 0xff }), { maxLength: 2 }), fc.constant([0x0a]), fc.constant([0x0d, 0x0a]));
  const path = join(temporaryFolder(), "a.txt");
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
      const bytes = Buffer.from(pieces.flat());
      writeFileSync(path, bytes);
      const read = await linesOf(path).catch((error: Error) => error);
      if (isUtf8(bytes)) {
        const text = bytes.toString().replace(/^\ufeff/, "").split("\n");
        if (text.at(-1) === "") text.pop();
        expect(read).toEqual(text.map((line) => line.replace(/\r$/, "")));
      } else {
        expect(read).toMatchObject({ code: "FORMAT" });
        const at = Number(/^Expected UTF-8 at byte (\d+) of /.exec((read as Error).message)![1]);
        // Everything before is text, and no longer stretch is the beginning of one.
        expect(isUtf8(bytes.subarray(0, at))).toBe(true);
        for (let end = at + 1; end <= Math.min(bytes.length, at + 4); end++) expect(isUtf8(bytes.subarray(0, end))).toBe(false);
      }
    }),
    { numRuns: 150 },
  );
});

describe("refused", () => {
  test.each([
    ["a byte that begins nothing", [0x61, 0x0a, 0x62, 0xff, 0x0a], "UTF-8 at byte 3", "0xff"],
    ["half a character at the end", [0x61, 0x0a, 0xf0, 0x9f, 0x90], "UTF-8 at byte 2", "0xf0"],
    ["a surrogate", [0x0a, 0xed, 0xa0, 0x80], "UTF-8 at byte 1", "0xed"],
    ["Latin-1", [...Buffer.from("caf\u00e9 au lait\n", "latin1")], "UTF-8 at byte 3", "0xe9"],
  ])("%s", async (_, bytes, message, byte) => {
    const path = file("a.txt", Buffer.from(bytes));
    await expect(linesOf(path)).rejects.toMatchObject({ code: "FORMAT", message: `Expected ${message} of ${path} but received the byte ${byte}.` });
  });

  test("a broken byte far inside", async () => {
    const path = file("a.txt", Buffer.concat([Buffer.from("é line\n".repeat(50_000)), Buffer.from([0xc0]), Buffer.from("\nrest\n")]));
    await expect(linesOf(path)).rejects.toThrow(`Expected UTF-8 at byte ${8 * 50_000} of ${path}`);
  });

  test("a file that is not packed, or packed in half; a missing one; a folder", async () => {
    await expect(linesOf(file("a.txt.gz", "plain"))).rejects.toMatchObject({ code: "FORMAT", message: expect.stringContaining("Expected gzipped data") as unknown });
    const packed = gzipSync(Array.from({ length: 1000 }, (_, i) => `${i * i}`).join("\n"));
    await expect(linesOf(file("b.txt.gz", packed.subarray(0, packed.length / 2)))).rejects.toMatchObject({ code: "FORMAT" });
    await expect(linesOf(join(temporaryFolder(), "none.txt"))).rejects.toMatchObject({ code: "IO" });
    await expect(linesOf(temporaryFolder())).rejects.toMatchObject({ code: "IO" });
    await expect(linesOf(3 as never)).rejects.toThrow("a path for path");
  });

  test("a line without end: an error, not all of memory", async () => {
    const path = join(temporaryFolder(), "zeros.txt");
    const sparse = openSync(path, "w");
    writeSync(sparse, Buffer.from("first\n"));
    writeSync(sparse, Buffer.from("x"), 0, 1, 300 * 2 ** 20); // zeros in between, which take no place
    closeSync(sparse);
    await expect(linesOf(path)).rejects.toMatchObject({ code: "FORMAT", message: `Expected a line of at most 64 MiB at byte 6 of ${path} but received a longer one.` });
  });
});

test("whoever stops early leaves no file open", async () => {
  const path = file("a.txt", "line\n".repeat(200_000));
  for (let i = 0; i < 20; i++) for await (const line of data.lines(path)) if (line === "line") break;
  const open = () => readdirSync("/proc/self/fd").filter((fd) => existsSync(`/proc/self/fd/${fd}`) && readlinkSync(`/proc/self/fd/${fd}`) === path);
  await vi.waitFor(() => expect(open()).toEqual([]), { timeout: 30_000 });
});

// Some 43 MiB of rows go by in a process that may keep 32 MiB of objects: one that kept its rows would end for want of memory.
describe("a file larger than memory", () => {
  const rows = 300_000;
  const words = `${"words and words ".repeat(9)}`;
  const large = (name: string, header: string, line: (n: string) => string) => {
    const path = join(temporaryFolder(), name);
    const out = openSync(path, "w");
    writeSync(out, header);
    for (let i = 0; i < rows; i += 10_000) writeSync(out, Array.from({ length: 10_000 }, (_, k) => `${line(String(i + k).padStart(7, "0"))}\n`).join(""));
    closeSync(out);
    return path;
  };

  test.each([
    { name: "a.txt", header: "", line: (n: string) => `${n} ${words}`, loop: "for await (const line of steppe.data.lines(path)) take(line.slice(0, 7))" },
    { name: "a.csv", header: "n,text\n", line: (n: string) => `${n},"${words}"`, loop: "for await (const { n } of steppe.data.rows(path)) take(n)" },
    { name: "a.jsonl", header: "", line: (n: string) => `{"n": "${n}", "text": "${words}"}`, loop: "for await (const { n } of steppe.data.rows(path)) take(n)" },
  ])("$name", { timeout: 300_000 }, async ({ name, header, line, loop }) => {
    const path = large(name, header, line);
    const program = `
      const path = ${JSON.stringify(path)};
      let [count, sum, most] = [0, 0, 0];
      const take = (n) => {
        sum += Number(n);
        if (++count % 50_000 !== 0) return;
        gc();
        most = Math.max(most, process.memoryUsage().arrayBuffers);
      };
      ${loop};
      console.log(JSON.stringify({ count, sum, buffers: most / 2 ** 20 }));`;
    const { count, sum, buffers } = await resultOf<{ count: number; sum: number; buffers: number }>(program, { args: ["--max-old-space-size=32", "--expose-gc"] });
    expect([count, sum]).toEqual([rows, (rows * (rows - 1)) / 2]);
    expect(buffers).toBeLessThan(16); // of what was read and not yet given
  });
});
