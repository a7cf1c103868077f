import { existsSync } from "node:fs";
import { join } from "node:path";
import { SteppeError, expected } from "../../errors.js";
import { readJsonObject } from "../../io/json-file.js";
import { mostTokens } from "./added-tokens.js";

/** The files of a tokenizer as Hugging Face's libraries write them. */
export interface TokenizerFiles {
  /** Where tokenizer.json is, for messages. */
  path: string;
  /** tokenizer.json */
  tokenizer: Record<string, unknown>;
  /** tokenizer_config.json, with what special_tokens_map.json adds; empty where there is none. */
  config: Record<string, unknown>;
}

const models = ["WordPiece", "BPE", "Unigram"];

/** A list of tokens with scores (Unigram), or numbers of tokens. */
function checkVocabulary({ type, vocab, unk_id: unknownId, merges }: Record<string, unknown>, path: string): void {
  const refuse = (what: string, received: unknown) => new SteppeError("FORMAT", `Expected ${what} in ${path} but received ${JSON.stringify(received)?.slice(0, 80) ?? "nothing"}.`);
  if (typeof vocab !== "object" || vocab === null || Array.isArray(vocab) !== (type === "Unigram")) throw refuse(`"vocab" of the ${String(type)} model`, vocab);
  if (type === "BPE" && !Array.isArray(merges)) throw refuse('"merges" of the BPE model', merges);
  if (Array.isArray(vocab)) {
    if (vocab.length === 0) throw refuse('tokens in "vocab"', vocab);
    const wrong = vocab.findIndex((each) => !Array.isArray(each) || typeof each[0] !== "string" || !Number.isFinite(each[1]));
    if (wrong >= 0) throw refuse(`a token and its score as entry ${wrong} of "vocab"`, vocab[wrong]);
    const known = unknownId === null || unknownId === undefined || (Number.isSafeInteger(unknownId) && (unknownId as number) >= 0 && (unknownId as number) < vocab.length);
    if (!known) throw refuse(`a number below ${vocab.length} as "unk_id"`, unknownId);
    return;
  }
  for (const [token, id] of Object.entries(vocab)) {
    if (!Number.isSafeInteger(id) || (id as number) < 0 || (id as number) >= mostTokens) throw refuse(`a number below ${mostTokens} for the token ${JSON.stringify(token)} of "vocab"`, id);
  }
}

/**
 * Reads a tokenizer's files.
 *
 * @throws SteppeError `IO` where tokenizer.json is missing, `FORMAT` for what is no JSON object
 */
export function readTokenizerFiles(folder: string): TokenizerFiles {
  if (typeof folder !== "string" || folder === "") throw expected("a folder with a tokenizer.json", "folder", folder);
  if (!existsSync(join(folder, "tokenizer.json"))) {
    throw new SteppeError("IO", `Expected tokenizer.json in ${folder} but received no such file. Python's \`tokenizer.save_pretrained(folder)\` of a fast tokenizer writes it.`);
  }
  const path = join(folder, "tokenizer.json");
  const optional = (name: string) => (existsSync(join(folder, name)) ? readJsonObject(join(folder, name)) : {});
  const tokenizer = readJsonObject(path);
  for (const part of ["model", "added_tokens"] as const) {
    if (typeof tokenizer[part] !== "object" || tokenizer[part] === null) {
      throw new SteppeError("FORMAT", `Expected "${part}" in ${path} but received ${JSON.stringify(tokenizer[part]) ?? "nothing"}.`);
    }
  }
  const { type } = tokenizer["model"] as { type?: unknown };
  if (!models.includes(type as string)) {
    throw new SteppeError("FORMAT", `Expected one of ${models.join(", ")} as the type of "model" in ${path} but received ${JSON.stringify(type) ?? "nothing"}.`);
  }
  checkVocabulary(tokenizer["model"] as Record<string, unknown>, path);
  return { path, tokenizer, config: { ...optional("special_tokens_map.json"), ...optional("tokenizer_config.json") } };
}
