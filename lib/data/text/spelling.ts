/** A part's configuration in a tokenizer.json. */
export type Json = { [key: string]: unknown } | null | undefined;

/** All parts of a kind, those inside a sequence too. */
export function parts(config: Json): { [key: string]: unknown }[] {
  if (config === null || config === undefined) return [];
  const inner = (config["pretokenizers"] ?? config["processors"] ?? config["normalizers"]) as Json[] | undefined;
  return inner === undefined ? [config] : inner.flatMap(parts);
}

/** How a tokenizer writes its tokens. */
export interface Spelling {
  /** Tokens are bytes in GPT-2's alphabet. */
  readonly bytes: boolean;
  /** What marks the rest of a word, "##", or null. */
  readonly continuation: string | null;
  /** What marks the end of a word, "</w>", or null. */
  readonly wordEnd: string | null;
  /** Spaces at the ends of a token are left out of its span: all of them, or all but a single one in front of a text. */
  readonly trims: "all" | "all but the first" | null;
  /** The token for what is not in the vocabulary, or null. */
  readonly unknown: string | null;
  /** Spaces are written as ▁ (U+2581). */
  readonly metaspace: boolean;
  /** Spaces only part words: no token holds one, and ▁ is put in front of each word. */
  readonly splitsAtSpace: boolean;
}

/** @param file a tokenizer.json */
export function readSpelling(file: Record<string, unknown>): Spelling {
  const model = file["model"] as { [key: string]: unknown };
  const trimmer = parts(file["post_processor"] as Json).find(({ type, trim_offsets: trims }) => (type === "ByteLevel" || type === "RobertaProcessing") && trims !== false);
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : null);
  const unknownId = model["unk_id"];
  const vocabulary = model["vocab"];
  return {
    bytes: parts(file["pre_tokenizer"] as Json).some(({ type }) => type === "ByteLevel"),
    continuation: text(model["continuing_subword_prefix"]),
    wordEnd: text(model["end_of_word_suffix"]),
    trims: trimmer === undefined ? null : trimmer["add_prefix_space"] === false ? "all" : "all but the first",
    metaspace: [file["pre_tokenizer"], file["normalizer"]].some((config) => parts(config as Json).some((part) => part["type"] === "Metaspace" || part["content"] === "\u2581")),
    splitsAtSpace: parts(file["pre_tokenizer"] as Json).some(({ type }) => type === "WhitespaceSplit"),
    unknown: text(model["unk_token"]) ?? (Array.isArray(vocabulary) && typeof unknownId === "number" ? String((vocabulary[unknownId] as unknown[] | undefined)?.[0]) : null),
  };
}
