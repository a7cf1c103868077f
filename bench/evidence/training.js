import { optim, torch } from "../../dist/index.js";
import { median } from "../../dist/statistics.js";

/**
 * One training: batches in an order that the seed decides, the learning rate falls to 0 along half a cosine after a linear warm-up.
 *
 * @param model initialised already
 * @param loss the mean over a batch, of the set's tensors
 * @param set a TensorDataset on the model's device
 * @param options of `optim.create` without the schedule
 * @param settings `epochs`, `batchSize`, `warmup` as a share of the steps (0), `seed`
 * @returns the last epoch's mean training loss, and the cost of a step in ms (median): processor time on the CPU, else elapsed time;
 *   null if training diverged
 */
export function train(model, loss, set, options, { epochs, batchSize, warmup = 0, seed }) {
  const perEpoch = Math.floor(set.length / batchSize);
  const totalSteps = epochs * perEpoch;
  const lrSchedule = { name: "cosine", totalSteps, warmupSteps: Math.round(warmup * totalSteps) };
  const optimizer = optim.create(model, { ...options, lrSchedule });
  const step = optimizer.compile(loss);
  const generator = new torch.Generator().manualSeed(seed);
  const elapsed = set.tensors[0].device === "cpu" ? processorTime : () => performance.now();
  const costs = [];
  let trainLoss = 0;
  try {
    for (let epoch = 0; epoch < epochs; epoch++) {
      trainLoss = 0;
      torch.scope(() => {
        const order = torch.randperm(set.length, { generator, dtype: "int64" });
        for (let i = 0; i < perEpoch; i++) {
          torch.scope(() => {
            const batch = set.batch(order.narrow(0, i * batchSize, batchSize));
            const start = elapsed();
            trainLoss += step.sync(...batch).loss / perEpoch;
            costs.push(elapsed() - start);
          });
        }
      });
    }
  } catch (error) {
    if (error.code !== "NON_FINITE") throw error;
    return null;
  }
  return { trainLoss, msPerStep: median(costs) };
}

/** Of all threads of the process, in ms. */
function processorTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Mean over a set of what `measure` says of a batch, in evaluation mode, without gradients. */
export function evaluate(model, set, measure, batchSize = 500) {
  model.eval();
  let sum = 0;
  torch.noGrad(() => {
    for (let from = 0; from < set.length; from += batchSize) {
      const part = set.slice(from, Math.min(from + batchSize, set.length));
      sum += part.length * torch.scope(() => measure(...part.tensors).item());
    }
  });
  model.train();
  return sum / set.length;
}

/** Gives a model's memory back at once. */
export function release(model) {
  for (const weight of model.parameters()) weight.dispose();
}
