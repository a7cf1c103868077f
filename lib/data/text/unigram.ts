import { expected } from "../../errors.js";
import type { Piece } from "./models.js";

/** How much worse a character outside of the vocabulary is than the worst token, in logarithms (SentencePiece's kUnkPenalty). */
const unknownPenalty = 10;

/**
 * The segmentation of words into the likeliest tokens of a unigram model (Kudo 2018, arXiv 1804.10959), as Hugging Face's `tokenizers`
 * finds it: of paths as likely as one another the one found first, going from left to right and from short tokens to long ones.
 */
export class Unigram {
  readonly #ids = new Map<string, number>();
  /** In UTF-16 code units. */
  readonly #longest: number;
  readonly #scores: readonly number[];
  readonly #unknownScore: number;
  readonly #unknownId: number | null;
  readonly #bytes: readonly string[] | null;

  /**
   * @param vocabulary tokens with logarithms of their probabilities
   * @param unknownId the number of the token for what is in none, or null
   * @param byteFallback characters in no token are written as their bytes, <0xE2>, where all of these are tokens
   */
  constructor(vocabulary: readonly (readonly [token: string, score: number])[], unknownId: number | null, byteFallback: boolean) {
    vocabulary.forEach(([token], id) => this.#ids.set(token, id));
    this.#longest = vocabulary.reduce((most, [token]) => Math.max(most, token.length), 0);
    this.#scores = vocabulary.map(([, score]) => score);
    this.#unknownScore = this.#scores.reduce((least, score) => Math.min(least, score), Infinity) - unknownPenalty;
    this.#unknownId = unknownId;
    const names = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    this.#bytes = byteFallback ? names : null;
  }

  /**
   * @returns a word's tokens. What is unknown is the text itself, in one piece, or its bytes, of which each stands where all of it does
   * @throws SteppeError `ARGUMENT` for an unknown character where the model has no token for it
   */
  encode(word: string): Piece[] {
    let at = 0;
    return this.#best(word).flatMap((token): Piece[] => {
      const place = { start: at, end: (at += token.length) };
      if (this.#bytes === null || this.#ids.has(token)) return [{ token, ...place }];
      const bytes = Array.from(Buffer.from(token), (byte) => this.#bytes![byte]!);
      return bytes.every((byte) => this.#ids.has(byte)) ? bytes.map((byte) => ({ token: byte, ...place })) : [{ token, ...place }];
    });
  }

  #best(word: string): string[] {
    // By code units: where one stands inside of a character, nothing starts or ends.
    const score = new Float64Array(word.length + 1);
    const from = new Int32Array(word.length + 1).fill(-1);
    const ids = new Int32Array(word.length + 1);
    const reach = (start: number, end: number, id: number, gain: number) => {
      const total = gain + score[start]!;
      if (from[end]! >= 0 && total <= score[end]!) return;
      [score[end], from[end], ids[end]] = [total, start, id];
    };
    for (let start = 0, width = 0; start < word.length; start += width) {
      width = word.codePointAt(start)! > 0xffff ? 2 : 1;
      let single = false;
      for (let end = start + 1; end <= Math.min(start + this.#longest, word.length); end++) {
        const id = this.#ids.get(word.slice(start, end));
        if (id === undefined) continue;
        reach(start, end, id, this.#scores[id]!);
        single ||= end === start + width;
      }
      if (single) continue;
      if (this.#unknownId === null) throw expected("text of the model's vocabulary, which has no token for others,", "text", word.slice(start, start + width));
      reach(start, start + width, this.#unknownId, this.#unknownScore);
    }
    const tokens: string[] = [];
    let unknown = "";
    for (let end = word.length; end > 0; end = from[end]!) {
      const piece = word.slice(from[end]!, end);
      if (ids[end] === this.#unknownId) {
        unknown = piece + unknown;
        continue;
      }
      if (unknown !== "") tokens.push(unknown);
      unknown = "";
      tokens.push(piece);
    }
    if (unknown !== "") tokens.push(unknown);
    return tokens.reverse();
  }
}
