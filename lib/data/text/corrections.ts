import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { SteppeError } from "../../errors.js";
import { CharsMap } from "./precompiled.js";
import { escaped, split, wordClass } from "./split.js";
import type { SplitBehavior } from "./split.js";
import { Unigram } from "./unigram.js";

// Where the library @huggingface/tokenizers does not do what Python's `tokenizers` does, its parts are given methods that do.

type Config = { readonly [key: string]: unknown };
/** The part's configuration and what the library made of it, to the methods that take the place of its own. */
type Correction = (config: Config, part: { readonly [key: string]: unknown }, path: string) => { readonly [method: string]: unknown };

const punctuation = /[\p{P}!-/:-@[-`{-~]/gu;
const chinese = /[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;
const blank = /\p{White_Space}+/gu;
const gpt2 = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Without regard to what stands around a letter: no form of sigma is for the ends of words alone. */
const lowercase = (text: string): string => Array.from(text, (char) => char.toLowerCase()).join("");
const stripAccents = (text: string): string => text.normalize("NFD").replace(/\p{Mn}/gu, "");

const normalizers: { readonly [type: string]: Correction } = {
  Precompiled: ({ precompiled_charsmap: table }, _, path) => {
    const map = new CharsMap(table, path);
    return { normalize: (text: string) => map.normalize(text) };
  },
  BertNormalizer: ({ clean_text: cleans, handle_chinese_chars: separates, strip_accents: strips, lowercase: lowers }, part) => ({
    normalize(text: string): string {
      let normal = cleans === true ? (part["clean_text"] as (text: string) => string)(text) : text;
      if (separates === true) normal = normal.replace(chinese, " $& ");
      if (strips === true || (lowers === true && strips !== false)) normal = stripAccents(normal);
      return lowers === true ? lowercase(normal) : normal;
    },
  }),
  Lowercase: () => ({ normalize: lowercase }),
  Strip: ({ strip_left: left, strip_right: right }) => ({
    normalize: (text: string) => text.replace(left === true ? /^\p{White_Space}+/u : /^/, "").replace(right === true ? /(?<!\p{White_Space})\p{White_Space}+$/u : /$/, ""),
  }),
  Prepend: ({ prepend }) => ({ normalize: (text: string) => (text === "" ? "" : String(prepend) + text) }),
};

const preTokenizers: { readonly [type: string]: Correction } = {
  WhitespaceSplit: () => ({ pre_tokenize_text: (text: string) => split(text, blank, "Removed") }),
  Whitespace: () => {
    const words = new RegExp(`[${wordClass}]+|[^${wordClass}\\p{White_Space}]+`, "gu");
    return { pre_tokenize_text: (text: string) => split(text, words, "Removed", true) };
  },
  BertPreTokenizer: () => ({ pre_tokenize_text: (text: string) => split(text, blank, "Removed").flatMap((word) => split(word, punctuation, "Isolated")) }),
  Punctuation: ({ behavior }, _, path) => {
    const what = behaviorOf(behavior ?? "Isolated", path);
    return { pre_tokenize_text: (text: string) => split(text, punctuation, what) };
  },
  Digits: ({ individual_digits: alone }) => ({ pre_tokenize_text: (text: string) => split(text, /\p{N}/gu, alone === true ? "Isolated" : "Contiguous") }),
  Split: ({ behavior, invert }, { pattern }, path) => {
    const what = behaviorOf(behavior, path);
    return { pre_tokenize_text: (text: string) => split(text, pattern as RegExp, what, invert === true) };
  },
  ByteLevel: () => ({ pattern: gpt2 }),
  Metaspace: (config) => {
    const mark = String(config["replacement"] ?? "\u2581");
    const scheme = config["add_prefix_space"] === false ? "never" : (config["prepend_scheme"] ?? "always");
    const marks = new RegExp(escaped(mark), "gu");
    const one = (text: string, isFirst: boolean): string[] => {
      const marked = text.replaceAll(" ", mark);
      const prepends = !marked.startsWith(mark) && (scheme === "always" || (scheme === "first" && isFirst));
      const whole = prepends ? mark + marked : marked;
      return config["split"] === false ? [whole] : split(whole, marks, "MergedWithNext");
    };
    return {
      pre_tokenize: (texts: string | string[], { isFirst = false }: PreTokenizeOptions = {}) => [texts].flat().flatMap((text, i) => one(text, isFirst && i === 0)),
    };
  },
};

const decoders: { readonly [type: string]: Correction } = {
  Metaspace: ({ replacement, prepend_scheme: scheme, add_prefix_space: prefixes }) => ({
    decode_chain: (tokens: string[]) =>
      tokens.map((token, i) => token.replaceAll(String(replacement ?? "\u2581"), i === 0 && scheme !== "never" && prefixes !== false ? "" : " ")),
  }),
  ByteFallback: () => ({ decode_chain: joinBytes }),
};

/** What {@link correctLibrary}'s pre-tokenizers are told. */
export interface PreTokenizeOptions {
  /** The text is the beginning of all that is encoded. */
  isFirst?: boolean;
}

function behaviorOf(behavior: unknown, path: string): SplitBehavior {
  const behaviors: readonly SplitBehavior[] = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"];
  const found = behaviors.find((each) => each === behavior);
  if (found === undefined) throw new SteppeError("FORMAT", `Expected one of ${behaviors.join(", ")} as "behavior" in ${path} but received ${JSON.stringify(behavior)}.`);
  return found;
}

/** <0xE2> <0x82> <0xAC> is €; bytes that are no UTF-8 are a U+FFFD each. */
function joinBytes(tokens: readonly string[]): string[] {
  const joined: string[] = [];
  let bytes: number[] = [];
  const flush = () => {
    if (bytes.length === 0) return;
    const text = Buffer.from(bytes).toString();
    joined.push(Buffer.from(text).equals(Buffer.from(bytes)) ? text : "\ufffd".repeat(bytes.length));
    bytes = [];
  };
  for (const token of tokens) {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
    if (byte === null) {
      flush();
      joined.push(token);
    } else {
      bytes.push(parseInt(byte[1]!, 16));
    }
  }
  flush();
  return joined;
}

/** A part of the library may hold others: `inner` is where, in its configuration and in itself. */
function correctParts(part: unknown, config: unknown, corrections: { readonly [type: string]: Correction }, [ofConfig, ofPart]: readonly [string, string], path: string): void {
  if (part === null || part === undefined || config === null || typeof config !== "object") return;
  const { type, [ofConfig]: inner } = config as Config;
  if (type === "Sequence" && Array.isArray(inner)) {
    const parts = (part as Record<string, unknown[]>)[ofPart]!;
    inner.forEach((each, i) => correctParts(parts[i], each, corrections, [ofConfig, ofPart], path));
    return;
  }
  const correction = corrections[String(type)];
  if (correction !== undefined) Object.assign(part, correction(config as Config, part as { readonly [key: string]: unknown }, path));
}

/**
 * Makes a tokenizer of the library agree with Python's.
 *
 * @param file its tokenizer.json, read from `path`
 * @throws SteppeError `FORMAT` for a broken table of characters
 */
export function correctLibrary(library: Library, file: Record<string, unknown>, path: string): void {
  correctParts(library.normalizer, file["normalizer"], normalizers, ["normalizers", "normalizers"], path);
  correctParts(library.pre_tokenizer, file["pre_tokenizer"], preTokenizers, ["pretokenizers", "tokenizers"], path);
  correctParts(library.decoder, file["decoder"], decoders, ["decoders", "decoders"], path);
  const model = file["model"] as Config;
  if (model["type"] !== "Unigram") return;
  const unknownId = model["unk_id"];
  const unigram = new Unigram(model["vocab"] as [string, number][], typeof unknownId === "number" ? unknownId : null, model["byte_fallback"] === true);
  Object.assign(library.model!, { fuse_unk: false, encode: (words: string[]) => words.flatMap((word) => unigram.encode(word)) });
}
