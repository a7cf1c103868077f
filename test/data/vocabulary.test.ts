import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { data } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { needsPython, python, runPython } from "../support/python.js";

const awkward = "b a b ab A é e\u0301 \uff01 \u{1f40b} \u{1f40b} \ud7ff \ue000 \uffff 中 中 z a b";

test("specials first, then by frequency, then by code points", () => {
  const vocabulary = data.vocabulary(awkward.split(" "), { specials: ["<pad>", "<unk>", "z"], unknown: "<unk>" });
  expect(vocabulary.tokens).toEqual(["<pad>", "<unk>", "z", "b", "a", "中", "\u{1f40b}", "A", "ab", "e\u0301", "é", "\ud7ff", "\ue000", "\uff01", "\uffff"]);
  expect(vocabulary.size).toBe(15);
  expect(vocabulary.encode(["b", "never", "z"])).toEqual([3, 1, 2]);
  expect(vocabulary.decode([3, 1, 2])).toEqual(["b", "<unk>", "z"]);
  expect([vocabulary.idOf("a"), vocabulary.has("never"), vocabulary.unknown]).toEqual([4, false, "<unk>"]);
});

describe.skipIf(python === null)(`beside Python (${needsPython})`, () => {
  test("the order of torchtext: sorted by (-count, token)", async () => {
    const { documents } = await data.mobyDick();
    const words = `${documents[0]!.text} ${awkward}`.split(" ");
    const script = `
import collections
outputs = []
for tokens in (inputs, list(" ".join(inputs))):
    counts = collections.Counter(tokens)
    outputs.append([token for token, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))])
`;
    const [byWord, byCharacter] = runPython<string[][]>(script, words);
    expect(data.vocabulary(words).tokens).toEqual(byWord);
    expect(data.vocabulary(words.join(" ")).tokens).toEqual(byCharacter);
  });
});

test("rare tokens are left out, and no more than maxSize stay", () => {
  const counts = new data.TokenCounts().add("aaaabbbccd").add(["a", "e"]);
  expect([counts.of("a"), counts.of("x")]).toEqual([5, 0]);
  expect(counts.vocabulary({ minFrequency: 2 }).tokens).toEqual(["a", "b", "c"]);
  expect(counts.vocabulary({ minFrequency: 2, specials: ["?"], unknown: "?", maxSize: 3 }).tokens).toEqual(["?", "a", "b"]);
});

test("a string is characters, by code points", () => {
  const vocabulary = data.vocabulary("né\u{1f40b}e");
  expect(vocabulary.decode(vocabulary.encode("\u{1f40b}né")).join("")).toBe("\u{1f40b}né");
  expect(() => vocabulary.encode("x")).toThrow('Expected a token of the vocabulary for token but received "x" of type string. No token stands for unknown ones.');
});

test("saved and loaded", () => {
  const path = join(temporaryFolder(), "vocabulary.json");
  const vocabulary = data.vocabulary("to be or not".split(" "), { specials: ["<unk>"], unknown: "<unk>" });
  vocabulary.save(path);
  const loaded = data.loadVocabulary(path);
  expect([loaded.tokens, loaded.unknown]).toEqual([vocabulary.tokens, "<unk>"]);
  expect(loaded.encode(["be", "what"])).toEqual(vocabulary.encode(["be", "what"]));
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ tokens: ["<unk>", "be", "not", "or", "to"], unknown: "<unk>" });
});

test.each([
  ["nothing", "{}"],
  ["a token twice", '{"tokens": ["a", "a"]}'],
  ["a number", '{"tokens": ["a", 1]}'],
  ["an unknown token that is not there", '{"tokens": ["a"], "unknown": "b"}'],
  ["a list", "[]"],
  ["half a file", '{"tokens": ["a"'],
])("a file with %s is refused", (_, content) => {
  const path = join(temporaryFolder(), "vocabulary.json");
  writeFileSync(path, content);
  expect(() => data.loadVocabulary(path)).toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringContaining(path) as unknown }) as Error);
});

test("wrong arguments", () => {
  expect(() => data.vocabulary([])).toThrow("Nothing was counted");
  expect(() => data.vocabulary(3 as never)).toThrow("a string or tokens");
  expect(() => data.vocabulary([["a"]] as never)).toThrow("Expected strings for tokens");
  expect(() => data.vocabulary("ab", { unknown: "c" })).toThrow("one of the tokens");
  expect(() => data.vocabulary("ab", { maxSize: 1, specials: ["x", "y"] })).toThrow("an integer of at least 2 for maxSize");
  expect(() => data.vocabulary("ab", { minFreq: 2 } as never)).toThrow('Expected one of specials, unknown, minFrequency, maxSize in options but received "minFreq"');
  expect(() => data.vocabulary("ab").decode([2])).toThrow("Expected integers from 0 to 1 for ids but received 2");
  expect(() => data.vocabulary("ab").decode([0.5])).toThrow("integers from 0 to 1");
});
