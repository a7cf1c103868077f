/** From, up to but not including: indices of UTF-16 code units, as `text.slice` takes them. */
export type Span = readonly [start: number, end: number];

/**
 * What becomes of a text: new characters one after the other, each with how far it is ahead of the old ones. 0 takes the place of the
 * next old character, 1 is one more than there were, -n takes the place of the next and of n more.
 */
export class Changes {
  readonly chars: string[] = [];
  readonly shifts: number[] = [];

  push(char: string, shift = 0): void {
    this.chars.push(char);
    this.shifts.push(shift);
  }
}

/**
 * A text on its way from what it was to what a model reads, and for each of its code units where in the original its character comes
 * from. Characters are traced as Hugging Face's `tokenizers` does it (its NormalizedString), so that offsets of tokens are the same.
 */
export class NormalizedText {
  readonly text: string;
  /** Where in the original the text begins that this one was made of. */
  readonly begin: number;
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;

  private constructor(text: string, starts: Int32Array, ends: Int32Array, begin: number) {
    this.text = text;
    this.begin = begin;
    this.#starts = starts;
    this.#ends = ends;
  }

  /** A part of a text, or all of it, as it is. */
  static of(original: string, begin = 0, end = original.length): NormalizedText {
    const text = original.slice(begin, end);
    const [starts, ends] = [new Int32Array(text.length), new Int32Array(text.length)];
    for (let i = 0; i < text.length; ) {
      const width = text.codePointAt(i)! > 0xffff ? 2 : 1;
      starts.fill(begin + i, i, i + width);
      ends.fill(begin + i + width, i, i + width);
      i += width;
    }
    return new NormalizedText(text, starts, ends, begin);
  }

  get length(): number {
    return this.text.length;
  }

  /** Where in the original a stretch of this text comes from, which must not be empty. */
  span(start = 0, end = this.length): Span {
    return [this.#starts[start]!, this.#ends[end - 1]!];
  }

  /** A piece of the text, which begins where its first character comes from. */
  slice(start: number, end: number): NormalizedText {
    const begin = start < end ? this.#starts[start]! : this.begin;
    return new NormalizedText(this.text.slice(start, end), this.#starts.subarray(start, end), this.#ends.subarray(start, end), begin);
  }

  /** The text without what stands before and behind. */
  within(start: number, end: number): NormalizedText {
    return new NormalizedText(this.text.slice(start, end), this.#starts.subarray(start, end), this.#ends.subarray(start, end), this.begin);
  }

  /** The characters that are kept. */
  filter(keeps: (char: string) => boolean): NormalizedText {
    const made = new Maker();
    let at = 0;
    for (const char of this.text) {
      if (keeps(char)) made.push(char, this.#starts[at]!, this.#ends[at]!);
      at += char.length;
    }
    return this.#of(made);
  }

  /** What is put in front stands where the first character does; there must be one. */
  prepend(prefix: string): NormalizedText {
    if (this.length === 0) return this;
    const made = new Maker();
    made.push(prefix, this.#starts[0]!, this.#ends[0]!);
    this.#copy(made, 0, this.length);
    return this.#of(made);
  }

  /** Puts `content` in the place of what the pattern (with the flag "g") matches, where the last character of that stood. */
  replace(pattern: RegExp, content: string): NormalizedText {
    const matches = matchesIn(this.text, pattern);
    if (this.length === 0 || matches.length === 0) return this;
    const made = new Maker();
    let at = 0;
    for (const match of matches) {
      const end = match.index + match[0].length;
      this.#copy(made, at, match.index);
      if (end === 0) made.push(content, this.begin, this.begin);
      else made.push(content, this.#starts[end - 1]!, this.#ends[end - 1]!);
      at = end;
    }
    this.#copy(made, at, this.length);
    return this.#of(made);
  }

  /** See {@link Changes}. A character that is one more stands where the one before it in the old text does. */
  change({ chars, shifts }: Changes): NormalizedText {
    const made = new Maker();
    let at = 0; // in the old text, the next character
    const pass = () => {
      if (at < this.length) at += this.text.codePointAt(at)! > 0xffff ? 2 : 1;
    };
    chars.forEach((char, i) => {
      const shift = shifts[i]!;
      const from = shift > 0 ? at - 1 : Math.min(at, this.length - 1);
      if (from < 0) made.push(char, this.begin, this.begin);
      else made.push(char, this.#starts[from]!, this.#ends[from]!);
      for (let n = shift; n <= 0; n++) pass();
    });
    return this.#of(made);
  }

  #copy(made: Maker, from: number, to: number): void {
    for (let i = from; i < to; i++) made.push(this.text[i]!, this.#starts[i]!, this.#ends[i]!);
  }

  #of({ parts, starts, ends }: Maker): NormalizedText {
    return new NormalizedText(parts.join(""), Int32Array.from(starts), Int32Array.from(ends), this.begin);
  }
}

/** What a pattern (with the flags "gu") matches. V8 finds empty matches with lookbehind inside of surrogate pairs, too: they are none. */
export function matchesIn(text: string, pattern: RegExp): RegExpExecArray[] {
  return [...text.matchAll(pattern)].filter(({ index }) => index === 0 || text.codePointAt(index - 1)! <= 0xffff);
}

/** A text that comes piece by piece, each with where it stands. */
class Maker {
  readonly parts: string[] = [];
  readonly starts: number[] = [];
  readonly ends: number[] = [];

  push(text: string, start: number, end: number): void {
    this.parts.push(text);
    for (let i = 0; i < text.length; i++) {
      this.starts.push(start);
      this.ends.push(end);
    }
  }
}
