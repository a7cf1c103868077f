import { isUtf8 } from "node:buffer";
import { SteppeError } from "../../errors.js";
import { firstWrong } from "../../io/utf8.js";
import { graphemes } from "./graphemes.js";
import { Changes } from "./normalized.js";

/** Makes the error for what is no table. */
type Corrupt = (wanted: string, received: string) => SteppeError;

// One unit of a double-array trie as Darts-clone writes it: a label in the low byte, whether a word ends here, how far its children are.
// That of a word's end holds a value of 31 bits instead.
const label = (unit: number) => unit & 0x8000_00ff;
const endsWord = (unit: number) => (unit & 0x100) !== 0;
const offset = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6);
const value = (unit: number) => unit & 0x7fff_ffff;

/** A grapheme, or a character of one, and what the table has for it, or null. */
interface Part {
  readonly old: string;
  readonly made: string | null;
}

function* clusters(text: string): Generator<string> {
  for (const { segment } of graphemes(text)) yield segment;
}

/**
 * Characters that are left over are the last one's, also if that stands before the part. At the beginning of a text there is none, and places of
 * what follows are too early by as much: so it is with `tokenizers`.
 */
function replace({ chars, shifts }: Changes, old: string, made: string): void {
  const [from, to] = [[...old].length, [...made]];
  to.forEach((char, i) => {
    chars.push(char);
    shifts.push(i < from ? 0 : 1);
  });
  if (to.length < from && shifts.length > 0) shifts[shifts.length - 1]! += to.length - from;
}

/**
 * SentencePiece's own normaliser, as T5, mT5, XLM-R, ALBERT and their like have it: a table from strings to strings, in the file as a
 * double-array trie over UTF-8 and the replacements behind it, each ended by a zero.
 *
 * Applied as Hugging Face's `tokenizers` does, oddities included: by extended grapheme clusters; one of fewer than six bytes is looked up
 * whole, and the first entry that it begins with replaces all of it; else each of its characters by itself.
 */
export class CharsMap {
  readonly #trie: Uint32Array;
  readonly #replacements: Buffer;
  /** What graphemes become that were met before. */
  readonly #known = new Map<string, readonly Part[]>();

  /**
   * @param base64 the `precompiled_charsmap` of a tokenizer.json
   * @param path that file, for messages
   * @throws SteppeError `FORMAT` for what is no such table
   */
  constructor(base64: unknown, path: string) {
    const corrupt = (wanted: string, received: string) => new SteppeError("FORMAT", `Expected ${wanted} in the precompiled_charsmap of ${path} but received ${received}.`);
    const bytes = decode(base64, corrupt);
    if (bytes.length < 4) throw corrupt("the size of its trie at byte 0", `${bytes.length} bytes`);
    const size = bytes.readUInt32LE(0);
    if (size === 0 || size % 4 !== 0 || size > bytes.length - 4) throw corrupt(`the size of a trie within its ${bytes.length} bytes at byte 0`, `${size}`);
    this.#trie = Uint32Array.from({ length: size / 4 }, (_, i) => bytes.readUInt32LE(4 + 4 * i));
    this.#replacements = bytes.subarray(4 + size);
    if (!isUtf8(this.#replacements)) {
      const wrong = firstWrong(this.#replacements);
      throw corrupt(`UTF-8 at byte ${4 + size + wrong}`, `the byte 0x${this.#replacements[wrong]!.toString(16).padStart(2, "0")}`);
    }
    this.#check(corrupt);
  }

  /** The text as the table has it. An unpaired surrogate counts as U+FFFD, which it would be in UTF-8. */
  normalize(text: string): string {
    return this.changes(text)?.chars.join("") ?? text;
  }

  /** How the text becomes what the table has it; null where nothing changes. */
  changes(text: string): Changes | null {
    const changes = new Changes();
    let any = false;
    // Printable ASCII is a grapheme a letter, and comes far faster one by one.
    for (const grapheme of /^[ -~]*$/.test(text) ? text : clusters(text)) {
      for (const { old, made } of this.#parts(grapheme)) {
        if (made === null) changes.push(old);
        else replace(changes, old, made);
        any ||= made !== null;
      }
    }
    return any ? changes : null;
  }

  #parts(grapheme: string): readonly Part[] {
    const known = this.#known.get(grapheme);
    if (known !== undefined) return known;
    const whole = Buffer.byteLength(grapheme) < 6 ? this.#find(grapheme) : null;
    const parts = whole === null ? Array.from(grapheme, (old) => ({ old, made: this.#find(old) })) : [{ old: grapheme, made: whole }];
    if (this.#known.size < 20_000 && grapheme.length < 64) this.#known.set(grapheme, parts);
    return parts;
  }

  /** The replacement of the shortest entry that `text` begins with, or null. */
  #find(text: string): string | null {
    const trie = this.#trie;
    let node = offset(trie[0]!);
    for (const byte of Buffer.from(text)) {
      if (byte === 0) return null;
      node ^= byte;
      const unit = trie[node];
      if (unit === undefined || label(unit) !== byte) return null;
      node ^= offset(unit);
      if (!endsWord(unit)) continue;
      const start = value(trie[node]!);
      const end = this.#replacements.indexOf(0, start);
      return this.#replacements.toString("utf8", start, end);
    }
    return null;
  }

  /** Every word of the trie must end inside of it and have a replacement. */
  #check(corrupt: Corrupt): void {
    const trie = this.#trie;
    const seen = new Uint8Array(trie.length);
    const open = [offset(trie[0]!)];
    let words = 0;
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      for (let byte = 1; byte < 256; byte++) {
        const at = node ^ byte;
        const unit = trie[at];
        if (unit === undefined || label(unit) !== byte || seen[at] === 1) continue;
        seen[at] = 1;
        const next = at ^ offset(unit);
        if (next >= trie.length) throw corrupt(`a node below ${trie.length} at unit ${at} of its trie`, `${next}`);
        open.push(next);
        if (!endsWord(unit)) continue;
        words++;
        const start = value(trie[next]!);
        const starts = start === 0 || this.#replacements[start - 1] === 0;
        if (!starts || this.#replacements.indexOf(0, start) < 0) throw corrupt(`the start of a replacement at unit ${next} of its trie`, `${start} of ${this.#replacements.length} bytes`);
      }
    }
    if (words === 0) throw corrupt("a trie with entries", "none");
  }
}

function decode(base64: unknown, corrupt: Corrupt): Buffer {
  if (typeof base64 !== "string") throw corrupt("base64", base64 === undefined ? "nothing" : JSON.stringify(base64));
  const bytes = Buffer.from(base64, "base64");
  // Node passes over what is no base64.
  const letters = base64.replace(/=+$/, "").length;
  if (Math.floor((letters * 3) / 4) !== bytes.length || /[^A-Za-z0-9+/]/.test(base64.slice(0, letters))) throw corrupt("base64", "other characters");
  return bytes;
}
