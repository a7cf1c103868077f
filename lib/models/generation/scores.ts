import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import type { Generation } from "./options.js";

// What changes the scores of the next token, in Hugging Face's order.

/** A sequence so far. */
export type Tokens = readonly number[];

/**
 * The scores of the next token after all rules.
 *
 * @param scores logits or log-probabilities [rows, vocabulary], float32
 * @param rows the tokens so far of each row
 * @param prompt how many of them were given
 */
export function adjust(scores: Tensor, rows: readonly Tokens[], prompt: number, options: Generation): Tensor {
  let result = ban(scores, forbidden(rows, prompt, options));
  if (!options.doSample) return result;
  const least = options.numBeams > 1 ? options.eosTokens.length + 1 : 1; // that many stay in any case
  if (options.temperature !== 1) result = result.div(options.temperature);
  if (options.topK > 0) result = keepTopK(result, Math.max(options.topK, least));
  if (options.topP < 1) result = keepTopP(result, options.topP, least);
  return result;
}

/** The tokens that may not come next, of each row. */
function forbidden(rows: readonly Tokens[], prompt: number, { noRepeatNgramSize, minNewTokens, eosTokens }: Generation): number[][] {
  return rows.map((row) => [
    ...(noRepeatNgramSize > 0 ? repeats(row, noRepeatNgramSize) : []),
    ...(row.length - prompt < minNewTokens ? eosTokens : []),
  ]);
}

/** The tokens that would complete a sequence of `size` tokens that is there already. */
function repeats(row: Tokens, size: number): number[] {
  const last = row.slice(row.length - size + 1);
  const found: number[] = [];
  for (let start = 0; start + size <= row.length; start++) {
    if (last.every((token, i) => token === row[start + i])) found.push(row[start + size - 1]!);
  }
  return found;
}

function ban(scores: Tensor, tokens: readonly number[][]): Tensor {
  const places = tokens.flatMap((row, i) => row.map((token) => [i, token] as const));
  if (places.length === 0) return scores;
  const index = (of: 0 | 1) => torch.tensor(places.map((place) => place[of]), { dtype: "int64", device: scores.device });
  const value = torch.tensor(-Infinity, { dtype: scores.dtype, device: scores.device });
  return scores.indexPut([index(0), index(1)], value);
}

function keepTopK(scores: Tensor, k: number): Tensor {
  const [values] = scores.topk(Math.min(k, scores.shape[1]!));
  return scores.maskedFill(scores.lt(values.narrow(1, -1, 1)), -Infinity);
}

function keepTopP(scores: Tensor, p: number, least: number): Tensor {
  const [sorted, order] = scores.sort(-1); // ascending: what may go comes first
  const dropped = sorted.softmax(-1).cumsum(-1).le(1 - p);
  const vocabulary = scores.shape[1]!;
  const kept = Math.min(least, vocabulary);
  const goes = torch.cat([dropped.narrow(1, 0, vocabulary - kept), torch.zerosLike(dropped.narrow(1, 0, kept))], 1);
  return scores.maskedFill(goes.scatter(1, order, goes), -Infinity);
}
