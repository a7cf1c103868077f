import { data, nn, optim, torch } from "../../dist/index.js";
import { median } from "../../dist/statistics.js";
import { measureFlatness } from "../experiment/measures.js";

export const settings = { embedding: 32, hidden: 128, batchSize: 32, epochs: 16, maxGradNorm: 1, momentum: 0.9 };

/** Where flatness is measured: the first training windows; the eigenvalue on the first part of them. */
export const flatness = { samples: 128, rho: 1, adaptiveRho: 0.5, shard: 16, parts: 8, lanczos: 20 };

class CharacterModel extends nn.Module {
  constructor(vocabulary) {
    super();
    this.embedding = new nn.Embedding(vocabulary, settings.embedding);
    this.lstm = new nn.LSTM(settings.embedding, settings.hidden, { batchFirst: true });
    this.head = new nn.Linear(settings.hidden, vocabulary);
  }

  /** Mean cross-entropy in nats of a character given those before it in its window; both int64 [batch, windowLength]. */
  loss(inputs, targets) {
    const [states] = this.lstm.forward(this.embedding.forward(inputs));
    return nn.functional.crossEntropy(this.head.forward(states).flatten(0, 1), targets.flatten());
  }
}

/**
 * One training: the seed draws the weights and the order of the windows, the learning rate falls to 0 along half a cosine.
 *
 * @returns the last epoch's mean training loss, validation and test loss in nats, and the processor time of a step in ms (median);
 *   with `flat`, flatness, too
 */
export async function train(text, { method, base, lr, seed, flat }) {
  torch.manualSeed(seed);
  const model = new CharacterModel(text.vocabulary);
  const { batchSize, epochs, maxGradNorm, momentum } = settings;
  const optimizer = optim.create(model, { ...method, maxGradNorm, base: { name: base, lr, ...(base === "sgd" ? { momentum } : {}) } });
  const step = optimizer.compile((inputs, targets) => model.loss(inputs, targets));
  const windows = text.train.inputs.shape[0];
  const perEpoch = Math.floor(windows / batchSize);
  const costs = [];
  let trainLoss = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    trainLoss = 0;
    torch.scope(() => {
      const order = torch.randperm(windows);
      for (let i = 0; i < perEpoch; i++) {
        const chosen = order.narrow(0, i * batchSize, batchSize);
        const batch = [text.train.inputs, text.train.targets].map((all) => all.indexSelect(0, chosen));
        optimizer.lr = 0.5 * lr * (1 + Math.cos((Math.PI * costs.length) / (epochs * perEpoch)));
        const start = process.cpuUsage();
        trainLoss += step.sync(...batch).loss / perEpoch;
        const { user, system } = process.cpuUsage(start);
        costs.push((user + system) / 1000);
      }
    });
  }
  const lossOn = ({ inputs, targets }) => torch.noGrad(() => torch.scope(() => model.loss(inputs, targets).item()));
  const result = { trainLoss, validation: lossOn(text.validation), test: lossOn(text.test), msPerStep: median(costs) };
  if (flat) Object.assign(result, await flatnessOf(model, text));
  for (const weight of model.parameters()) weight.dispose();
  return result;
}

/** The eigenvalue in double precision: LSTM's kernel for single precision has no second derivative. */
async function flatnessOf(model, { train: { inputs, targets }, vocabulary }) {
  const { samples, shard } = flatness;
  const precise = new CharacterModel(vocabulary);
  precise.loadStateDict(model.stateDict());
  precise.to("float64");
  const lossOf = (net) => (x, y) => net.loss(x, y);
  const set = new data.TensorDataset(inputs.slice(0, 0, samples), targets.slice(0, 0, samples));
  const measured = await measureFlatness(model, lossOf(model), set, flatness, { model: precise, loss: lossOf(precise), set: set.slice(0, shard) });
  for (const weight of precise.parameters()) weight.dispose();
  return measured;
}

