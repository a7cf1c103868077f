import { wordsOf } from "../data/text/words.js";
import { expected } from "../errors.js";

/** Tokens, or a text whose words stand between white space. */
export type Sequence = string | readonly string[];

/**
 * The error rate of sequences of words, phonemes or characters: insertions, deletions and substitutions that make a prediction the
 * reference, over the length of the reference, in sum over all sequences. Of several references the one that takes the fewest counts.
 *
 * @example
 * const wordErrors = new metrics.ErrorRate();
 * wordErrors.update(["the cat sat"], ["the cat sat down"]); // 1 of 4
 * const phonemeErrors = new metrics.ErrorRate();
 * phonemeErrors.update([["T", "AH", "M"]], [[["T", "OW", "M"], ["T", "AH", "M"]]]); // 0 of 3
 */
export class ErrorRate {
  #errors = 0;
  #length = 0;

  reset(): void {
    this.#errors = this.#length = 0;
  }

  /**
   * @param predictions a sequence each
   * @param references of each one right sequence, or an array of several: strings or arrays of tokens
   */
  update(predictions: readonly Sequence[], references: readonly (Sequence | readonly (readonly string[])[])[]): void {
    if (!Array.isArray(predictions)) throw expected("an array of sequences", "predictions", predictions);
    if (!Array.isArray(references) || references.length !== predictions.length) throw expected(`references of ${predictions.length} sequences`, "references", references);
    (predictions as readonly Sequence[]).forEach((prediction, i) => {
      const guess = tokensOf(prediction, `predictions[${i}]`);
      const given = references[i] as Sequence | readonly (readonly string[])[];
      const several = Array.isArray(given) && given.length > 0 && Array.isArray(given[0]);
      const right = several ? (given as readonly (readonly string[])[]) : [given as Sequence];
      let best = { errors: Infinity, length: 0 };
      for (const each of right) {
        const tokens = tokensOf(each, `references[${i}]`);
        const errors = editDistance(guess, tokens);
        if (errors < best.errors) best = { errors, length: tokens.length };
      }
      this.#errors += best.errors;
      this.#length += best.length;
    });
  }

  /** From 0, above 1 where more is wrong than there is; NaN if there was nothing. */
  compute(): number {
    return this.#errors / this.#length;
  }
}

function tokensOf(sequence: unknown, name: string): readonly string[] {
  if (typeof sequence === "string") return wordsOf(sequence);
  if (!Array.isArray(sequence) || !sequence.every((token) => typeof token === "string")) throw expected("a string or an array of tokens", name, sequence);
  return sequence as string[];
}

/** Levenshtein's distance. */
function editDistance(a: readonly string[], b: readonly string[]): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  a.forEach((token, i) => {
    const next = [i + 1];
    b.forEach((other, j) => next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (token === other ? 0 : 1))));
    row = next;
  });
  return row[b.length]!;
}
