import { expected } from "../errors.js";

/** As SQuAD's evaluation script normalises answers: lower case, no punctuation, no articles, single spaces (arXiv 1606.05250). */
export function normalizeAnswer(answer: string): string {
  return answer
    .toLowerCase()
    .replace(/[!-/:-@[-`{-~]/g, "")
    .replace(/(?<![\p{L}\p{N}_])(a|an|the)(?![\p{L}\p{N}_])/gu, " ")
    .split(/\s+/u)
    .filter((word) => word !== "")
    .join(" ");
}

/** A number about answers to questions, each with one or more right ones; of several the best counts. */
abstract class Answers {
  #sum = 0;
  #questions = 0;

  reset(): void {
    this.#sum = this.#questions = 0;
  }

  /**
   * @param predictions an answer for each question
   * @param references the right answers of each question: one or several; none means that the right answer is the empty one
   */
  update(predictions: readonly string[], references: readonly (string | readonly string[])[]): void {
    if (!Array.isArray(predictions)) throw expected("an array of answers", "predictions", predictions);
    if (!Array.isArray(references) || references.length !== predictions.length) throw expected(`right answers to ${predictions.length} questions`, "references", references);
    predictions.forEach((prediction: unknown, i) => {
      if (typeof prediction !== "string") throw expected("a string", `predictions[${i}]`, prediction);
      const given = references[i] as string | readonly string[];
      const right = typeof given === "string" ? [given] : given.length === 0 ? [""] : given;
      this.#sum += Math.max(...right.map((each) => this.score(normalizeAnswer(prediction), normalizeAnswer(each))));
      this.#questions++;
    });
  }

  /** From 0 to 1; NaN if there was nothing. */
  compute(): number {
    return this.#sum / this.#questions;
  }

  protected abstract score(prediction: string, reference: string): number;
}

/** The share of answers that are a right one, both normalised as SQuAD does. */
export class ExactMatch extends Answers {
  protected score(prediction: string, reference: string): number {
    return prediction === reference ? 1 : 0;
  }
}

/** The mean F1 of the words of an answer and of a right one, both normalised as SQuAD does. Two empty answers agree. */
export class TokenF1 extends Answers {
  protected score(prediction: string, reference: string): number {
    const [words, right] = [prediction, reference].map((text) => (text === "" ? [] : text.split(" "))) as [string[], string[]];
    if (words.length === 0 || right.length === 0) return words.length === right.length ? 1 : 0;
    const left = new Map<string, number>();
    for (const word of right) left.set(word, (left.get(word) ?? 0) + 1);
    let common = 0;
    for (const word of words) {
      const count = left.get(word) ?? 0;
      if (count > 0) common++;
      left.set(word, count - 1);
    }
    if (common === 0) return 0;
    const [precision, recall] = [common / words.length, common / right.length];
    return (2 * precision * recall) / (precision + recall);
  }
}
