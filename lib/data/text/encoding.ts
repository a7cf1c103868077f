import { checkFlag, checkInteger } from "../../checks.js";
import { checkKeys, expected } from "../../errors.js";
import type { Span } from "./normalized.js";

/** A text, or a pair of texts, as a model reads it. All arrays are of one length. */
export interface Encoding {
  /** Numbers of the tokens. */
  ids: number[];
  /** 1 where there is a token, 0 for padding. */
  attentionMask: number[];
  /** 0 for the first text, 1 for the second, where the tokenizer tells them apart; else 0. */
  typeIds: number[];
  tokens: string[];
  /** Where in its text each token stands: `text.slice(start, end)`. [0, 0] for tokens that are not in a text. */
  offsets: Span[];
}

/** "longest" (or true): to the longest text of the batch; "maxLength": all to `maxLength`; false: not at all. */
export type PaddingStrategy = boolean | "longest" | "maxLength";
/** Which text of a pair is cut: the longer one token by token ("longestFirst" or true), the first, the second, none. */
export type TruncationStrategy = boolean | "longestFirst" | "onlyFirst" | "onlySecond";

/** How texts become tokens. */
export interface EncodeOptions {
  /** [CLS], </s> and their like; default true. */
  addSpecialTokens?: boolean;
  /** Tokens at most, special ones counted; default: what the model can take, where the tokenizer's files tell. */
  maxLength?: number;
  /**
   * `true` or "longest": up to the longest of a batch. "maxLength": up to `maxLength`. Default false.
   */
  padding?: PaddingStrategy;
  /**
   * What goes when there are more than `maxLength` tokens. `true` or "longestFirst": tokens of the longer text, one by one;
   * "onlyFirst", "onlySecond": of that text alone. Default false.
   */
  truncation?: TruncationStrategy;
  /** Pads up to a multiple of this many tokens. */
  padToMultipleOf?: number;
}

/** The options, checked and completed. */
export interface Settings {
  addSpecialTokens: boolean;
  maxLength: number | null;
  padding: "none" | "longest" | "maxLength";
  truncation: "none" | "longestFirst" | "onlyFirst" | "onlySecond";
  padToMultipleOf: number;
}

const word = <const W extends string>(value: unknown, whenTrue: W, words: readonly W[], name: string): W | "none" => {
  if (value === undefined || value === false) return "none";
  if (value === true) return whenTrue;
  if (words.includes(value as W)) return value as W;
  throw expected(`true, false or one of ${words.map((each) => JSON.stringify(each)).join(", ")}`, name, value);
};

/** @throws SteppeError `ARGUMENT` for an unknown option or a wrong value */
export function readEncodeOptions(options: EncodeOptions, modelMaxLength: number | null): Settings {
  if (typeof options !== "object" || options === null || Array.isArray(options)) throw expected("an object", "options", options);
  checkKeys(options, ["addSpecialTokens", "maxLength", "padding", "truncation", "padToMultipleOf"]);
  const { addSpecialTokens = true, maxLength, padToMultipleOf } = options;
  checkFlag(addSpecialTokens, "addSpecialTokens");
  for (const [name, value] of Object.entries({ maxLength, padToMultipleOf })) if (value !== undefined) checkInteger(value, name, 1);
  const padding = word(options.padding, "longest", ["longest", "maxLength"], "padding");
  const truncation = word(options.truncation, "longestFirst", ["longestFirst", "onlyFirst", "onlySecond"], "truncation");
  const limit = maxLength ?? modelMaxLength;
  if (limit === null && (padding === "maxLength" || truncation !== "none")) {
    throw expected("a positive integer", "maxLength", maxLength, "The tokenizer's files do not say how much the model can take.");
  }
  return { addSpecialTokens, maxLength: limit, padding, truncation, padToMultipleOf: padToMultipleOf ?? 1 };
}

/**
 * How many tokens of each text stay, so that no more than `room` do.
 *
 * "longestFirst" takes tokens from the longer text until both are equally long, then from both; an odd one stays with the longer, and
 * where both are equally long with the second: as Hugging Face's tokenizers do.
 *
 * @throws SteppeError `ARGUMENT` where the one text that may be cut is too short for that
 */
export function truncated([first, second]: readonly [number, number | null], room: number, strategy: Settings["truncation"]): [number, number | null] {
  const excess = first + (second ?? 0) - room;
  if (strategy === "none" || excess <= 0) return [first, second];
  if (room < 0) throw expected("room for the special tokens", "maxLength", room, "They alone are more than maxLength.");
  if (second === null) {
    if (strategy === "onlySecond") throw expected("a second text", "pair", null, 'Truncation is "onlySecond".');
    return [room, null];
  }
  const cut = (length: number, which: string) => {
    if (length < excess) throw expected(`at least ${excess} tokens in the ${which} text`, "truncation", length, "It alone may be cut.");
    return length - excess;
  };
  if (strategy === "onlyFirst") return [cut(first, "first"), second];
  if (strategy === "onlySecond") return [first, cut(second, "second")];
  // One by one from the longer: the shorter stays whole as long as it has at most half of the room.
  const shorter = Math.min(first, second);
  if (shorter <= room - shorter) return first > second ? [room - second, second] : [first, room - first];
  const half = Math.floor(room / 2);
  return first > second ? [room - half, half] : [half, room - half];
}

/** Fills up with padding. */
export function pad(encoding: Encoding, length: number, filler: { id: number; token: string; typeId: number; side: "left" | "right" }): Encoding {
  const missing = length - encoding.ids.length;
  if (missing <= 0) return encoding;
  const fill = <T>(values: T[], value: T): T[] => {
    const padding = Array<T>(missing).fill(value);
    return filler.side === "right" ? [...values, ...padding] : [...padding, ...values];
  };
  return {
    ids: fill(encoding.ids, filler.id),
    attentionMask: fill(encoding.attentionMask, 0),
    typeIds: fill(encoding.typeIds, filler.typeId),
    tokens: fill(encoding.tokens, filler.token),
    offsets: fill(encoding.offsets, [0, 0]),
  };
}
