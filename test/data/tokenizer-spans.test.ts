import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { data } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { hasLibraries, needsPython, runPython } from "../support/python.js";
import { awkwardTexts } from "./awkward.js";

// Where the words come from, beside Python's tokenizers: each normaliser and each splitter by itself, with a model that knows no word, so
// that each is one [UNK], or that knows bytes alone.

const each = { type: "Split", pattern: { Regex: "[\\s\\S]" }, behavior: "Isolated", invert: false };
const replace = (pattern: object, content: string) => ({ type: "Replace", pattern, content });
const bert = (clean_text: boolean, handle_chinese_chars: boolean, strip_accents: boolean | null, lowercase: boolean) => ({ type: "BertNormalizer", clean_text, handle_chinese_chars, strip_accents, lowercase });
const split = (behavior: string, invert = false, pattern: object = { Regex: "[aeiou ]+" }) => ({ type: "Split", pattern, behavior, invert });
const behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"];
const metaspace = (prepend_scheme: string, split: boolean) => ({ type: "Metaspace", replacement: "\u2581", prepend_scheme, split });
const bytes = (add_prefix_space: boolean, use_regex: boolean) => ({ type: "ByteLevel", add_prefix_space, trim_offsets: true, use_regex });

type Parts = readonly [normalizer: object | null, preTokenizer: object | null];
const normalizers: readonly object[] = [
  ...["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"].map((type) => ({ type })),
  ...[[true, false], [false, true], [true, true]].map(([strip_left, strip_right]) => ({ type: "Strip", strip_left, strip_right })),
  { type: "Prepend", prepend: "\u2581x" },
  replace({ String: "e" }, "ee"),
  replace({ String: " " }, ""),
  replace({ Regex: "\\s+" }, "\u2581\u2581"),
  replace({ Regex: "(?=[e ])" }, "$&"),
  bert(true, true, null, true),
  bert(false, true, false, true),
  bert(true, false, true, false),
  { type: "Sequence", normalizers: [{ type: "NFKD" }, { type: "StripAccents" }, { type: "Lowercase" }, { type: "NFC" }, replace({ Regex: " {2,}" }, " ")] },
];
const preTokenizers: readonly (object | null)[] = [
  null,
  ...["BertPreTokenizer", "Whitespace", "WhitespaceSplit"].map((type) => ({ type })),
  ...behaviors.map((behavior) => ({ type: "Punctuation", behavior })),
  ...[true, false].map((individual_digits) => ({ type: "Digits", individual_digits })),
  ...behaviors.flatMap((behavior) => [split(behavior), split(behavior, true), split(behavior, false, { String: "e" })]),
  ...["always", "first", "never"].flatMap((scheme) => [metaspace(scheme, true), metaspace(scheme, false)]),
  ...[bytes(true, true), bytes(false, true), bytes(true, false)],
  { type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, metaspace("first", true), { type: "Punctuation", behavior: "MergedWithNext" }, bytes(true, true)] },
];
const cases: Parts[] = [...normalizers.map((normalizer): Parts => [normalizer, each]), ...preTokenizers.flatMap((splitter): Parts[] => [[null, splitter], [{ type: "NFKD" }, splitter]])];

const texts = ["", " ", "  a\u0301 e  e ", "\u212b\u1e9b\u0323 \uac00\u1100\u1161\u11a8", "a\u0315\u0300\u05ae\u0300\u0062", "\u0001x\u0002", "The e\u0301te\u0301, 3.14 \u4e2d\u6587!?", "\u0130\u03a3 \ufdfa", "x".repeat(50), ...awkwardTexts(250, 31)];

const unknown = { type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: "##", max_input_chars_per_word: 100, vocab: { "[UNK]": 0 } };
const byteVocabulary = Object.fromEntries(["[UNK]", "\u2581", ..."aet", ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`)].map((token, id) => [token, id]));
const models: [name: string, model: object, cases: readonly Parts[]][] = [
  ["words", unknown, cases],
  ["characters that are unknown, by themselves", { type: "BPE", unk_token: "[UNK]", fuse_unk: false, byte_fallback: false, vocab: { "[UNK]": 0, a: 1, e: 2, ae: 3 }, merges: ["a e"] }, [[null, null], [null, { type: "Whitespace" }]]],
  ["characters that are unknown, together", { type: "BPE", unk_token: "[UNK]", fuse_unk: true, byte_fallback: false, vocab: { "[UNK]": 0, a: 1, e: 2, ae: 3 }, merges: ["a e"] }, [[null, null], [{ type: "NFD" }, { type: "Whitespace" }]]],
  ["ends of words", { type: "BPE", unk_token: "[UNK]", fuse_unk: false, end_of_word_suffix: "</w>", vocab: { "[UNK]": 0, a: 1, "e</w>": 2, "ae</w>": 3, "a</w>": 4 }, merges: ["a e</w>"] }, [[null, { type: "WhitespaceSplit" }], [{ type: "Lowercase" }, { type: "BertPreTokenizer" }]]],
  ["bytes of characters", { type: "BPE", unk_token: "[UNK]", fuse_unk: true, byte_fallback: true, vocab: byteVocabulary, merges: [] }, [[null, null], [{ type: "NFKC" }, metaspace("always", true)]]],
  ["bytes of Unigram", { type: "Unigram", unk_id: 0, byte_fallback: true, vocab: Object.keys(byteVocabulary).map((token) => [token, -1]) }, [[null, null], [{ type: "NFKC" }, metaspace("first", false)]]],
];

const there = hasLibraries("tokenizers");
describe.skipIf(!there)(`${needsPython}: tokenizers`, () => {
  const files = models.flatMap(([name, model, all]) => all.map(([normalizer, pre_tokenizer]) => ({ name, file: { version: "1.0", truncation: null, padding: null, added_tokens: [], normalizer, pre_tokenizer, post_processor: null, decoder: null, model } })));
  const told = !there
    ? []
    : runPython<{ ids: number[]; offsets: [number, number][] }[][]>(
        `
from tokenizers import Tokenizer
outputs = []
for file in inputs["files"]:
    tokenizer = Tokenizer.from_str(file)
    outputs.append([{"ids": e.ids, "offsets": e.offsets} for e in (tokenizer.encode(text) for text in inputs["texts"])])
`,
        { files: files.map(({ file }) => JSON.stringify(file)), texts },
      );

  /** Python counts code points, JavaScript code units. */
  const inUnits = (text: string, spans: readonly (readonly [number, number])[]) => {
    const at = [0];
    for (const char of text) at.push(at.at(-1)! + char.length);
    return spans.map(([start, end]) => [at[start]!, at[end]!]);
  };

  test.each(files.map(({ name, file }, i) => [name, JSON.stringify([file.normalizer, file.pre_tokenizer]), file, i] as const))("%s: %s", async (_, __, file, i) => {
    const folder = join(temporaryFolder(), "tokenizer");
    mkdirSync(folder);
    writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(file));
    const tokenizer = await data.tokenizer(folder);
    const wrong: unknown[] = [];
    texts.forEach((text, k) => {
      const { ids, offsets } = tokenizer.encode(text);
      const python = { ids: told[i]![k]!.ids, offsets: inUnits(text, told[i]![k]!.offsets) };
      if (JSON.stringify({ ids, offsets }) !== JSON.stringify(python)) wrong.push({ text, ids: String(ids), offsets: String(offsets), python: [String(python.ids), String(python.offsets)] });
    });
    expect(wrong.slice(0, 3)).toEqual([]);
  });
});
