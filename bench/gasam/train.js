import { nn, optim, torch } from "../../dist/index.js";
import { median } from "../../dist/statistics.js";

export const settings = { embedding: 32, hidden: 128, batchSize: 32, epochs: 16, maxGradNorm: 1, momentum: 0.9 };

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
 * @returns the last epoch's mean training loss, validation and test loss in nats, and the processor time of a step in ms (median)
 */
export function train(text, { method, base, lr, seed }) {
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
  for (const weight of model.parameters()) weight.dispose();
  return result;
}

