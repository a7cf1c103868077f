import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { data } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { hasLibraries, needsPython, runPython } from "../support/python.js";

// A WordPiece of twenty words, written by hand: what comes out can be counted on the fingers.

const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "flat", "sharp", "min", "##im", "##um", "is", "better", "than", "a", "."];
const vocab = Object.fromEntries(words.map((word, id) => [word, id]));
const file = {
  version: "1.0",
  added_tokens: [0, 1, 2, 3].map((id) => ({ id, content: words[id], single_word: false, lstrip: false, rstrip: false, normalized: false, special: true })),
  normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: { type: "BertProcessing", sep: ["[SEP]", 3], cls: ["[CLS]", 2] },
  decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  model: { type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: "##", max_input_chars_per_word: 100, vocab },
};

async function make(config: Record<string, unknown> = { tokenizer_class: "BertTokenizer", pad_token: "[PAD]" }, tokenizer: unknown = file) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "tokenizer.json"), typeof tokenizer === "string" || Buffer.isBuffer(tokenizer) ? tokenizer : JSON.stringify(tokenizer));
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
  return data.tokenizer(folder);
}

test("encodes a text: numbers, mask, types, tokens, offsets", async () => {
  const text = "A flat  MINIMUM is better.";
  const { ids, attentionMask, typeIds, tokens, offsets } = (await make()).encode(text);
  expect(tokens).toEqual(["[CLS]", "a", "flat", "min", "##im", "##um", "is", "better", ".", "[SEP]"]);
  expect(ids).toEqual(tokens.map((token) => vocab[token]));
  expect(attentionMask).toEqual(Array(10).fill(1));
  expect(typeIds).toEqual(Array(10).fill(0));
  expect(offsets.map(([start, end]) => text.slice(start, end))).toEqual(["", "A", "flat", "MIN", "IM", "UM", "is", "better", ".", ""]);
});

describe("offsets of tokens that are added to the normalised text, which stand elsewhere in another spelling, too", () => {
  const more = { "##ness": 14 };
  const added = [["covid", false], ["flat", true]].map(([content, single], i) => ({ ...file.added_tokens[0], id: 15 + i, content, single_word: single, normalized: true, special: false }));
  const withAdded = { ...file, added_tokens: [...file.added_tokens, ...added], model: { ...file.model, vocab: { ...vocab, ...more } } };
  const cases: [text: string, tokens: string, offsets: [number, number][]][] = [
    ["COVID than covid", "covid than covid", [[0, 5], [6, 10], [11, 16]]],
    ["FLATNESS is flatness", "flat ##ness is flat ##ness", [[0, 4], [4, 8], [9, 11], [12, 16], [16, 20]]],
    ["FLATNESS is flat", "flat ##ness is flat", [[0, 4], [4, 8], [9, 11], [12, 16]]],
    ["\u00c1COVID  thAn covid.", "a covid than covid .", [[0, 1], [1, 6], [8, 12], [13, 18], [18, 19]]],
    ["soCOVID is\u0001 COVID", "[UNK] covid is covid", [[0, 2], [2, 7], [8, 10], [12, 17]]],
  ];

  test.each(cases)("%j", async (text, tokens, offsets) => {
    const encoding = (await make({}, withAdded)).encode(text, { addSpecialTokens: false });
    expect(encoding.tokens.join(" ")).toBe(tokens);
    expect(encoding.offsets).toEqual(offsets);
  });

  test.skipIf(!hasLibraries("tokenizers"))(`${needsPython}: tokenizers`, () => {
    const python = runPython<[string[], [number, number][]][]>(
      `
from tokenizers import Tokenizer
tokenizer = Tokenizer.from_str(inputs["file"])
encodings = [tokenizer.encode(text, add_special_tokens=False) for text in inputs["texts"]]
outputs = [[encoding.tokens, encoding.offsets] for encoding in encodings]
`,
      { file: JSON.stringify(withAdded), texts: cases.map(([text]) => text) },
    );
    expect(python.map(([tokens, offsets]) => [tokens.join(" "), offsets])).toEqual(cases.map(([, tokens, offsets]) => [tokens, offsets]));
  });

  test("where the normaliser strips and merges blanks", async () => {
    const normalizer = { type: "Sequence", normalizers: [{ type: "Strip", strip_left: true, strip_right: true }, { type: "Replace", pattern: { Regex: " {2,}" }, content: " " }, { type: "Lowercase" }] };
    const { tokens, offsets } = (await make({}, { ...withAdded, normalizer })).encode("  FLATNESS   is  Flat COVID ", { addSpecialTokens: false });
    expect(tokens).toEqual(["flat", "##ness", "is", "flat", "covid"]);
    expect(offsets).toEqual([[2, 6], [6, 10], [13, 15], [17, 21], [22, 27]]);
  });
});

describe("a long run of blanks takes no time that grows with its square", () => {
  const mask = { ...file.added_tokens[0], id: 14, content: "[MASK]" };
  const blanks = " ".repeat(200_000);
  const text = `a${blanks}b [MASK]`;

  test.each([{ lstrip: true }, { rstrip: true }, { lstrip: true, single_word: true }])("beside an added token: %j", async (settings) => {
    const tokenizer = await make({}, { ...file, added_tokens: [...file.added_tokens, { ...mask, ...settings }] });
    expect(tokenizer.encode(text, { addSpecialTokens: false })).toMatchObject({ ids: [12, 1, 14], offsets: [[0, 1], [200_001, 200_002], ["lstrip" in settings ? 200_002 : 200_003, 200_009]] });
  });

  test("in front of many added tokens of a single word", async () => {
    const tokenizer = await make({}, { ...file, added_tokens: [...file.added_tokens, { ...mask, single_word: true }] });
    expect(tokenizer.encode(`a${blanks}${"[MASK] ".repeat(300)}`, { addSpecialTokens: false }).ids).toEqual([12, ...Array(300).fill(14)]);
  });

  test("stripped", async () => {
    const tokenizer = await make({}, { ...file, normalizer: { type: "Strip", strip_left: true, strip_right: true } });
    expect(tokenizer.encode(`${blanks}a${blanks}b`, { addSpecialTokens: false })).toMatchObject({ ids: [12, 1], offsets: [[200_000, 200_001], [400_001, 400_002]] });
  });
});

test("pairs have types; offsets are those of each text", async () => {
  const encoding = (await make()).encode("flat", "is better", {});
  expect(encoding.tokens).toEqual(["[CLS]", "flat", "[SEP]", "is", "better", "[SEP]"]);
  expect(encoding.typeIds).toEqual([0, 0, 0, 1, 1, 1]);
  expect(encoding.offsets).toEqual([[0, 0], [0, 4], [0, 0], [0, 2], [3, 9], [0, 0]]);
});

describe("truncation", () => {
  const cut = async (options: data.EncodeOptions, pair: string | null = "flat is better than sharp") => (await make()).encode("a flat minimum", pair, options).tokens.join(" ");

  test.each<[data.EncodeOptions, string]>([
    [{ maxLength: 9, truncation: true }, "[CLS] a flat min [SEP] flat is better [SEP]"],
    [{ maxLength: 9, truncation: "onlySecond" }, "[CLS] a flat min ##im ##um [SEP] flat [SEP]"],
    [{ maxLength: 9, truncation: "onlyFirst" }, "[CLS] a [SEP] flat is better than sharp [SEP]"],
    [{ maxLength: 3, truncation: "longestFirst" }, "[CLS] [SEP] [SEP]"],
    [{ maxLength: 100, truncation: true, addSpecialTokens: false }, "a flat min ##im ##um flat is better than sharp"],
  ])("%j", async (options, expected) => {
    expect(await cut(options)).toBe(expected);
  });

  test("refuses what it cannot do", async () => {
    await expect(cut({ maxLength: 2, truncation: true })).rejects.toThrow("Expected room for the special tokens for maxLength");
    await expect(cut({ maxLength: 4, truncation: "onlyFirst" })).rejects.toThrow("Expected at least 9 tokens in the first text for truncation but received 5");
    await expect(cut({ maxLength: 4, truncation: "onlySecond" }, null)).rejects.toThrow("Expected a second text for pair");
    await expect(cut({ truncation: true })).rejects.toThrow("do not say how much the model can take");
  });
});

describe("padding", () => {
  test("to the longest, to a length, to a multiple, on either side", async () => {
    const right = await make();
    const ids = (encodings: data.Encoding[]) => encodings.map((each) => each.ids);
    expect(ids(right.encodeBatch(["a", "flat is"], { padding: true }))).toEqual([[2, 12, 3, 0], [2, 4, 9, 3]]);
    expect(ids(right.encodeBatch(["a"], { padding: "maxLength", maxLength: 5 }))).toEqual([[2, 12, 3, 0, 0]]);
    expect(ids(right.encodeBatch(["a"], { padding: true, padToMultipleOf: 4 }))).toEqual([[2, 12, 3, 0]]);
    const left = await make({ pad_token: { content: "[PAD]" }, padding_side: "left", model_max_length: 6 });
    expect(left.maxLength).toBe(6);
    const [encoding] = left.encodeBatch(["a"], { padding: "maxLength" });
    expect(encoding).toMatchObject({ ids: [0, 0, 0, 2, 12, 3], attentionMask: [0, 0, 0, 1, 1, 1], tokens: ["[PAD]", "[PAD]", "[PAD]", "[CLS]", "a", "[SEP]"] });
  });

  test("batches are tensors", async () => {
    const batch = (await make()).batch(["a", ["flat", "is better"]]);
    expect(batch.inputIds.dtype).toBe("int64");
    expect(batch.inputIds.toArray()).toEqual([[2, 12, 3, 0, 0, 0], [2, 4, 3, 9, 10, 3]]);
    expect(batch.attentionMask.toArray()).toEqual([[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1]]);
    expect(batch.tokenTypeIds!.toArray()).toEqual([[0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1]]);
    expect("tokenTypeIds" in (await make({ tokenizer_class: "DistilBertTokenizer", pad_token: "[PAD]" })).batch(["a"])).toBe(false);
  });
});

test("decodes", async () => {
  const tokenizer = await make();
  expect(tokenizer.decode(tokenizer.encode("A flat minimum.").ids, { skipSpecialTokens: true })).toBe("a flat minimum.");
  expect(tokenizer.decode([])).toBe("");
  expect(() => tokenizer.decode([0], { skipSpecialToken: true } as never)).toThrow('Did you mean "skipSpecialTokens"?');
  expect(() => tokenizer.decode([99])).toThrow("Expected a token's number for ids but received 99");
  expect(tokenizer.tokenToId("flat")).toBe(4);
  expect(tokenizer.idToToken(4)).toBe("flat");
  expect(tokenizer.vocabularySize).toBe(14);
});

test("files may begin with a byte order mark", async () => {
  expect((await make({}, `\ufeff${JSON.stringify(file)}`)).encode("flat").ids).toEqual([2, 4, 3]);
});

test("refuses wrong arguments", async () => {
  const tokenizer = await make({});
  const any = tokenizer as never as { encode(...args: unknown[]): void; encodeBatch(...args: unknown[]): void };
  expect(() => any.encode(5)).toThrow("Expected a string for text but received 5");
  expect(() => any.encode("a", 5)).toThrow("Expected a string for pair but received 5");
  expect(() => any.encode("a", { maxlength: 5 })).toThrow('Did you mean "maxLength"?');
  expect(() => any.encode("a", { maxLength: 0 })).toThrow("Expected a positive integer for maxLength but received 0");
  expect(() => any.encode("a", { padding: "max" })).toThrow('Expected true, false or one of "longest", "maxLength" for padding');
  expect(() => any.encodeBatch("a")).toThrow("Expected an array of texts or of pairs of texts for texts");
});

test("refuses what is no tokenizer", async () => {
  await expect(data.tokenizer(temporaryFolder())).rejects.toThrow("Expected tokenizer.json in");
  await expect(make({}, "{")).rejects.toThrow("Expected JSON at byte 1 of");
  await expect(make({}, [])).rejects.toThrow("Expected a JSON object at byte 0 of");
  await expect(make({}, {})).rejects.toThrow('Expected "model" in');
  await expect(make({}, { ...file, model: { type: "Nonsense", vocab: {} } })).rejects.toThrow("Expected one of WordPiece, BPE, Unigram as the type of \"model\"");
  await expect(make({}, { ...file, model: { ...file.model, vocab: { a: 1e9 } } })).rejects.toThrow(/Expected a number below 10000000 for the token "a" of "vocab" in .*tokenizer\.json but received 1000000000/);
  await expect(make({}, { ...file, model: { ...file.model, vocab: [] } })).rejects.toThrow('Expected "vocab" of the WordPiece model in');
  await expect(make({}, { ...file, model: { type: "BPE", vocab } })).rejects.toThrow('Expected "merges" of the BPE model in');
  const unigram = (vocab: unknown, unk_id: unknown = 0) => make({}, { ...file, model: { type: "Unigram", vocab, unk_id } });
  await expect(unigram([["a", 0], 3])).rejects.toThrow(/a token and its score as entry 1 of "vocab" in .*tokenizer\.json but received 3/);
  await expect(unigram([["a", 0]], 7)).rejects.toThrow('Expected a number below 1 as "unk_id" in');
  await expect(make({}, { ...file, added_tokens: [{ content: 5 }] })).rejects.toThrow(/"content" and "id" in the added token 0 of .*tokenizer\.json/);
  await expect(make({}, { ...file, normalizer: { type: "Precompiled", precompiled_charsmap: "AAA" } })).rejects.toThrow(/precompiled_charsmap of .*tokenizer\.json/);
  await expect(make({}, { ...file, normalizer: { type: "Nmt" } })).rejects.toThrow(/a tokenizer that can be read in .*tokenizer\.json but received: Unknown Normalizer type: Nmt/);
  await expect(make({}, Buffer.from(JSON.stringify(file).replace("sharp", "sh\u00e4rp"), "latin1"))).rejects.toThrow(/Expected UTF-8 at byte \d+ of .*tokenizer\.json but received the byte 0xe4/);
});

test("a text that the model has no token for, where it has none for the unknown", async () => {
  const model = { type: "Unigram", vocab: [["a", -1], ["\u2581", -2]], unk_id: null };
  const tokenizer = await make({}, { ...file, added_tokens: [], model, normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null });
  expect(tokenizer.encode("aa").ids).toEqual([0, 0]);
  expect(() => tokenizer.encode("ab")).toThrow('which has no token for others, for text but received "b"');
});
