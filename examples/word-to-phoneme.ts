// How English words are spoken: a small LSTM with attention reads letters and writes phonemes, trained by SAM on 4,000 words of the
// CMU Pronouncing Dictionary.
//
//     npm run example word-to-phoneme
//
// Expected: about 15.7 % of the phonemes of 500 other words wrong, after ten seconds; with `rho: 0`, which is plain Adam, about as many.
import { data, metrics, models, optim, torch } from "steppe";
import type { Tensor } from "steppe";

const settings = { words: 4000, test: 500, longest: 10, embedding: 32, hidden: 64, epochs: 6, batchSize: 32, rho: 0.05, lr: 5e-3, seed: 0 };

torch.setNumThreads(1); // a network this small gains nothing from more
torch.manualSeed(settings.seed);
const dictionary = await data.cmudict({ stress: false }); // { word: "TOMATO", phonemes: ["T", "AH", "M", "EY", "T", "OW"], pronunciations }
const letters = new data.Vocabulary(["<pad>", ...dictionary.graphemes]);
const special = ["<pad>", "</s>"];
const phonemes = new data.Vocabulary([...special, ...dictionary.phonemes]);

/** Every n-th of the words that are short: the dictionary is in alphabetical order. */
function some(items: readonly data.Pronunciation[], count: number): data.Pronunciation[] {
  const short = items.filter(({ word, phonemes }) => word.length <= settings.longest && phonemes.length <= settings.longest);
  return short.filter((_, i) => Math.floor((i * count) / short.length) > Math.floor(((i - 1) * count) / short.length));
}
const [train, test] = [some(dictionary.train, settings.words), some(dictionary.test, settings.test)];

/** inputIds and attentionMask [words, letters], labels [words, phonemes + 1]. All batches are of one length: one program is recorded. */
function collate(items: readonly data.Pronunciation[]) {
  const source = data.padSequences(items.map(({ word }) => letters.encode(word)), { padToMultipleOf: settings.longest });
  const target = data.padSequences(items.map((item) => phonemes.encode([...item.phonemes, "</s>"])), { padTokenId: -100, padToMultipleOf: settings.longest + 1 });
  return { ...source, labels: target.inputIds };
}

const model = new models.Seq2SeqLSTM({
  sourceVocabSize: letters.size,
  targetVocabSize: phonemes.size,
  embeddingSize: settings.embedding,
  hiddenSize: settings.hidden,
  eosTokenId: phonemes.idOf("</s>"),
});

const batches = data.loader(train, { batchSize: settings.batchSize, shuffle: true, seed: settings.seed, dropLast: true, collate });
const optimizer = optim.create(model, {
  method: "sam",
  rho: settings.rho,
  maxGradNorm: 1,
  base: { name: "adam", lr: settings.lr },
  lrSchedule: { name: "cosine", totalSteps: settings.epochs * batches.length },
});
const step = optimizer.compile((inputIds: Tensor, attentionMask: Tensor, labels: Tensor) => model.forward({ inputIds, attentionMask, labels }).loss);
for (let epoch = 1; epoch <= settings.epochs; epoch++) {
  let sum = 0;
  for await (const { inputIds, attentionMask, labels } of batches) sum += (await step(inputIds, attentionMask, labels)).loss;
  if (epoch % 3 === 0) console.log(`epoch ${epoch}: training loss ${(sum / batches.length).toFixed(3)}`);
}

const { inputIds, attentionMask } = collate(test);
const written = await model.eval().generate({ inputIds, attentionMask }, { maxNewTokens: settings.longest + 1 }); // [words, phonemes]
const spoken = (written.toArray() as number[][]).map((ids) => phonemes.decode(ids).filter((phoneme) => !special.includes(phoneme)));
const errors = new metrics.ErrorRate();
errors.update(spoken, test.map(({ pronunciations }) => pronunciations));
for (const i of [100, 200, 300]) console.log(`${test[i]!.word}: ${spoken[i]!.join(" ")}`);
console.log(`phoneme error rate ${(100 * errors.compute()).toFixed(1)} %`);
