import { existsSync } from "node:fs";
import { join } from "node:path";
import { SteppeError, checkKeys, expected } from "../../errors.js";
import { torch } from "../../torch.js";
import type { Tensor } from "../../tensor.js";
import { lineBlocks } from "./lines.js";
import { TokenCounts, Vocabulary } from "./vocabulary.js";
import { wordsOf } from "./words.js";

/** A text in its parts, as numbers: int64 [tokens], on the CPU. */
export interface LanguageText {
  readonly vocabulary: Vocabulary;
  readonly train: Tensor;
  readonly validation?: Tensor;
  readonly test?: Tensor;
}

/** The files of a text. */
export interface TextFiles {
  readonly train: string;
  readonly validation?: string;
  readonly test?: string;
}

/** How a text becomes words, and which of them are known. */
export interface LanguageTextOptions {
  /** What a token is: what stands between white space, or a character. Default "words". */
  level?: "words" | "characters";
  /** The token at the end of each line, empty ones too; null for none. Default "<eos>" for words and "\n" for characters. */
  endOfLine?: string | null;
  /** Takes this vocabulary instead of making one of the training text. */
  vocabulary?: Vocabulary;
  /** The token for what is not in the vocabulary; it is the first one. null: such tokens are errors. Default "<unk>". */
  unknown?: string | null;
  /** Further tokens that come before those of the text. */
  specials?: readonly string[];
  /** Tokens that the training text has less often are left out; default 1. */
  minFrequency?: number;
  /** Tokens at most; default all. */
  maxSize?: number;
}

/** How publishers name the three files: Penn Treebank as Mikolov prepared it, WikiText, and plain. */
const layouts = [
  ["ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"],
  ["wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"],
  ["wiki.train.raw", "wiki.valid.raw", "wiki.test.raw"],
  ["train.txt", "valid.txt", "test.txt"],
] as const;

/**
 * Reads text for a language model: Penn Treebank's and WikiText's files as they are published, or others. Lines become words, each
 * line with "<eos>" behind it, as PyTorch's example word_language_model and torchtext have it; "<unk>" in a text is the unknown token.
 * Files are streamed: only numbers are kept.
 *
 * @param source a folder with ptb.train.txt, wiki.train.tokens or train.txt and the others of their kind (.gz too), or the files
 * @throws SteppeError `IO` for missing files; `FORMAT` for broken UTF-8 and for a file without text; `ARGUMENT` for a token that is
 * not in the vocabulary, where none stands for others
 * @example
 * const { vocabulary, train, validation } = await data.languageText("wikitext-2");
 * const batches = data.bptt(train, { columns: 20, window: 35 });
 * @example await data.languageText({ train: "book.txt" }, { level: "characters" });
 */
export async function languageText(source: string | TextFiles, options: LanguageTextOptions = {}): Promise<LanguageText> {
  checkKeys(options, ["level", "endOfLine", "vocabulary", "unknown", "specials", "minFrequency", "maxSize"]);
  const { level = "words", vocabulary: given, unknown = "<unk>", specials = [], minFrequency, maxSize } = options;
  if (level !== "words" && level !== "characters") throw expected('"words" or "characters"', "level", level);
  const { endOfLine = level === "words" ? "<eos>" : "\n" } = options;
  if (endOfLine !== null && typeof endOfLine !== "string") throw expected("a token or null", "endOfLine", endOfLine);
  if (given !== undefined && !(given instanceof Vocabulary)) throw expected("a vocabulary", "vocabulary", given);
  const files = typeof source === "string" ? filesIn(source) : checkFiles(source);

  const tokensOf = (line: string): string[] => {
    const tokens = level === "characters" ? [...line] : wordsOf(line);
    if (endOfLine !== null) tokens.push(endOfLine);
    return tokens;
  };
  const learn = async () => {
    const counts = new TokenCounts();
    for await (const lines of lineBlocks(files.train)) for (const line of lines) counts.add(tokensOf(line));
    const first = [...new Set([...(unknown === null ? [] : [unknown]), ...specials])];
    return counts.vocabulary({ specials: first, unknown, ...(minFrequency === undefined ? {} : { minFrequency }), ...(maxSize === undefined ? {} : { maxSize }) });
  };
  const vocabulary = given ?? (await learn());
  const numbers = (path: string) => encodeFile(path, tokensOf, vocabulary);
  return {
    vocabulary,
    train: await numbers(files.train),
    ...(files.validation === undefined ? {} : { validation: await numbers(files.validation) }),
    ...(files.test === undefined ? {} : { test: await numbers(files.test) }),
  };
}

async function encodeFile(path: string, tokensOf: (line: string) => string[], vocabulary: Vocabulary): Promise<Tensor> {
  const parts: Tensor[] = [];
  let [buffer, used] = [new Int32Array(2 ** 20), 0];
  const flush = () => {
    if (used > 0) parts.push(torch.scope(() => torch.tensor(buffer.subarray(0, used)).to("int64")));
    used = 0;
  };
  for await (const lines of lineBlocks(path)) {
    for (const line of lines) {
      for (const token of tokensOf(line)) {
        if (used === buffer.length) flush();
        buffer[used++] = vocabulary.idOf(token);
      }
    }
  }
  flush();
  if (parts.length === 0) throw new SteppeError("FORMAT", `Expected text in ${path} but received none.`);
  const all = torch.cat(parts);
  for (const part of parts) part.dispose();
  return all;
}

function filesIn(folder: string): TextFiles {
  const find = (name: string) => [join(folder, name), join(folder, `${name}.gz`)].find((path) => existsSync(path));
  for (const names of layouts) {
    const [train, validation, test] = names.map(find);
    if (train !== undefined) return { train, ...(validation === undefined ? {} : { validation }), ...(test === undefined ? {} : { test }) };
  }
  throw new SteppeError("IO", `Expected one of ${layouts.map(([train]) => train).join(", ")} in ${folder} but found none.`);
}

function checkFiles(files: TextFiles): TextFiles {
  if (typeof files !== "object" || files === null) throw expected("a folder, or an object with train", "source", files);
  checkKeys(files, ["train", "validation", "test"], "source");
  if (typeof files.train !== "string") throw expected("a path", "source.train", files.train);
  return files;
}
