import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { createHash } from "node:crypto";
import { data, io, models, nn, torch } from "../../dist/index.js";
import { tokens } from "./mails.js";
import { release, train } from "./training.js";

/**
 * The weights of a BERT that was trained to tell hidden words: made once and kept in a file, whose name tells the settings.
 *
 * @param config of the BERT
 * @param windows tokens [M, length]
 * @param settings of the training: `epochs`, `batchSize`, `lr`, `hidden` (the share of words to be told, as 0.15), `seed`
 * @returns the encoder's weights by name
 */
export function pretrained(config, windows, settings, folder) {
  const key = createHash("sha256").update(JSON.stringify([config, settings, [...windows.shape]])).digest("hex").slice(0, 12);
  const file = `${folder}/bert-${key}.safetensors`;
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true });
    io.saveSafetensors(file, pretrain(config, windows, settings));
  }
  return io.loadSafetensors(file);
}

function pretrain(config, windows, { epochs, batchSize, lr, hidden, seed }) {
  torch.manualSeed(seed);
  const model = new models.BertForMaskedLM(config).to(windows.device);
  const count = Math.max(1, Math.round(hidden * (windows.shape[1] - 1)));
  // Hidden words are drawn anew for each epoch, and all epochs are one long one.
  const [shown, places, words] = hide(windows.repeat([epochs, 1]), count, config.vocabSize);
  const loss = (inputIds, places, words) => {
    const { lastHiddenState: states } = model.bert.forward({ inputIds, attentionMask: inputIds.ne(tokens.padding) });
    const chosen = states.gather(1, places.unsqueeze(2).expand([-1, -1, config.hiddenSize])); // only what is to be told: [batch, count, hidden]
    return nn.functional.crossEntropy(model.cls.predictions.forward(chosen).flatten(0, 1), words.flatten());
  };
  const options = { method: "none", maxGradNorm: 1, base: { name: "adamw", lr } };
  const { trainLoss } = train(model, loss, new data.TensorDataset(shown, places, words), options, { epochs: 1, batchSize, warmup: 0.1, seed });
  console.error(`masked-language training: ${trainLoss.toFixed(3)} nats per hidden word over the whole of it`);
  const weights = Object.fromEntries(Object.entries(model.bert.stateDict()).map(([name, weight]) => [name, weight.cpu().clone()]));
  release(model);
  return weights;
}

/**
 * Draws so many words of each window to be told: eight in ten of them are hidden, one is another word, one stays.
 *
 * @returns the windows as they are shown [M, length], and of the words to be told places and tokens [M, count]
 */
function hide(windows, count, vocabulary) {
  return torch.scope(() => {
    const draw = torch.rand(windows.shape).to(windows.device).maskedFill(windows.le(tokens.start), -1); // words only
    const [, places] = draw.topk(count, 1);
    const words = windows.gather(1, places);
    const how = torch.rand(words.shape).to(windows.device);
    const others = torch.randint(tokens.mask + 1, vocabulary, [...words.shape], { dtype: "int64" }).to(windows.device);
    const shown = torch.where(how.lt(0.8), torch.fullLike(words, tokens.mask), torch.where(how.lt(0.9), others, words));
    return [windows.scatter(1, places, shown), places, words];
  });
}
