import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { graphemes } from "./graphemes.js";
import type { Spelling } from "./spelling.js";

// Where in the text each token stands. The tokenizer's library gives tokens alone: here they are laid along the text again.

/** From, up to but not including: indices of UTF-16 code units, as `text.slice` takes them. */
export type Span = readonly [start: number, end: number];

/** A character of the normalised text, and what it was made of. */
interface Unit {
  readonly char: string;
  readonly start: number;
  readonly end: number;
}

const space = /^\s$/u;
const metaspace = "\u2581";
const blank = /^[\s\p{White_Space}\u2581]$/u;

/** GPT-2's alphabet: printable bytes stand for themselves, the others for characters from U+0100 on (its `bytes_to_unicode`). */
const byteOf = ((): Map<string, number> => {
  const isPrintable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const table = new Map<string, number>();
  for (let byte = 0, next = 256; byte < 256; byte++) table.set(String.fromCharCode(isPrintable(byte) ? byte : next++), byte);
  return table;
})();

/** Lays tokens along the texts that they were made of. */
export class Aligner {
  readonly #library: Library;
  readonly #spelling: Spelling;
  /** What the normaliser puts in front of any text. */
  readonly #prefix: string;
  readonly #normal = new Map<string, string>();

  constructor(library: Library, spelling: Spelling) {
    this.#library = library;
    this.#spelling = spelling;
    this.#prefix = library.normalizer?.normalize("a").replace(/a$/u, "") ?? "";
  }

  /**
   * @param normal the normalised text
   * @param tokens of `text`, in order, added ones as they stand in `normal`, without special tokens that are not in it
   * @param places for each token that is added to the normalised text its place in `normal`, for others null
   * @param isFirst no token comes before these
   * @returns a span for each token
   */
  align(text: string, normal: string, tokens: readonly string[], places: readonly (number | null)[], isFirst: boolean): Span[] {
    const units = this.#normalise(text);
    const finder = new Finder(units, normal, normal.startsWith(this.#prefix) ? this.#prefix.length : 0);
    const { bytes, unknown, trims } = this.#spelling;
    const spans: Span[] = [];
    let from = 0; // of the units that follow the last added token
    let first = 0; // of the tokens in them
    const stretch = (to: number, last: number) => {
      const [these, part] = [units.slice(from, to), tokens.slice(first, last)];
      const before = units[from - 1]?.end ?? 0;
      spans.push(...(bytes ? alignBytes(these, part, before) : new Walk(these, this.#spelling, this.#wordEnds(these, part.includes(unknown ?? "")), before).align(part)));
    };
    places.forEach((place, i) => {
      if (place === null) return;
      let [start, end] = finder.find(place, tokens[i]!);
      stretch(start, i);
      [from, first] = [end, i + 1];
      while (trims !== null && start < end && space.test(units[start]!.char)) start++;
      while (trims !== null && start < end && space.test(units[end - 1]!.char)) end--;
      const to = units[end - 1]?.end ?? 0;
      spans.push([start < end ? units[start]!.start : to, to]);
    });
    stretch(units.length, tokens.length);
    if (trims === null) return spans;
    return spans.map((span, i) => (places[i] === null ? trim(tokens[i]!, span, isFirst && i === 0 && trims === "all but the first") : span));
  }

  /** The span of an added token in a text that is nothing else but space that belongs to it. */
  added(text: string): Span {
    if (this.#spelling.trims === null) return [0, text.length];
    const start = text.length - text.trimStart().length;
    return [start, Math.max(start, text.trimEnd().length)];
  }

  /**
   * The normalised text, character by character. Graphemes are normalised one at a time: no normaliser of Unicode reaches over
   * their borders. What does (spaces that are put in front, stripped or merged) is spaces, and those are passed over later.
   */
  #normalise(text: string): Unit[] {
    const units: Unit[] = [];
    for (const { segment, index } of graphemes(text)) {
      const before = [...segment];
      const starts = before.map((_, i) => index + before.slice(0, i).join("").length);
      const push = (char: string, i: number) => units.push({ char, start: starts[i]!, end: starts[i]! + before[i]!.length });
      const whole = this.#normaliseOne(segment);
      const each = before.map((char) => this.#normaliseOne(char));
      if (each.join("") === whole) {
        each.forEach((chars, i) => [...chars].forEach((char) => push(char, i)));
      } else {
        // Composed: what is left stands where its first characters did.
        [...whole].forEach((char, i) => push(char, Math.min(i, before.length - 1)));
      }
    }
    return units;
  }

  #normaliseOne(text: string): string {
    if (this.#library.normalizer === null) return text;
    const known = this.#normal.get(text);
    if (known !== undefined) return known;
    const normal = this.#library.normalizer.normalize(text);
    const bare = normal.startsWith(this.#prefix) ? normal.slice(this.#prefix.length) : normal;
    // A blank that would be stripped, standing alone, is passed over where it is not in a token.
    if (bare === "" && text.trim() === "") return text;
    if (this.#normal.size < 20_000) this.#normal.set(text, bare);
    return bare;
  }

  /** Ends of words in the normalised text, as indices of units: an unknown token never reaches over one. */
  #wordEnds(units: Unit[], wanted: boolean): number[] {
    if (!wanted || this.#library.pre_tokenizer === null) return [];
    const ends: number[] = [];
    let at = 0;
    for (const word of this.#library.pre_tokenizer.pre_tokenize(units.map(({ char }) => char).join("")) as string[]) {
      for (const char of word) {
        let next = at;
        while (next < units.length && !same(units[next]!.char, char, this.#spelling) && space.test(units[next]!.char)) next++;
        if (next < units.length && same(units[next]!.char, char, this.#spelling)) at = next + 1;
      }
      ends.push(at);
    }
    return ends;
  }
}

/**
 * Finds units by places in the normalised text, one place after the other. A text that is normalised at once may have other blanks than
 * one normalised grapheme by grapheme: characters that are none are counted.
 */
class Finder {
  readonly #units: readonly Unit[];
  readonly #normal: string;
  /** Units that are not blank. */
  readonly #solid: readonly number[];
  #at: number;
  /** Characters before `#at`: those that are not blank, and blanks since the last of them. */
  #count = 0;
  #blanks = 0;

  /** @param from where in `normal` the units' text begins */
  constructor(units: readonly Unit[], normal: string, from: number) {
    this.#units = units;
    this.#normal = normal;
    this.#solid = units.flatMap(({ char }, i) => (blank.test(char) ? [] : [i]));
    this.#at = from;
  }

  /** From, up to but not including which unit a token reaches. */
  find(place: number, token: string): [start: number, end: number] {
    const before = this.#unitAt(place);
    const start = blank.test(String.fromCodePoint(token.codePointAt(0)!)) ? before : this.#next();
    return [start, Math.max(start, this.#unitAt(place + token.length))];
  }

  #unitAt(place: number): number {
    for (const char of this.#normal.slice(this.#at, place)) {
      if (blank.test(char)) {
        this.#blanks++;
      } else {
        this.#count++;
        this.#blanks = 0;
      }
    }
    this.#at = Math.max(this.#at, place);
    return Math.min((this.#solid[this.#count - 1] ?? -1) + 1 + this.#blanks, this.#next());
  }

  #next(): number {
    return this.#solid[this.#count] ?? this.#units.length;
  }
}

/** The normalised text as bytes, each with its character's place. */
function toBytes(units: Unit[]): { byte: number; start: number; end: number }[] {
  return units.flatMap(({ char, start, end }) => [...Buffer.from(char, "utf8")].map((byte) => ({ byte, start, end })));
}

function same(ofText: string, ofToken: string, { metaspace: marked }: Spelling): boolean {
  return ofText === ofToken || (marked && ofToken === metaspace && ofText === " ");
}

/** As the `trim_offsets` of Hugging Face's byte-level processors does it. */
function trim(token: string, [start, end]: Span, keepsOne: boolean): Span {
  const count = (edge: RegExp) => edge.exec(token)![0].length;
  const leading = count(/^[\u0120\p{White_Space}]*/u);
  const from = Math.min(start + (keepsOne && leading === 1 ? 0 : leading), end);
  return [from, Math.max(end - count(/[\u0120\p{White_Space}]*$/u), from)];
}

function alignBytes(units: Unit[], tokens: readonly string[], from: number): Span[] {
  const bytes = toBytes(units);
  let at = 0;
  let last = from;
  return tokens.map((token) => {
    let start = -1;
    for (const char of token) {
      const byte = byteOf.get(char);
      // A space that the tokenizer has put in front is not in the text.
      if (bytes[at] === undefined || (byte === 32 && bytes[at]!.byte !== 32)) continue;
      if (start < 0) start = bytes[at]!.start;
      last = bytes[at]!.end;
      at++;
    }
    return start < 0 ? [last, last] : [start, last];
  });
}

/** One stretch of text, walked from token to token. */
class Walk {
  readonly #units: Unit[];
  readonly #spelling: Spelling;
  readonly #wordEnds: number[];
  #at = 0;
  /** The end of the last span. */
  #last: number;
  /** The tokenizer has put a mark of space in front. */
  #prefixed = false;
  /** Bytes of a character that is written in several tokens: <0xE2>. */
  #bytes: Buffer[] = [];

  constructor(units: Unit[], spelling: Spelling, wordEnds: number[], from: number) {
    this.#units = units;
    this.#spelling = spelling;
    this.#wordEnds = wordEnds;
    this.#last = from;
  }

  align(tokens: readonly string[]): Span[] {
    const marks = tokens.join("").split(metaspace).length - 1;
    this.#prefixed = this.#spelling.metaspace && marks > this.#units.filter(({ char }) => char === " " || char === metaspace).length;
    return tokens.map((token, i) => this.#next(token, tokens[i + 1]));
  }

  #next(token: string, following: string | undefined): Span {
    const units = this.#units;
    const byte = /^<0x([0-9A-F]{2})>$/.exec(token);
    if (byte !== null && this.#at < units.length) return this.#byte(Buffer.from(byte[1]!, "hex"));
    const { unknown, continuation } = this.#spelling;
    const found = token === unknown ? null : this.#match(token, this.#at);
    if (found !== null) {
      this.#at = found.start;
      // What was put in front stands where the first character does.
      const first = units[this.#at];
      return found.end === this.#at && first !== undefined ? [first.start, first.end] : this.#take(found.end);
    }
    // Unknown: in WordPiece a whole word, else up to the next token that is known.
    while (this.#at < units.length && space.test(units[this.#at]!.char)) this.#at++;
    const wordEnd = this.#wordEnds.find((end) => end > this.#at) ?? units.length;
    if (continuation === null && following !== undefined && following !== unknown) {
      for (let to = this.#at + 1; to < wordEnd; to++) if (this.#match(following, to)?.start === to) return this.#take(to);
    }
    return this.#take(wordEnd);
  }

  /** A byte of a character that is not in the vocabulary: it stands where the character does. */
  #byte(byte: Buffer): Span {
    const units = this.#units;
    this.#bytes.push(byte);
    while (this.#at < units.length - 1 && space.test(units[this.#at]!.char) && Buffer.from(units[this.#at]!.char)[0] !== this.#bytes[0]![0]) this.#at++;
    const { char, start, end } = units[this.#at]!;
    if (this.#bytes.length >= Buffer.byteLength(char)) {
      this.#bytes = [];
      this.#at++;
      this.#last = end;
    }
    return [start, end];
  }

  #take(to: number): Span {
    const start = this.#units[this.#at]?.start ?? this.#last;
    if (to > this.#at) this.#last = this.#units[to - 1]!.end;
    this.#at = Math.max(this.#at, to);
    return [Math.min(start, this.#last), this.#last];
  }

  /** Where a token stands from `position` on, null if it does not. Spaces that are not in it are passed over. */
  #match(token: string, position: number): { start: number; end: number } | null {
    const { continuation, wordEnd } = this.#spelling;
    let rest = token;
    if (continuation !== null && rest.startsWith(continuation)) rest = rest.slice(continuation.length);
    if (wordEnd !== null && rest.endsWith(wordEnd)) rest = rest.slice(0, -wordEnd.length);
    const stands = (i: number, char: string) => i < this.#units.length && same(this.#units[i]!.char, char, this.#spelling);
    let start = -1;
    let i = position;
    if (this.#spelling.splitsAtSpace) while (i < this.#units.length && space.test(this.#units[i]!.char)) i++;
    const from = i;
    for (const char of rest) {
      if (this.#spelling.metaspace && char === metaspace && start < 0 && ((this.#prefixed && i === 0) || !stands(i, char))) {
        this.#prefixed = false;
        continue;
      }
      while (i < this.#units.length && !stands(i, char) && space.test(this.#units[i]!.char)) i++;
      if (!stands(i, char)) return null;
      if (start < 0) start = i;
      i++;
    }
    return { start: start < 0 ? from : start, end: i };
  }
}
