import { data, metrics, nn, optim, torch } from "../../lib/index.js";
import type { Tensor, train } from "../../lib/index.js";

// A run of seconds: 60 points in the plane, in three classes that a small net can tell apart; eight batches a pass.

export function points() {
  const generator = new torch.Generator().manualSeed(3);
  const labels = torch.arange(60, { dtype: "int64" }).remainder(3) as Tensor;
  const centres = torch.tensor([[2, 0], [-2, 1], [0, -2]]);
  return new data.TensorDataset(centres.indexSelect(0, labels).add(torch.randn([60, 2], { generator })), labels);
}

export class Net extends nn.Module {
  fc1 = new nn.Linear(2, 16);
  norm = new nn.BatchNorm1d(16);
  drop = new nn.Dropout(0.2);
  fc2 = new nn.Linear(16, 3);
  forward(x: Tensor) {
    return this.fc2.forward(this.drop.forward(nn.functional.relu(this.norm.forward(this.fc1.forward(x)))));
  }
}

export type Batch = readonly [Tensor, Tensor];

/** Everything that a run starts from, the same each time. */
export function start(options: Partial<optim.OptimizerOptions> = {}) {
  torch.manualSeed(0);
  const model = new Net();
  const optimizer = optim.create(model, { method: "sam", rho: 0.05, base: { name: "adamw", lr: 0.01 }, lrSchedule: { name: "cosine", totalSteps: 40 }, ...options } as optim.OptimizerOptions) as optim.Optimizer;
  const set = points();
  return {
    model,
    optimizer,
    loss: (x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y),
    data: { train: data.loader(set, { batchSize: 8, shuffle: true, seed: 1 }), validation: data.loader(set, { batchSize: 32 }) } as { train: data.Loader<Batch>; validation: data.Loader<Batch> },
    metrics: { accuracy: new metrics.Accuracy() },
    progress: false,
  };
}

export const bytes = (state: Record<string, Tensor>) => Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name, Buffer.from(new Uint8Array((tensor.toTypedArray() as Float32Array).buffer)).toString("hex")]));
export const withoutTimes = (history: readonly train.RunRecord[]) => history.map(({ seconds, ...rest }) => rest);
