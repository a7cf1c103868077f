import { setImmediate } from "node:timers/promises";
import { noGrad } from "../../autograd.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import type { Device } from "../../types.js";
import { beamSearch } from "./beams.js";
import type { Generation } from "./options.js";
import type { Reader } from "./reader.js";
import { adjust } from "./scores.js";
import type { Tokens } from "./scores.js";

/**
 * Generates, a token at a time; between tokens other work of the event loop runs.
 *
 * @param prompt the tokens that are there already, of each row; all rows have the same number
 * @param open makes the reader: each row of the prompt stands in it so many times, one after the other
 * @returns prompt and new tokens [rows · numReturnSequences, length], int64
 */
export async function generate(prompt: readonly Tokens[], open: (times: number) => Reader, options: Generation, device: Device): Promise<Tensor> {
  const { numBeams, numReturnSequences, padToken } = options;
  const times = numBeams > 1 ? numBeams : numReturnSequences;
  const rows = prompt.flatMap((row) => Array.from({ length: times }, () => [...row]));
  const reader = noGrad(() => open(times));
  const found = await (numBeams > 1 ? beamSearch(rows, reader, options) : follow(rows, reader, options));
  const length = Math.max(...found.map((row) => row.length));
  const padded = found.map((row) => [...row, ...Array<number>(length - row.length).fill(padToken)]);
  return torch.tensor(padded, { dtype: "int64", device });
}

/** One sequence for each row: the most probable token each time, or one that is drawn. */
async function follow(rows: number[][], reader: Reader, options: Generation): Promise<number[][]> {
  const { maxNewTokens, eosTokens, padToken, doSample, generator } = options;
  const prompt = rows[0]!.length;
  const ended = rows.map(() => false);
  for (let step = 0; step < maxNewTokens && !ended.every(Boolean); step++) {
    const chosen = noGrad(() => {
      const scores = adjust(reader.next(rows).to("float32"), rows, prompt, options);
      const next = doSample ? scores.softmax(-1).multinomial(1, { generator }).squeeze(1) : scores.argmax(-1);
      return next.toArray() as number[];
    });
    chosen.forEach((token, i) => {
      rows[i]!.push(ended[i]! ? padToken : token);
      ended[i] ||= eosTokens.includes(token);
    });
    await setImmediate();
  }
  return rows;
}
