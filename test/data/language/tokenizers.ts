import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { data } from "../../../lib/index.js";
import { temporaryFolder } from "../../support/folder.js";

// Small tokenizers in Hugging Face's format, whose vocabulary is the words of some texts.

const special = (tokens: readonly string[]) => tokens.map((content, id) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }));

async function load(tokenizer: object, config: object): Promise<data.Tokenizer> {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify({ version: "1.0", truncation: null, padding: null, ...tokenizer }));
  writeFileSync(join(folder, "tokenizer_config.json"), JSON.stringify(config));
  return data.tokenizer(folder);
}

/** As T5's: Unigram, words with their space in front, </s> at the end. */
export async function unigramOf(texts: readonly string[]): Promise<data.Tokenizer> {
  const words = new Set(texts.flatMap((text) => text.split(/\s+/).filter((word) => word !== "")));
  const letters = new Set(texts.flatMap((text) => [...text]).filter((letter) => /\S/.test(letter)));
  const pieces = [["\u2581", -3], ...[...words].map((word) => [`\u2581${word}`, -5]), ...[...letters].filter((letter) => letter !== "\u2581").map((letter) => [letter, -9])];
  const end = [{ SpecialToken: { id: "</s>", type_id: 0 } }];
  const sequence = (id: string) => ({ Sequence: { id, type_id: 0 } });
  return load(
    {
      added_tokens: special(["<pad>", "</s>", "<unk>"]),
      normalizer: null,
      pre_tokenizer: { type: "Metaspace", replacement: "\u2581", prepend_scheme: "always", split: true },
      post_processor: { type: "TemplateProcessing", single: [sequence("A"), ...end], pair: [sequence("A"), ...end, sequence("B"), ...end], special_tokens: { "</s>": { id: "</s>", ids: [1], tokens: ["</s>"] } } },
      decoder: { type: "Metaspace", replacement: "\u2581", prepend_scheme: "always", split: true },
      model: { type: "Unigram", unk_id: 2, vocab: [["<pad>", 0], ["</s>", 0], ["<unk>", -20], ...pieces], byte_fallback: false },
    },
    { tokenizer_class: "T5Tokenizer", pad_token: "<pad>", eos_token: "</s>" },
  );
}

/** As BERT's: WordPiece of whole words, [CLS] and [SEP]. */
export async function wordPieceOf(texts: readonly string[]): Promise<data.Tokenizer> {
  const words = new Set(texts.flatMap((text) => text.toLowerCase().match(/[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu) ?? []));
  const vocab = Object.fromEntries(["[PAD]", "[UNK]", "[CLS]", "[SEP]", ...words].map((word, id) => [word, id]));
  return load(
    {
      added_tokens: special(["[PAD]", "[UNK]", "[CLS]", "[SEP]"]),
      normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
      pre_tokenizer: { type: "BertPreTokenizer" },
      post_processor: { type: "BertProcessing", sep: ["[SEP]", 3], cls: ["[CLS]", 2] },
      decoder: { type: "WordPiece", prefix: "##", cleanup: true },
      model: { type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: "##", max_input_chars_per_word: 100, vocab },
    },
    { tokenizer_class: "BertTokenizer", pad_token: "[PAD]" },
  );
}
