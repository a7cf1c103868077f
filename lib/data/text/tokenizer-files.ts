import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SteppeError, expected } from "../../errors.js";
import { ioError } from "../../io/file-errors.js";

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
  const optional = (name: string) => (existsSync(join(folder, name)) ? readObject(join(folder, name)) : {});
  const tokenizer = readObject(join(folder, "tokenizer.json"));
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

function readObject(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw ioError("read", path, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SteppeError("FORMAT", `Expected JSON in ${path} but received: ${(error as Error).message}.`, { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new SteppeError("FORMAT", `Expected a JSON object in ${path} but received ${text.slice(0, 40)}.`);
  }
  return value as Record<string, unknown>;
}
