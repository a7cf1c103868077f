import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { CharsMap } from "../../lib/data/text/precompiled.js";
import { SteppeError } from "../../lib/index.js";
import { randomNumbers } from "../support/random.mjs";
import { hasLibraries, needsPython, runPython } from "../support/python.js";
import { awkwardTexts } from "./awkward.js";

// SentencePiece's own table, as its trainer writes it: see fixtures/tokenizers/make.py.
const table = gunzipSync(readFileSync(fileURLToPath(new URL("../fixtures/tokenizers/nmt_nfkc.charsmap.gz", import.meta.url))));
const map = new CharsMap(table.toString("base64"), "tokenizer.json");

test.each([
  ["plain text, 1 + 1 = 2.", "plain text, 1 + 1 = 2."],
  ["", ""],
  ["\ufb01ne \u2460 \uff21\u3000\u2163", "fine 1 A IV"], // as NFKC
  ["caf\u0065\u0301", "caf\u00e9"],
  ["tab\tand\u00a0line\r\nend", "tab and line end"], // \r\n is one grapheme: one space
  ["\u0001\u0007bell\u007f", "bell"],
  ["zero\u200bwidth\ufeff", "zero width "],
  ["\u0000", "\u0000"],
  ["\ud55c\u1112\u1161\u11ab", "\ud55c\u1112\u1161\u11ab"], // letters of nine bytes are not looked up whole, and so not composed
  ["half \ud83d pair", "half   pair"], // U+FFFD is a space
  ["👩‍👩‍👧‍👦 🇫🇷", "👩‍👩‍👧‍👦 🇫🇷"],
])("%j", (text, normal) => {
  expect(map.normalize(text)).toBe(normal);
});

describe.skipIf(!hasLibraries("tokenizers"))(`${needsPython}: Precompiled`, () => {
  test("every character of two planes, and texts that are thrown together", () => {
    const characters = Array.from({ length: 0x20000 }, (_, code) => (code === 0 || (code >= 0xd800 && code < 0xe000) ? 0x20 : code)).concat(Array.from({ length: 0x200 }, (_, i) => 0xe0000 + i));
    const texts = awkwardTexts(6000, 3);
    // Between spaces no two characters are one grapheme, but a mark and the space before it: that is looked up, too.
    for (let i = 0; i < characters.length; i += 256) texts.push(characters.slice(i, i + 256).map((code) => String.fromCodePoint(code)).join(i % 512 === 0 ? " " : "a"));
    const outputs = runPython<string[]>(
      `
import base64
from tokenizers import normalizers
normalizer = normalizers.Precompiled(base64.b64decode(inputs["table"]))
outputs = [normalizer.normalize_str(text) for text in inputs["texts"]]
`,
      { table: table.toString("base64"), texts },
    );
    const wrong = texts.filter((text, i) => map.normalize(text) !== outputs[i]);
    expect(wrong).toEqual([]);
  }, 120_000);
});

describe("what is no such table", () => {
  const trie = table.readUInt32LE(0);
  const changed = (at: number, value: number) => {
    const copy = Buffer.from(table);
    copy.writeUInt32LE(value, at);
    return copy.toString("base64");
  };
  test.each<[string, unknown, string]>([
    ["nothing", undefined, "Expected base64 in the precompiled_charsmap of t5/tokenizer.json but received nothing."],
    ["no base64", "what is this?", "Expected base64"],
    ["empty", "", "Expected the size of its trie at byte 0"],
    ["too long a trie", changed(0, 0xffff_fff0), `Expected the size of a trie within its ${table.length} bytes at byte 0 in the precompiled_charsmap of t5/tokenizer.json but received 4294967280.`],
    ["an odd size", changed(0, trie + 2), "Expected the size of a trie"],
    ["no entries", changed(4, 0), "Expected a trie with entries"],
    ["cut in the trie", table.subarray(0, 4 + trie / 2).toString("base64"), "Expected the size of a trie"],
    ["cut in the replacements", table.subarray(0, table.length - 1).toString("base64"), "Expected the start of a replacement at unit"],
    ["no UTF-8", changed(4 + trie + 100, 0xffff_ffff), "Expected UTF-8 at byte"],
  ])("%s", (_, value, message) => {
    expect(() => new CharsMap(value, "t5/tokenizer.json")).toThrow(message);
    expect(() => new CharsMap(value, "t5/tokenizer.json")).toThrow(SteppeError);
  });

  test("damage anywhere is an error, or another table: never anything else", () => {
    const random = randomNumbers(11);
    const texts = awkwardTexts(50, 4);
    let refused = 0;
    for (let i = 0; i < 10; i++) {
      const copy = Buffer.from(table);
      for (let j = 0; j < 1 + 20 * (i % 3); j++) copy[Math.floor(random() * (i % 2 === 0 ? 4 + trie : copy.length))] = Math.floor(random() * 256);
      try {
        const other = new CharsMap(copy.toString("base64"), "t5/tokenizer.json");
        for (const text of texts) expect(typeof other.normalize(text)).toBe("string");
      } catch (error) {
        expect(error).toMatchObject({ code: "FORMAT" });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(0);
  }, 60_000);
});
