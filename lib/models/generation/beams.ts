import { setImmediate } from "node:timers/promises";
import { noGrad } from "../../autograd.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import type { Generation } from "./options.js";
import { adjust } from "./scores.js";
import type { Tokens } from "./scores.js";
import type { Reader } from "./reader.js";

// Beam search with the rules of Hugging Face's generate: for each row of the prompt, numBeams sequences run at the same time.
// Each step looks at (1 + number of ending tokens) · numBeams continuations, so that numBeams of them do not end.

/** Stands for minus infinity: a score that loses against every real one. */
const lost = -1e9;

/** A sequence and the sum of its log-probabilities; for a finished one divided by length^lengthPenalty. */
interface Beam {
  tokens: Tokens;
  score: number;
}

/** A place among the finished sequences of a row, empty at first. */
interface Place extends Beam {
  finished: boolean;
}

interface Continuation extends Beam {
  /** Which running sequence it continues. */
  from: number;
  ends: boolean;
}

/** The search of one row of the prompt. */
interface Search {
  running: Beam[];
  best: Place[];
  /** Whether a running sequence may still become better than a finished one. */
  open: boolean;
}

/** The numReturnSequences best sequences of each row of the prompt. @param rows each of them numBeams times */
export async function beamSearch(rows: readonly Tokens[], reader: Reader, options: Generation): Promise<number[][]> {
  const { numBeams, maxNewTokens, earlyStopping, numReturnSequences } = options;
  const prompt = rows[0]!.length;
  const searches = Array.from({ length: rows.length / numBeams }, (_, i): Search => {
    const tokens = rows[i * numBeams]!;
    const beams = Array.from({ length: numBeams }, (_, beam) => ({ tokens, score: beam === 0 ? 0 : lost })); // equal ones count once
    return { running: beams, best: beams.map(() => ({ tokens, score: lost, finished: false })), open: true };
  });
  for (let step = 1; step <= maxNewTokens; step++) {
    const found = noGrad(() => continuations(searches, reader, prompt, step === maxNewTokens, options));
    const order = searches.flatMap((search, i) => {
      const continued = advance(search, found[i]!, step, options);
      return continued.map(({ from }) => i * numBeams + from);
    });
    const full = searches.every(({ best }) => best.every(({ finished }) => finished));
    if (!searches.some(({ open }) => open) || (full && earlyStopping === true) || found.flat().every(({ ends }) => ends)) break;
    noGrad(() => reader.reorder(order));
    await setImmediate();
  }
  return searches.flatMap(({ best }) => best.slice(0, numReturnSequences).map(({ tokens }) => [...tokens]));
}

/** The best continuations of each row, best first (with doSample: drawn). */
function continuations(searches: readonly Search[], reader: Reader, prompt: number, last: boolean, options: Generation): Continuation[][] {
  const { numBeams, eosTokens, doSample, generator } = options;
  const rows = searches.flatMap(({ running }) => running.map(({ tokens }) => tokens));
  const logProbabilities = adjust(reader.next(rows).to("float32").logSoftmax(-1), rows, prompt, options);
  const vocabulary = logProbabilities.shape[1]!;
  const sums = torch.tensor(searches.map(({ running }) => running.map(({ score }) => score)), { dtype: "float32", device: logProbabilities.device });
  const scores = logProbabilities.view([searches.length, numBeams, vocabulary]).add(sums.unsqueeze(2)).flatten(1);
  const wanted = Math.min(Math.max(2, 1 + eosTokens.length) * numBeams, numBeams * vocabulary);
  const [values, places] = (doSample ? drawn(scores, wanted, generator) : scores.topk(wanted)).map((tensor) => tensor.toArray() as number[][]);
  return searches.map(({ running }, i) =>
    places![i]!.map((place, j) => {
      const from = Math.floor(place / vocabulary);
      const token = place % vocabulary;
      return { tokens: [...running[from]!.tokens, token], score: values![i]![j]!, from, ends: last || eosTokens.includes(token) };
    }),
  );
}

function drawn(scores: Tensor, count: number, generator: Generation["generator"]): [Tensor, Tensor] {
  const places = scores.softmax(-1).multinomial(count, { generator });
  return [scores.gather(1, places), places];
}

/** One step of one row's search. @returns the continuations that run on */
function advance(search: Search, found: readonly Continuation[], step: number, options: Generation): Continuation[] {
  const { numBeams, lengthPenalty, earlyStopping, maxNewTokens } = options;
  const full = search.best.every(({ finished }) => finished);
  const closed = !search.open || (full && earlyStopping === true);
  // Of those that end, only the ones among the numBeams best count.
  const ended = found.map(({ tokens, score, ends }, rank): Place => {
    const counts = ends && rank < numBeams;
    const normalised = score / step ** lengthPenalty;
    return { tokens, score: Math.fround(counts && !closed ? normalised : normalised + lost), finished: counts };
  });
  search.best = highest([...search.best, ...ended], numBeams, ({ score }) => score);
  const continued = highest(found, numBeams, ({ score, ends }) => (ends ? score + lost : score));
  search.running = continued.map(({ tokens, score, ends }) => ({ tokens, score: ends ? score + lost : score }));

  const hoped = earlyStopping === "never" && lengthPenalty > 0 ? maxNewTokens : step;
  const reachable = Math.fround(search.running[0]!.score / hoped ** lengthPenalty);
  const worst = Math.min(...search.best.map(({ score }) => score));
  search.open &&= search.best.some(({ finished }) => reachable > (finished ? worst : lost));
  return continued;
}

/** The `count` elements with the highest score, best first; of equal ones the first. */
function highest<T>(elements: readonly T[], count: number, score: (element: T) => number): T[] {
  return [...elements].sort((a, b) => score(b) - score(a)).slice(0, count);
}
