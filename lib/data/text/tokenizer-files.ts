import { existsSync } from "node:fs";
import { join } from "node:path";
import { SteppeError, expected } from "../../errors.js";
import { readJsonObject } from "../../io/json-file.js";

/** The files of a tokenizer as Hugging Face's libraries write them. */
export interface TokenizerFiles {
  /** tokenizer.json */
  tokenizer: Record<string, unknown>;
  /** tokenizer_config.json, with what special_tokens_map.json adds; empty where there is none. */
  config: Record<string, unknown>;
}

const models = ["WordPiece", "BPE", "Unigram"];

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
  const optional = (name: string) => (existsSync(join(folder, name)) ? readJsonObject(join(folder, name)) : {});
  const tokenizer = readJsonObject(join(folder, "tokenizer.json"));
  for (const part of ["model", "added_tokens"] as const) {
    if (typeof tokenizer[part] !== "object" || tokenizer[part] === null) {
      throw new SteppeError("FORMAT", `Expected "${part}" in ${join(folder, "tokenizer.json")} but received ${JSON.stringify(tokenizer[part]) ?? "nothing"}.`);
    }
  }
  const { type } = tokenizer["model"] as { type?: unknown };
  if (!models.includes(type as string)) {
    throw new SteppeError("FORMAT", `Expected one of ${models.join(", ")} as the type of "model" in ${join(folder, "tokenizer.json")} but received ${JSON.stringify(type) ?? "nothing"}.`);
  }
  return { tokenizer, config: { ...optional("special_tokens_map.json"), ...optional("tokenizer_config.json") } };
}
