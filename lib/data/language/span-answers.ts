import { checkFlag, checkInteger } from "../../checks.js";
import { SteppeError, checkKeys, expected, expectedTensor } from "../../errors.js";
import { Tensor } from "../../tensor.js";
import type { Span } from "../text/normalized.js";
import type { SpanFeature } from "./span-features.js";
import type { SpanQuestion } from "./squad.js";

/** Which spans can be answers. */
export interface SpanAnswerOptions {
  /** So many of the best starts and ends are combined, and so many answers come back; default 20. */
  nBest?: number;
  /** Tokens of an answer at most; default 30. */
  maxAnswerLength?: number;
  /** Whether a question may have no answer, as in SQuAD 2.0; default false. */
  noAnswer?: boolean;
  /** With `noAnswer`: the answer is empty where the score of none is above that of the best one by more than this; default 0. */
  threshold?: number;
}

/** What a model says to a question. */
export interface FoundAnswer {
  /** The question's. */
  id: string;
  /** "" for no answer. */
  text: string;
  /** The score of no answer less that of the best one; 0 without `noAnswer`. */
  noAnswerScore: number;
  /** The best answers, with the softmax of their scores. */
  nBest: { text: string; score: number; probability: number }[];
}

interface Candidate {
  span: Span;
  score: number;
}

/** The indices of the `n` largest values, the largest first; of equal ones the later first, as NumPy's `argsort` read from its end. */
function largest(values: readonly number[], n: number): number[] {
  return values.map((_, i) => i).sort((a, b) => values[b]! - values[a]! || b - a).slice(0, n);
}

function candidatesOf(feature: SpanFeature, starts: readonly number[], ends: readonly number[], nBest: number, maxAnswerLength: number): Candidate[] {
  const found: Candidate[] = [];
  const lasts = largest(ends, nBest);
  for (const start of largest(starts, nBest)) {
    for (const end of lasts) {
      const [from, to] = [feature.offsets[start], feature.offsets[end]];
      if (!from || !to || end < start || end - start + 1 > maxAnswerLength) continue;
      found.push({ span: [from[0], to[1]], score: starts[start]! + ends[end]! });
    }
  }
  return found;
}

/** [features, length], checked, as numbers. */
function numbers(logits: unknown, name: string, features: readonly SpanFeature[]): number[][] {
  const wanted = [features.length, features[0]?.ids.length ?? 0];
  if (!(logits instanceof Tensor) || String(logits.shape) !== String(wanted)) throw expectedTensor(`a tensor of shape [${wanted.join(", ")}]`, name, logits);
  return logits.detach().to("float64").toArray() as number[][];
}

/**
 * Answers from the scores of first and last tokens, as Hugging Face's `run_qa` finds them: over all parts of a question's context
 * the best starts and ends are combined, those that are in the context, in order and not too long; the text is the context's own.
 *
 * @param examples the questions of which `features` were made
 * @param features all of them, or all of some of the questions
 * @param logits `startLogits` and `endLogits`, [features, length] each
 * @returns an answer to each question, in the order of `examples`
 * @throws SteppeError `ARGUMENT` for wrong options and shapes, and a question without features
 * @example
 * const answers = data.spanAnswers(examples, features, { startLogits, endLogits });
 * const metric = new metrics.Squad();
 * metric.update(answers, examples);
 */
export function spanAnswers(examples: readonly SpanQuestion[], features: readonly SpanFeature[], logits: { startLogits: Tensor; endLogits: Tensor }, options: SpanAnswerOptions = {}): FoundAnswer[] {
  checkKeys(options, ["nBest", "maxAnswerLength", "noAnswer", "threshold"]);
  const { nBest = 20, maxAnswerLength = 30, noAnswer = false, threshold = 0 } = options;
  checkInteger(nBest, "nBest", 1);
  checkInteger(maxAnswerLength, "maxAnswerLength", 1);
  checkFlag(noAnswer, "noAnswer");
  if (typeof threshold !== "number" || Number.isNaN(threshold)) throw expected("a number", "threshold", threshold);
  if (!Array.isArray(features) || features.length === 0) throw expected("an array of features", "features", features);
  const starts = numbers(logits?.startLogits, "startLogits", features);
  const ends = numbers(logits?.endLogits, "endLogits", features);
  const byExample = new Map<number, number[]>();
  (features as readonly SpanFeature[]).forEach(({ example }, i) => byExample.set(example, [...(byExample.get(example) ?? []), i]));
  return examples.map((example, number) => {
    const own = byExample.get(number);
    if (own === undefined) throw new SteppeError("ARGUMENT", `Expected features of question ${example.id} for features but received none among ${features.length}.`);
    const found = own.flatMap((i) => candidatesOf(features[i]!, starts[i]!, ends[i]!, nBest, maxAnswerLength));
    const none = Math.min(...own.map((i) => starts[i]![features[i]!.nullIndex]! + ends[i]![features[i]!.nullIndex]!));
    return answerOf(example, found, none, { nBest, noAnswer, threshold });
  });
}

function answerOf({ id, context }: SpanQuestion, found: readonly Candidate[], none: number, { nBest, noAnswer, threshold }: { nBest: number; noAnswer: boolean; threshold: number }): FoundAnswer {
  const empty: Candidate = { span: [0, 0], score: none };
  const all = [...found, ...(noAnswer ? [empty] : [])].sort((a, b) => b.score - a.score).slice(0, nBest);
  if (noAnswer && !all.includes(empty)) all.push(empty);
  const texts = all.map(({ span: [from, to] }) => context.slice(from, to));
  const top = all[0]?.score ?? 0;
  const weights = all.map(({ score }) => Math.exp(score - top));
  const sum = weights.reduce((a, b) => a + b, 0);
  const best = all[texts.findIndex((text) => text !== "")];
  // Nothing in the context could be an answer: then there is none, whatever the scores.
  const noAnswerScore = !noAnswer ? 0 : best === undefined ? Infinity : none - best.score;
  return {
    id,
    text: best === undefined || noAnswerScore > threshold ? "" : context.slice(...best.span),
    noAnswerScore,
    nBest: all.map(({ score }, i) => ({ text: texts[i]!, score, probability: weights[i]! / sum })),
  };
}
