import { checkInteger, checkShare } from "../../checks.js";
import { checkKeys, expected, expectedTensor } from "../../errors.js";
import type { Generator } from "../../random.js";
import { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { padSequences } from "./sequences.js";

/** How much of a text is hidden, and in spans of what length. */
export interface SpanCorruptionOptions {
  /** The sentinel of the first span, <extra_id_0>; the others are the numbers below it. T5: 32099. */
  firstSentinelId: number;
  /** Ends inputs and labels. T5: 1. */
  eosTokenId: number;
  /** Fills shorter inputs; default 0. */
  padTokenId?: number;
  /** The share of tokens that is taken out; default 0.15. */
  noiseDensity?: number;
  /** Tokens in a span on average; default 3. */
  meanSpanLength?: number;
}

/** What T5 reads and writes: int64 [sequences, tokens]. */
export interface CorruptedBatch {
  inputIds: Tensor;
  /** 1 for tokens and 0 for padding. */
  attentionMask: Tensor;
  /** -100 for padding. */
  labels: Tensor;
}

/** How many tokens of a sequence are taken out, and in how many spans. */
function noiseOf(length: number, density: number, mean: number): { tokens: number; spans: number } {
  const tokens = Math.min(Math.max(halfToEven(length * density), 1), length - 1);
  const spans = Math.max(halfToEven(tokens / mean), 1);
  return { tokens, spans: Math.min(spans, tokens, length - tokens) };
}

/** As Python and NumPy round. */
function halfToEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}

/** Lengths of `count` segments of at least one that make up `total`: every choice of borders is as likely. */
function segments(total: number, count: number, generator: Generator | undefined): number[] {
  const borders = torch.scope(() => torch.randperm(total - 1, { dtype: "int64", ...(generator === undefined ? {} : { generator }) }).toArray() as number[]);
  const ends = [...borders.slice(0, count - 1).map((border) => border + 1).sort((a, b) => a - b), total];
  return ends.map((end, i) => end - (ends[i - 1] ?? 0));
}

/**
 * Span corruption as T5 learns it (arXiv 1910.10683, section 3.1.4): spans of tokens are taken out; a sentinel stands for each in the
 * inputs, and the labels tell what was there. As in T5's own code, the number of tokens and of spans depends on the length alone, text
 * and spans take turns beginning with text, and their lengths are drawn evenly from all that are possible.
 *
 * Inputs: text <extra_id_0> text <extra_id_1> … </s>. Labels: <extra_id_0> span <extra_id_1> span … </s>.
 *
 * @returns a function of a batch and a generator, as a loader takes it for `transform`. The batch: int64 [sequences, tokens] without
 * padding, alone or first in an array; or arrays of tokens, without special ones
 * @throws SteppeError `ARGUMENT` for sequences of less than 2 tokens, and for more spans than there are sentinels above 0
 * @example
 * const length = data.spanCorruptionLength(512); // tokens of text for 512 of inputs
 * const batches = data.loader(data.blocks(documents, length), { batchSize: 16, shuffle: true, transform: data.corruptSpans({ firstSentinelId: 32099, eosTokenId: 1 }) });
 */
export function corruptSpans(options: SpanCorruptionOptions): (batch: Tensor | readonly [Tensor, ...Tensor[]] | readonly (readonly number[])[], generator?: Generator) => CorruptedBatch {
  if (typeof options !== "object" || options === null) throw expected("an object with firstSentinelId and eosTokenId", "options", options);
  checkKeys(options, ["firstSentinelId", "eosTokenId", "padTokenId", "noiseDensity", "meanSpanLength"]);
  const { firstSentinelId, eosTokenId, padTokenId = 0 } = options;
  for (const [name, value] of Object.entries({ firstSentinelId, eosTokenId, padTokenId })) checkInteger(value, name, 0);
  const { density, mean } = readNoise(options);
  return (batch, generator) => {
    const inputs: number[][] = [];
    const labels: number[][] = [];
    for (const row of rowsOf(batch)) {
      if (row.length < 2) throw expected("at least 2 tokens in each sequence", "batch", row.length);
      const { tokens, spans } = noiseOf(row.length, density, mean);
      if (spans > firstSentinelId + 1) throw expected(`at most ${firstSentinelId + 1} spans, one for each sentinel`, "batch", spans);
      const noise = segments(tokens, spans, generator);
      const text = segments(row.length - tokens, spans, generator);
      const [read, told]: [number[], number[]] = [[], []];
      let at = 0;
      for (let i = 0; i < spans; i++) {
        const sentinel = firstSentinelId - i;
        const border = at + text[i]!;
        read.push(...row.slice(at, border), sentinel);
        at = border + noise[i]!;
        told.push(sentinel, ...row.slice(border, at));
      }
      inputs.push([...read, eosTokenId]);
      labels.push([...told, eosTokenId]);
    }
    return { ...padSequences(inputs, { padTokenId }), labels: padSequences(labels, { padTokenId: -100 }).inputIds };
  };
}

/**
 * How many tokens of text become at most `inputLength` tokens of inputs by {@link corruptSpans}: T5's blocks of text for inputs of 512 have
 * 568 tokens, and labels of 114.
 */
export function spanCorruptionLength(inputLength: number, options: Pick<SpanCorruptionOptions, "noiseDensity" | "meanSpanLength"> = {}): number {
  checkInteger(inputLength, "inputLength", 3);
  checkKeys(options, ["noiseDensity", "meanSpanLength"]);
  const { density, mean } = readNoise(options);
  const inputsOf = (length: number) => {
    const { tokens, spans } = noiseOf(length, density, mean);
    return length - tokens + spans + 1;
  };
  // It never falls as texts get longer.
  let [fits, beyond] = [2, 4];
  while (inputsOf(beyond) <= inputLength) [fits, beyond] = [beyond, 2 * beyond];
  if (beyond > Number.MAX_SAFE_INTEGER) throw expected("a length that texts of less than 2⁵³ tokens have", "inputLength", inputLength);
  while (beyond - fits > 1) {
    const middle = Math.floor((fits + beyond) / 2);
    if (inputsOf(middle) <= inputLength) fits = middle;
    else beyond = middle;
  }
  return fits;
}

function readNoise({ noiseDensity = 0.15, meanSpanLength = 3 }: { noiseDensity?: number; meanSpanLength?: number }): { density: number; mean: number } {
  checkShare(noiseDensity, "noiseDensity");
  if (noiseDensity === 0 || noiseDensity === 1) throw expected("a number between 0 and 1", "noiseDensity", noiseDensity);
  if (typeof meanSpanLength !== "number" || !(meanSpanLength >= 1) || meanSpanLength === Infinity) throw expected("a number of at least 1", "meanSpanLength", meanSpanLength);
  return { density: noiseDensity, mean: meanSpanLength };
}

function rowsOf(batch: unknown): number[][] {
  const first = Array.isArray(batch) && batch[0] instanceof Tensor ? batch[0] : batch;
  if (first instanceof Tensor) {
    if (first.dim() !== 2 || !/int/.test(first.dtype)) throw expectedTensor("integers of two dimensions", "batch", first);
    return first.toArray() as number[][];
  }
  if (!Array.isArray(first) || !first.every((row) => Array.isArray(row))) throw expected("a tensor or arrays of tokens", "batch", batch);
  return first as number[][];
}
