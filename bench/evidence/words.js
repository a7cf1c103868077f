import { data, metrics, torch } from "../../dist/index.js";

// Letters and phonemes as tokens: padding, the end of a word, the start of what is written; letters or phonemes come after them.
export const tokens = { padding: 0, end: 1, start: 2 };
const first = 3;

/**
 * CMUdict's words of three to `longest` letters and as many phonemes at most, without stress: some of each part, drawn once.
 *
 * @param sizes `train` (what seeds draw from), `validation`, `test`: how many words of each part
 * @returns of each part `items` and a TensorDataset of letters [N, longest] and phonemes [N, longest + 1] (int64; -100 after the end);
 *   `letters`, `phonemes`: how many tokens there are
 */
export async function words({ longest, sizes, device }) {
  const dictionary = await data.cmudict({ stress: false });
  const letterIds = new Map(dictionary.graphemes.map((letter, i) => [letter, first + i]));
  const phonemeIds = new Map(dictionary.phonemes.map((phoneme, i) => [phoneme, first + i]));
  const fits = ({ word, phonemes }) => /^[A-Z]+$/.test(word) && word.length >= 3 && word.length <= longest && phonemes.length <= longest;
  const filled = (ids, length, filling) => [...ids, ...Array(length - ids.length).fill(filling)];
  const matrix = (rows) => torch.tensor(BigInt64Array.from(rows.flat(), BigInt), { dtype: "int64" }).view([rows.length, rows[0].length]).to(device);
  const part = (name) => {
    const all = dictionary[name].filter(fits);
    const generator = new torch.Generator().manualSeed(0);
    const order = torch.scope(() => torch.randperm(all.length, { generator, dtype: "int64" }).toArray()).slice(0, sizes[name]);
    const items = order.map((i) => all[Number(i)]);
    const letters = matrix(items.map(({ word }) => filled([...word].map((letter) => letterIds.get(letter)), longest, tokens.padding)));
    const phonemes = matrix(items.map((item) => filled([...item.phonemes.map((phoneme) => phonemeIds.get(phoneme)), tokens.end], longest + 1, -100)));
    return { items, set: new data.TensorDataset(letters, phonemes) };
  };
  const parts = { train: part("train"), validation: part("validation"), test: part("test") };
  return { ...parts, phonemeNames: dictionary.phonemes, letters: first + letterIds.size, phonemes: first + phonemeIds.size };
}

/** What was written, as phonemes: up to the end token. */
export function spoken(row, phonemeNames) {
  const ids = row.slice(1).map(Number);
  const end = ids.indexOf(tokens.end);
  return (end < 0 ? ids : ids.slice(0, end)).map((id) => phonemeNames[id - first] ?? "");
}

/**
 * Phoneme and word error rates, in percent: a word is right if it is one of its pronunciations.
 *
 * @param guesses a list of phonemes for each item
 */
export function errorRates(items, guesses) {
  const phonemes = new metrics.ErrorRate();
  phonemes.update(guesses, items.map(({ pronunciations }) => pronunciations));
  const isRight = ({ pronunciations }, i) => pronunciations.some((right) => right.join(" ") === guesses[i].join(" "));
  return { phonemeErrors: 100 * phonemes.compute(), wordErrors: 100 * (1 - items.filter(isRight).length / items.length) };
}
