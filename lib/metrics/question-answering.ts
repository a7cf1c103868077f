import { wordsOf } from "../data/text/words.js";
import { checkKeys, expected } from "../errors.js";

/**
 * How answers are made alike before they are compared. "squad": lower case, no punctuation, no articles, single spaces (arXiv
 * 1606.05250). "naturalQuestions": the same after accents were taken off their letters (Unicode's NFD), as the open-domain
 * evaluation does. "triviaQa": underscores, punctuation and curly quotes become spaces (arXiv 1705.03551).
 */
export type AnswerNormalization = "squad" | "naturalQuestions" | "triviaQa";

const clean: Record<AnswerNormalization, (answer: string) => string> = {
  squad: (answer) => answer.toLowerCase().replace(/[!-/:-@[-`{-~]/g, ""),
  naturalQuestions: (answer) => clean.squad(answer.normalize("NFD")),
  triviaQa: (answer) => answer.toLowerCase().replace(/[!-/:-@[-`{-~\u2018\u2019\u00b4]/g, " "),
};

/** The form in which answers are compared; default SQuAD's. */
export function normalizeAnswer(answer: string, normalization: AnswerNormalization = "squad"): string {
  return wordsOf(clean[normalization](answer).replace(/(?<![\p{L}\p{N}_])(a|an|the)(?![\p{L}\p{N}_])/gu, " ")).join(" ");
}

/** F1 of the words of two normalised texts; 0 where they have none in common, also where both are empty. */
export function wordF1(prediction: string, reference: string): number {
  const [words, right] = [wordsOf(prediction), wordsOf(reference)];
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

/** A number about answers to questions, each with one or more right ones; of several the best counts. */
abstract class Answers {
  readonly normalization: AnswerNormalization;
  #sum = 0;
  #questions = 0;

  constructor(options: { normalization?: AnswerNormalization } = {}) {
    checkKeys(options, ["normalization"]);
    const { normalization = "squad" } = options;
    if (!Object.hasOwn(clean, normalization)) throw expected(`one of ${Object.keys(clean).join(", ")}`, "normalization", normalization);
    this.normalization = normalization;
  }

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
      this.#sum += Math.max(...right.map((each) => this.score(normalizeAnswer(prediction, this.normalization), normalizeAnswer(each, this.normalization))));
      this.#questions++;
    });
  }

  /** From 0 to 1; NaN if there was nothing. */
  compute(): number {
    return this.#sum / this.#questions;
  }

  protected abstract score(prediction: string, reference: string): number;
}

/** The share of answers that are a right one, both normalised (`normalization`, default as SQuAD does). */
export class ExactMatch extends Answers {
  protected score(prediction: string, reference: string): number {
    return prediction === reference ? 1 : 0;
  }
}

/** The mean F1 of the words of an answer and of a right one, both normalised as for {@link ExactMatch}. Two empty answers agree. */
export class TokenF1 extends Answers {
  protected score(prediction: string, reference: string): number {
    if (prediction === "" || reference === "") return prediction === reference ? 1 : 0;
    return wordF1(prediction, reference);
  }
}
