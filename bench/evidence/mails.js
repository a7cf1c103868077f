import { data, torch } from "../../dist/index.js";

// Mails as tokens: padding, an unknown word, the start of a text, a hidden word; words come after them, the most frequent first.
export const tokens = { padding: 0, unknown: 1, start: 2, mask: 3 };
const firstWord = 4;

const wordsOf = (text) => text.replace(/<[^>]*>/g, " ").toLowerCase().match(/[a-z]{2,}|[$!?%]/g) ?? [];

/**
 * SpamAssassin's mails without their headers, which would give the answer away: the first words of each.
 * Mails of fewer than ten words are left out. With `every` n, each n-th mail.
 *
 * @returns `train`, `validation`, `test`: TensorDatasets of tokens [N, words + 1] and labels [N], 1 for spam; `windows`: as many
 *   `pieces` from the beginning of each training mail, tokens [M, words + 1]; `vocabulary`: how many tokens there are
 */
export async function mails({ words, vocabulary, pieces, device, every = 1 }) {
  const parts = await data.spamAssassin();
  const read = (part) => part.filter((_, i) => i % every === 0).map(({ text, label }) => ({ words: wordsOf(text), label })).filter((mail) => mail.words.length >= 10);
  const [train, validation, test] = [read(parts.train), read(parts.validation), read(parts.test)];
  const counts = new Map();
  for (const word of train.flatMap((mail) => mail.words)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const common = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, vocabulary - firstWord);
  const ids = new Map(common.map(([word], i) => [word, firstWord + i]));
  const row = (some) => [tokens.start, ...some.map((word) => ids.get(word) ?? tokens.unknown), ...Array(words - some.length).fill(tokens.padding)];
  const matrix = (rows) => torch.tensor(BigInt64Array.from(rows.flat(), BigInt), { dtype: "int64" }).view([rows.length, words + 1]).to(device);
  const set = (some) =>
    new data.TensorDataset(matrix(some.map((mail) => row(mail.words.slice(0, words)))), torch.tensor(some.map(({ label }) => label), { dtype: "int64" }).to(device));
  const windows = train.flatMap((mail) => Array.from({ length: pieces }, (_, i) => mail.words.slice(i * words, (i + 1) * words)));
  return {
    train: set(train),
    validation: set(validation),
    test: set(test),
    windows: matrix(windows.filter((window) => window.length >= 10).map(row)),
    vocabulary: firstWord + common.length,
  };
}
