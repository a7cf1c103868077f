import { data, models, torch } from "../../dist/index.js";
import { measureFlatness } from "../experiment/measures.js";
import { evaluate, release, train } from "./training.js";
import { errorRates, spoken, tokens, words } from "./words.js";

export const prepare = (settings) => words(settings);

/**
 * The seed draws the training words, the weights, dropout, and the order of the batches.
 *
 * @returns when tuning, the loss on the validation words in nats per phoneme; else the test loss and error rates too, and flatness on
 *   the first training words
 */
export async function run({ phase, setting, seed }, { method, base, sets, settings }) {
  const { flatness, device, hidden, embedding, dropout, trainWords } = settings;
  const [set] = data.randomSplit(sets.train.set, [trainWords, sets.train.set.length - trainWords], { seed });
  torch.manualSeed(seed);
  const config = {
    sourceVocabSize: sets.letters,
    targetVocabSize: sets.phonemes,
    embeddingSize: embedding,
    hiddenSize: hidden,
    dropout,
    padTokenId: tokens.padding,
    eosTokenId: tokens.end,
    decoderStartTokenId: tokens.start,
  };
  const model = new models.Seq2SeqLSTM(config).to(device);
  const lossOf = (net) => (inputIds, labels) => net.forward({ inputIds, attentionMask: inputIds.ne(tokens.padding), labels }).loss;
  const loss = lossOf(model);
  const options = { ...method, maxGradNorm: 1, ...(setting.rho === null ? {} : { rho: setting.rho }), base: { ...base, lr: setting.lr } };
  const trained = train(model, loss, set, options, { ...settings, warmup: 0.05, seed });
  try {
    if (trained === null) return { validation: null };
    const validation = evaluate(model, sets.validation.set, loss);
    if (phase === "tune") return { validation, ...trained };
    const some = set.slice(0, flatness.samples);
    // On the CPU in double precision: the LSTM's kernels for single precision, and those for GPUs, have no second derivative.
    const precise = new models.Seq2SeqLSTM(config);
    precise.loadStateDict(model.stateDict());
    precise.to("float64");
    const measured = await measureFlatness(model, loss, some, flatness, { model: precise, loss: lossOf(precise), set: some.to("cpu") });
    release(precise);
    return { validation, ...trained, test: evaluate(model, sets.test.set, loss), ...(await errorsOn(model, sets)), ...measured };
  } finally {
    release(model);
  }
}

/** Of the test words, written greedily. */
async function errorsOn(model, { test, phonemeNames }) {
  const [inputIds, phonemes] = test.set.tensors;
  model.eval();
  const written = await model.generate({ inputIds, attentionMask: inputIds.ne(tokens.padding) }, { maxNewTokens: phonemes.shape[1] });
  model.train();
  return errorRates(test.items, written.toArray().map((row) => spoken(row, phonemeNames)));
}
