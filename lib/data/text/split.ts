import { matchesIn } from "./normalized.js";
import type { NormalizedText } from "./normalized.js";

/** What becomes of what a pattern matches, by the names of Hugging Face's `tokenizers`. */
export type SplitBehavior = "Removed" | "Isolated" | "MergedWithPrevious" | "MergedWithNext" | "Contiguous";

/** What words are made of, in a class of a regular expression: `\w` as Rust's `regex` has it. */
export const wordClass = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";

/** A pattern that matches this text alone. */
export const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

/** A piece of a text, and whether the pattern matches it. */
interface Piece {
  start: number;
  end: number;
  matched: boolean;
}

/**
 * Splits a text where a pattern matches.
 *
 * @param pattern with the flags "gu"
 * @param inverted what does not match counts as a match, and the other way round
 */
export function split(text: NormalizedText, pattern: RegExp, behavior: SplitBehavior, inverted = false): NormalizedText[] {
  const pieces: Piece[] = [];
  const push = (start: number, end: number, matched: boolean) => {
    if (start < end) pieces.push({ start, end, matched: matched !== inverted });
  };
  let at = 0;
  for (const match of matchesIn(text.text, pattern)) {
    push(at, match.index, false);
    push(match.index, match.index + match[0].length, true);
    at = match.index + match[0].length;
  }
  push(at, text.length, false);
  return behave(pieces, behavior).map(({ start, end }) => text.slice(start, end));
}

function behave(pieces: readonly Piece[], behavior: SplitBehavior): readonly Piece[] {
  switch (behavior) {
    case "Removed":
      return pieces.filter(({ matched }) => !matched);
    case "Isolated":
      return pieces;
    case "Contiguous":
      return merge(pieces, (matched, before) => matched === before);
    case "MergedWithPrevious":
      return merge(pieces, (matched, before) => matched && !before);
    case "MergedWithNext":
      return merge(pieces, (matched, before) => before && !matched);
  }
}

/** Joins a piece to the one before it where `joins` says so. */
function merge(pieces: readonly Piece[], joins: (matched: boolean, before: boolean) => boolean): Piece[] {
  const merged: Piece[] = [];
  pieces.forEach((piece, i) => {
    if (i > 0 && joins(piece.matched, pieces[i - 1]!.matched)) merged.at(-1)!.end = piece.end;
    else merged.push({ ...piece });
  });
  return merged;
}
