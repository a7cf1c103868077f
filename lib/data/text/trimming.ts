import type { Span } from "./normalized.js";

/** A part's configuration in a tokenizer.json. */
export type Json = { [key: string]: unknown } | null | undefined;

/** All parts of a kind, those inside a sequence too. */
export function parts(config: Json): { [key: string]: unknown }[] {
  if (config === null || config === undefined) return [];
  const inner = (config["pretokenizers"] ?? config["processors"] ?? config["normalizers"]) as Json[] | undefined;
  return inner === undefined ? [config] : inner.flatMap(parts);
}

/** How a byte-level post-processor leaves spaces at the ends of tokens out of their spans: all of them, or all but a single one in front of a text; or null. */
export type Trimming = "all" | "all but the first" | null;

/** @param file a tokenizer.json */
export function readTrimming(file: Record<string, unknown>): Trimming {
  const trimmer = parts(file["post_processor"] as Json).find(({ type, trim_offsets: trims }) => (type === "ByteLevel" || type === "RobertaProcessing") && trims !== false);
  return trimmer === undefined ? null : trimmer["add_prefix_space"] === false ? "all" : "all but the first";
}

/**
 * A token's span without the spaces at its ends, as the `trim_offsets` of Hugging Face's processors does it: as many characters are left out
 * as the token has spaces there, whatever they are in the text.
 *
 * @param token as it is written, spaces as \u0120
 * @param text that the token is of
 * @param isFirst it is the first one of its text
 */
export function trimmed(token: string, [start, end]: Span, text: string, trimming: Trimming, isFirst: boolean): Span {
  if (trimming === null) return [start, end];
  const count = (edge: RegExp) => edge.exec(token)![0].length;
  const leading = count(/^[\u0120\p{White_Space}]*/u);
  const trailing = count(/(?<![\u0120\p{White_Space}])[\u0120\p{White_Space}]*$/u);
  const keepsOne = trimming === "all but the first" && leading === 1 && (isFirst || start === 0);
  let [from, to] = [start, end];
  for (let i = keepsOne ? 1 : 0; i < leading && from < end; i++) from += text.codePointAt(from)! > 0xffff ? 2 : 1;
  for (let i = 0; i < trailing && to > from; i++) to -= to > 1 && text.codePointAt(to - 2)! > 0xffff ? 2 : 1;
  return [Math.min(from, end), Math.max(to, Math.min(from, end))];
}
