import { readFile } from "node:fs/promises";
import { TensorDataset, tokenizer as openTokenizer } from "../data/index.js";
import type { Dataset } from "../data/index.js";
import { SteppeError, expected } from "../errors.js";
import { ioError } from "../io/file-errors.js";
import { torch } from "../torch.js";
import type { LanguageConfig } from "./config.js";
import type { Batch, Sets } from "./data-sets.js";

/** Windows of a text and the tokens that follow each of theirs: int64 [N, length] both. */
export async function loadLanguage({ train, validation, test, tokenizer = "characters", length = 64, validationShare = 0 }: LanguageConfig, at: (path: string) => string): Promise<Sets> {
  const text = await readText(at(train));
  const { encode, vocabulary } = tokenizer === "characters" ? characters(text, at(train)) : await tokens(at(tokenizer));
  const ids = encode(text, at(train));
  if (validationShare > 0 && validation !== undefined) throw new SteppeError("ARGUMENT", "data.validationShare: expected nothing, as data.validation names a file.");
  const kept = ids.length - Math.round(validationShare * ids.length);
  const read = async (path: string | undefined) => (path === undefined ? undefined : windows(encode(await readText(at(path)), at(path)), length, at(path)));
  const held = validationShare > 0 ? windows(ids.slice(kept), length, at(train)) : await read(validation);
  const tested = await read(test);
  return { kind: "language", train: windows(ids.slice(0, kept), length, at(train)), ...(held && { validation: held }), ...(tested && { test: tested }), facts: { vocabulary, length } };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw ioError("read", path, error);
  }
}

interface Encoder {
  encode: (text: string, path: string) => number[];
  vocabulary: number;
}

/** Each character of the training text is a token, numbered by its code. */
function characters(text: string, source: string): Encoder {
  const numbers = new Map([...new Set(text)].sort().map((character, i) => [character, i]));
  const encode = (other: string, path: string) =>
    Array.from(other, (character) => {
      const number = numbers.get(character);
      if (number === undefined) throw expected(`characters of ${source}`, path, character, "Train on a text that has it, or use a tokenizer.");
      return number;
    });
  return { encode, vocabulary: numbers.size };
}

async function tokens(folder: string): Promise<Encoder> {
  const tokenizer = await openTokenizer(folder);
  return { encode: (text) => tokenizer.encode(text, { addSpecialTokens: false }).ids, vocabulary: tokenizer.vocabularySize };
}

function windows(ids: readonly number[], length: number, source: string): Dataset<Batch> {
  const count = Math.floor((ids.length - 1) / length);
  if (count < 1) throw new SteppeError("ARGUMENT", `data.length: expected at most ${Math.max(0, ids.length - 1)}, the tokens of ${source} less one, received ${length}.`);
  const all = torch.tensor([...ids], { dtype: "int64" });
  const from = (start: number) => all.narrow(0, start, count * length).view([count, length]);
  return new TensorDataset(from(0), from(1));
}
