// A small BERT tells spam from other mail by its words, learning from 800 mails of which every fifth has the wrong label:
// AdamW beside SAM on AdamW, whose ascent takes a quarter of each batch.
//
//     npm run example text-classifier
//
// Expected: about 84.8 % of 1,228 other mails told right with SAM, and 78.6 % with AdamW, after a minute. AdamW alone
// with 5 epochs comes to 87.7 %: SAM learns the wrong labels later.
import { data, models, optim, torch } from "steppe";
import type { Tensor } from "steppe";

const settings = {
  train: 800, wrongLabels: 0.2, words: 32, vocabulary: 4000,
  hidden: 64, layers: 2, heads: 4,
  epochs: 8, batchSize: 32, lr: 1e-3, rho: 0.1, ascentFraction: 0.25, seeds: [0, 1, 2],
};

interface Mail {
  words: string[];
  /** 1 for spam. */
  label: number;
}

const [padding, unknown, start] = [0, 1, 2]; // tokens; words come after them

/** The first words of mails that have at least ten; without tags. */
function mailsOf(mails: readonly data.Mail[]): Mail[] {
  const wordsOf = (text: string) => (text.replace(/<[^>]*>/g, " ").toLowerCase().match(/[a-z]{2,}|[$!?%]/g) ?? []).slice(0, settings.words);
  return mails.map(({ text, label }) => ({ words: wordsOf(text), label })).filter(({ words }) => words.length >= 10);
}

const spam = await data.spamAssassin();
const [mails, others] = [mailsOf(spam.train), mailsOf([...spam.validation, ...spam.test])];

/** Numbers of words, by how often these mails have them; words that come once are left out. */
function vocabularyOf(mails: readonly Mail[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of mails.flatMap(({ words }) => words)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const common = [...counts].filter(([, count]) => count > 1).sort(([, a], [, b]) => b - a).slice(0, settings.vocabulary);
  return new Map(common.map(([word], i) => [word, start + 1 + i]));
}

/** inputIds and attentionMask [N, words + 1], labels [N]. */
function encode(mails: readonly Mail[], vocabulary: ReadonlyMap<string, number>): data.TensorDataset<[Tensor, Tensor, Tensor]> {
  const rows = mails.map(({ words }) => [start, ...words.map((word) => vocabulary.get(word) ?? unknown)]);
  const inputIds = torch.tensor(rows.map((row) => [...row, ...Array<number>(settings.words + 1 - row.length).fill(padding)]), { dtype: "int64" });
  return new data.TensorDataset(inputIds, inputIds.ne(padding).to("int64"), torch.tensor(mails.map(({ label }) => label)));
}

/** Trains a fresh model and returns the share of the test mails that it tells right, in percent. `rho: 0` is AdamW alone. */
async function accuracy(rho: number, seed: number): Promise<number> {
  torch.manualSeed(seed);
  const shuffled = (torch.randperm(mails.length).toArray() as number[]).map((i) => mails[i]!);
  const wrong = torch.rand([settings.train]).lt(settings.wrongLabels).toArray() as boolean[];
  const train = shuffled.slice(0, settings.train).map((mail, i) => (wrong[i]! ? { ...mail, label: 1 - mail.label } : mail));
  const vocabulary = vocabularyOf(train);

  const { hidden, layers, heads, batchSize, epochs, lr, ascentFraction } = settings;
  const model = new models.BertForSequenceClassification({
    vocabSize: start + 1 + vocabulary.size,
    hiddenSize: hidden,
    numHiddenLayers: layers,
    numAttentionHeads: heads,
    intermediateSize: 2 * hidden,
    maxPositionEmbeddings: settings.words + 1,
  });
  const batches = data.loader(encode(train, vocabulary), { batchSize, shuffle: true, seed, dropLast: true });
  const optimizer = optim.create(model, {
    method: "sam",
    rho,
    ascentFraction,
    base: { name: "adamw", lr },
    lrSchedule: { name: "cosine", totalSteps: epochs * batches.length },
  });
  const step = optimizer.compile((inputIds: Tensor, attentionMask: Tensor, labels: Tensor) => model.forward({ inputIds, attentionMask, labels }).loss);
  for (let epoch = 0; epoch < epochs; epoch++) for await (const batch of batches) await step(...batch);

  const [inputIds, attentionMask, labels] = encode(others, vocabulary).tensors;
  const { logits } = torch.noGrad(() => model.eval().forward({ inputIds, attentionMask }));
  return 100 * Number(logits.argmax(1).eq(labels).to("float32").mean().item());
}

torch.setNumThreads(1); // all that a small network uses
const mean = (values: readonly number[]) => (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(1);
const [adamw, sam]: [number[], number[]] = [[], []];
for (const seed of settings.seeds) {
  adamw.push(await accuracy(0, seed));
  sam.push(await accuracy(settings.rho, seed));
  console.log(`seed ${seed}: AdamW ${adamw.at(-1)!.toFixed(1)} %, SAM ${sam.at(-1)!.toFixed(1)} %`);
}
console.log(`test accuracy ${mean(sam)} % with SAM, ${mean(adamw)} % with AdamW`);
