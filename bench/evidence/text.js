import { data, models, torch } from "../../dist/index.js";
import { fileURLToPath } from "node:url";
import { classify } from "./classifier.js";
import { mails, tokens } from "./mails.js";
import { pretrained } from "./pretraining.js";
import { evaluate } from "./training.js";

/** The mails, and the weights that every fine-tuning begins with. */
export async function prepare(settings) {
  const sets = await mails(settings);
  const { hidden, layers, heads, words } = settings;
  const config = {
    vocabSize: sets.vocabulary,
    hiddenSize: hidden,
    numHiddenLayers: layers,
    numAttentionHeads: heads,
    intermediateSize: 4 * hidden,
    maxPositionEmbeddings: words + 1,
    padTokenId: tokens.padding,
  };
  const folder = fileURLToPath(new URL("../../.cache/evidence", import.meta.url));
  return { ...sets, config, encoder: pretrained(config, sets.windows, settings.pretraining, folder) };
}

/**
 * The task is the share of the training mails in percent; the seed draws these, the classifier's weights, dropout, and the order of the batches.
 *
 * @returns when tuning, the loss on the validation mails; else test accuracy and loss too, and flatness on the first training mails
 */
export async function run({ phase, task, setting, seed }, { method, base, sets, settings }) {
  const { flatness } = settings;
  const drawn = data.fractionPerClass(sets.train, { fraction: Number(task) / 100, seed });
  const [set] = data.randomSplit(drawn, [drawn.length], { seed });
  torch.manualSeed(seed);
  const model = new models.BertForSequenceClassification(sets.config);
  model.bert.loadStateDict({ ...model.bert.stateDict(), ...sets.encoder });
  model.to(settings.device);
  const read = (inputIds, more) => model.forward({ inputIds, attentionMask: inputIds.ne(tokens.padding), ...more });
  const loss = (inputIds, labels) => read(inputIds, { labels }).loss;
  const correct = (inputIds, labels) => read(inputIds).logits.argmax(1).eq(labels).to("float32").mean();
  const options = { ...method, maxGradNorm: 1, ...(setting.rho === null ? {} : { rho: setting.rho }), base: { ...base, lr: setting.lr } };
  const training = { epochs: settings.epochs[task], batchSize: settings.batchSize, warmup: 0.1, seed };
  const validate = (validation) => evaluate(model, validation, loss);
  // Attention step by step: its fused kernel has no second derivative.
  const curvature = { model, loss: (inputIds, labels) => read(inputIds, { labels, outputAttentions: true }).loss };
  return classify(model, { phase, loss, correct, options, training, validate, flatness, curvature }, { ...sets, train: set });
}
