/** What becomes of what a pattern matches, by the names of Hugging Face's `tokenizers`. */
export type SplitBehavior = "Removed" | "Isolated" | "MergedWithPrevious" | "MergedWithNext" | "Contiguous";

/** What words are made of, in a class of a regular expression: `\w` as Rust's `regex` has it. */
export const wordClass = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";

/** A pattern that matches this text alone. */
export const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

/** A piece of a text, and whether the pattern matches it. */
interface Piece {
  text: string;
  matched: boolean;
}

/**
 * Splits a text where a pattern matches.
 *
 * @param pattern with the flags "gu"
 * @param inverted what does not match counts as a match, and the other way round
 */
export function split(text: string, pattern: RegExp, behavior: SplitBehavior, inverted = false): string[] {
  const pieces: Piece[] = [];
  const push = (from: number, to: number, matched: boolean) => {
    if (from < to) pieces.push({ text: text.slice(from, to), matched: matched !== inverted });
  };
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    push(at, match.index, false);
    push(match.index, match.index + match[0].length, true);
    at = match.index + match[0].length;
  }
  push(at, text.length, false);
  switch (behavior) {
    case "Removed":
      return pieces.filter(({ matched }) => !matched).map((piece) => piece.text);
    case "Isolated":
      return pieces.map((piece) => piece.text);
    case "Contiguous":
      return merge(pieces, (matched, before) => matched === before);
    case "MergedWithPrevious":
      return merge(pieces, (matched, before) => matched && !before);
    case "MergedWithNext":
      return merge(pieces, (matched, before) => before && !matched);
  }
}

/** Joins a piece to the one before it where `joins` says so. */
function merge(pieces: readonly Piece[], joins: (matched: boolean, before: boolean) => boolean): string[] {
  const merged: string[] = [];
  pieces.forEach(({ text, matched }, i) => {
    if (i > 0 && joins(matched, pieces[i - 1]!.matched)) merged[merged.length - 1] += text;
    else merged.push(text);
  });
  return merged;
}
