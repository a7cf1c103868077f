import { checkFlag } from "../checks.js";
import { checkKeys, expected } from "../errors.js";
import { normalizeAnswer, wordF1 } from "./question-answering.js";

/** An answer to evaluate. */
export interface SpanPrediction {
  id: string;
  /** "" for no answer. */
  text: string;
  /** The higher, the less there is an answer: a probability, or a difference of scores. Default 0. */
  noAnswerScore?: number;
}

/** A question with its right answers. */
export interface SpanReference {
  id: string;
  answers: readonly { text: string }[];
}

/** What {@link Squad} finds, from 0 to 1; what is of no question is NaN. */
export interface SquadScores {
  exactMatch: number;
  f1: number;
  questions: number;
}

/** What {@link Squad} finds where questions may have no answer. */
export interface SquadNoAnswerScores extends SquadScores {
  /** Of the questions with an answer alone, and of those without. */
  hasAnswer: SquadScores;
  noAnswer: SquadScores;
  /** The best that a threshold of `noAnswerScore` could reach: above it an answer counts as "". */
  best: { exactMatch: number; exactMatchThreshold: number; f1: number; f1Threshold: number };
}

interface Judged {
  exact: number;
  f1: number;
  has: boolean;
  said: boolean;
  noAnswerScore: number;
}

function checkPairs(answers: unknown, questions: unknown): void {
  if (!Array.isArray(answers)) throw expected("an array of answers", "predictions", answers);
  if (!Array.isArray(questions) || questions.length !== answers.length) throw expected(`${answers.length} questions`, "targets", questions);
  answers.forEach((answer: Partial<SpanPrediction> | null, i) => {
    if (typeof answer?.text !== "string") throw expected("an object with id and text", `predictions[${i}]`, answer);
    const question = questions[i] as Partial<SpanReference> | null;
    if (!Array.isArray(question?.answers)) throw expected("an object with id and answers", `targets[${i}]`, question);
    if (question.id !== answer.id) throw expected(`the answer to question ${String(question.id)}`, `predictions[${i}].id`, answer.id);
  });
}

/**
 * SQuAD's official evaluation: exact match, and F1 of the words, of the right answer that fits best, both normalised.
 *
 * Version 1.1 by default. With `noAnswer: true` as version 2.0's script: right answers of which nothing is left when they are
 * normalised do not count; where there is none, "" alone is right, and two empty texts have an F1 of 1.
 *
 * @example
 * const metric = new metrics.Squad({ noAnswer: true });
 * metric.update(data.spanAnswers(examples, features, logits, { noAnswer: true }), examples);
 * metric.compute().f1;
 */
export class Squad<NoAnswer extends boolean = false> {
  readonly #noAnswer: boolean;
  readonly #threshold: number;
  #judged: Judged[] = [];

  /** @param options `noAnswer`; `threshold`: with `noAnswer`, an answer whose `noAnswerScore` is above it counts as ""; default infinity */
  constructor(options: { noAnswer?: NoAnswer; threshold?: number } = {}) {
    checkKeys(options, ["noAnswer", "threshold"]);
    const { noAnswer = false, threshold = Infinity } = options;
    this.#noAnswer = checkFlag(noAnswer, "noAnswer");
    if (typeof threshold !== "number" || Number.isNaN(threshold)) throw expected("a number", "threshold", threshold);
    this.#threshold = threshold;
  }

  reset(): void {
    this.#judged = [];
  }

  /**
   * @param predictions answers, as `data.spanAnswers` gives them
   * @param targets the questions, in the same order
   */
  update(predictions: readonly SpanPrediction[], targets: readonly SpanReference[]): void {
    checkPairs(predictions, targets);
    predictions.forEach(({ text, noAnswerScore = 0 }, i) => {
      const all = targets[i]!.answers.map((answer) => normalizeAnswer(answer.text));
      const kept = this.#noAnswer ? all.filter((answer) => answer !== "") : all;
      const right = this.#noAnswer && kept.length === 0 ? [""] : kept;
      const prediction = normalizeAnswer(text);
      const f1 = right.map((answer) => (this.#noAnswer && (answer === "" || prediction === "") ? Number(answer === prediction) : wordF1(prediction, answer)));
      this.#judged.push({ exact: right.includes(prediction) ? 1 : 0, f1: Math.max(0, ...f1), has: all.length > 0, said: text !== "", noAnswerScore });
    });
  }

  compute(): NoAnswer extends true ? SquadNoAnswerScores : SquadScores {
    const judged = this.#judged.map((each) => (each.noAnswerScore > this.#threshold ? { ...each, exact: Number(!each.has), f1: Number(!each.has) } : each));
    type Scores = NoAnswer extends true ? SquadNoAnswerScores : SquadScores;
    if (!this.#noAnswer) return meanOf(judged) as Scores;
    const [exact, f1] = [this.#best("exact"), this.#best("f1")];
    const scores: SquadNoAnswerScores = {
      ...meanOf(judged),
      hasAnswer: meanOf(judged.filter(({ has }) => has)),
      noAnswer: meanOf(judged.filter(({ has }) => !has)),
      best: { exactMatch: exact.score, exactMatchThreshold: exact.threshold, f1: f1.score, f1Threshold: f1.threshold },
    };
    return scores as Scores;
  }

  /** Begins with no answer to anything, then takes answers in, the surest first. */
  #best(of: "exact" | "f1"): { score: number; threshold: number } {
    let current = this.#judged.filter(({ has }) => !has).length;
    let [best, threshold] = [current, 0];
    for (const each of [...this.#judged].sort((a, b) => a.noAnswerScore - b.noAnswerScore)) {
      current += each.has ? each[of] : each.said ? -1 : 0;
      if (current > best) [best, threshold] = [current, each.noAnswerScore];
    }
    return { score: best / this.#judged.length, threshold };
  }
}

function meanOf(judged: readonly Judged[]): SquadScores {
  const mean = (of: "exact" | "f1") => judged.reduce((sum, each) => sum + each[of], 0) / judged.length;
  return { exactMatch: mean("exact"), f1: mean("f1"), questions: judged.length };
}

/**
 * TyDi QA's evaluation of gold passages: SQuAD 1.1's for each language; the score is the mean over all languages but English
 * (arXiv 2003.05002). Answers and questions as for {@link Squad}, with each question's `language`.
 */
export class TydiQa {
  readonly #languages = new Map<string, Squad>();

  reset(): void {
    this.#languages.clear();
  }

  update(predictions: readonly SpanPrediction[], targets: readonly (SpanReference & { language: string })[]): void {
    checkPairs(predictions, targets);
    predictions.forEach((prediction, i) => {
      const { language } = targets[i]!;
      if (typeof language !== "string") throw expected("a language", `targets[${i}].language`, language);
      if (!this.#languages.has(language)) this.#languages.set(language, new Squad());
      this.#languages.get(language)!.update([prediction], [targets[i]!]);
    });
  }

  /** `exactMatch` and `f1` over languages but English, NaN if there is no other; `languages`: of each. */
  compute(): { exactMatch: number; f1: number; languages: Record<string, SquadScores> } {
    const languages = Object.fromEntries([...this.#languages].map(([language, metric]) => [language, metric.compute()]));
    const others = Object.entries(languages).flatMap(([language, scores]) => (language === "english" ? [] : [scores]));
    const mean = (of: "exactMatch" | "f1") => others.reduce((sum, scores) => sum + scores[of], 0) / others.length;
    return { exactMatch: mean("exactMatch"), f1: mean("f1"), languages };
  }
}
