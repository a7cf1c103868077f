import { wordsOf } from "../data/text/words.js";
import { expected } from "../errors.js";

const longest = 4;

/**
 * The tokenization of WMT's mteval-v13a, which sacreBLEU uses by default: HTML's entities are read, punctuation and symbols of
 * ASCII stand alone, also periods and commas unless between digits, and dashes after digits.
 */
function tokenize(line: string): string[] {
  const text = line.replace(/<skipped>/g, "").replace(/-\n/g, "").replace(/\n/g, " ");
  const read = text.includes("&") ? text.replace(/&quot;/g, '"').replace(/&amp;/g, "&").replace(/&lt;/g, "<").replace(/&gt;/g, ">") : text;
  const parted = ` ${read} `
    .replace(/([{-~[-` -&(-+:-@/])/g, " $1 ")
    .replace(/([^0-9])([.,])/g, "$1 $2 ")
    .replace(/([.,])([^0-9])/g, " $1 $2")
    .replace(/([0-9])(-)/g, "$1 $2 ");
  return wordsOf(parted);
}

function ngrams(words: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= words.length; i++) {
    const gram = words.slice(i, i + n).join(" ");
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

/**
 * BLEU of a corpus (Papineni et al. 2002), from 0 to 100, as sacreBLEU computes it by default (arXiv 1804.08771): words of
 * mteval-v13a, n-grams up to 4, exponential smoothing of counts that are 0, and the reference nearest in length for the
 * brevity penalty.
 *
 * @example
 * const bleu = new metrics.Bleu();
 * bleu.update(["the cat sat on the mat"], [["the cat is on the mat", "a cat sat on the mat"]]);
 * bleu.compute();
 */
export class Bleu {
  readonly #right = Array<number>(longest).fill(0);
  readonly #total = Array<number>(longest).fill(0);
  #length = 0;
  #referenceLength = 0;

  reset(): void {
    this.#right.fill(0);
    this.#total.fill(0);
    this.#length = this.#referenceLength = 0;
  }

  /**
   * @param predictions sentences
   * @param references of each sentence one translation or several
   */
  update(predictions: readonly string[], references: readonly (string | readonly string[])[]): void {
    if (!Array.isArray(predictions)) throw expected("an array of sentences", "predictions", predictions);
    if (!Array.isArray(references) || references.length !== predictions.length) throw expected(`references of ${predictions.length} sentences`, "references", references);
    predictions.forEach((prediction: unknown, i) => {
      if (typeof prediction !== "string") throw expected("a string", `predictions[${i}]`, prediction);
      const given = references[i] as string | readonly string[];
      const all = typeof given === "string" ? [given] : given;
      if (!Array.isArray(all) || all.length === 0) throw expected("at least one reference", `references[${i}]`, given);
      this.#count(tokenize(prediction.trimEnd()), all.map((each: string) => tokenize(each.trimEnd())));
    });
  }

  #count(words: readonly string[], references: readonly string[][]): void {
    this.#length += words.length;
    // The nearest length, of two that are equally near the smaller.
    this.#referenceLength += references.map(({ length }) => length).reduce((best, length) => {
      const [a, b] = [Math.abs(length - words.length), Math.abs(best - words.length)];
      return a < b || (a === b && length < best) ? length : best;
    });
    for (let n = 1; n <= longest; n++) {
      const known = references.map((reference) => ngrams(reference, n));
      for (const [gram, count] of ngrams(words, n)) {
        this.#right[n - 1]! += Math.min(count, Math.max(...known.map((counts) => counts.get(gram) ?? 0)));
        this.#total[n - 1]! += count;
      }
    }
  }

  /** From 0 to 100; NaN if there was nothing. */
  compute(): number {
    if (this.#referenceLength === 0 && this.#length === 0) return NaN;
    if (this.#right.every((count) => count === 0)) return 0;
    let smoothing = 1;
    let sum = 0;
    for (let n = 0; n < longest; n++) {
      const [right, total] = [this.#right[n]!, this.#total[n]!];
      if (total === 0) return 0;
      if (right === 0) smoothing *= 2;
      sum += Math.log(right === 0 ? 100 / (smoothing * total) : (100 * right) / total);
    }
    const brevity = this.#length === 0 ? 0 : this.#length < this.#referenceLength ? Math.exp(1 - this.#referenceLength / this.#length) : 1;
    return brevity * Math.exp(sum / longest);
  }
}
