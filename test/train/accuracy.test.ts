import { expect, test } from "vitest";
import { data, nn, torch, train } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

/** Logits are the inputs: what is right can be read off. */
class Echo extends nn.Module {
  dropout = new nn.Dropout(0.9);
  forward(x: Tensor): Tensor {
    return this.dropout.forward(x);
  }
}

const logits = torch.tensor([[9, 1, 2], [0, 1, 5], [3, 2, 1], [0, 4, 1], [7, 8, 9]]);
const labels = torch.tensor([0, 2, 1, 1, 2], { dtype: "int64" });
const set = new data.TensorDataset(logits, labels);

test.each([1, 2, 5, 100])("counts right answers, in evaluation mode, in batches of %i", async (batchSize) => {
  const model = new Echo();
  model.train();
  expect(await train.accuracy(model, data.loader(set, { batchSize }))).toBe(0.8);
  expect(model.dropout.training).toBe(true);
});

test("takes arrays and generators of batches, and leaves no tensor behind", async () => {
  const batches = [...data.loader(set, { batchSize: 2 })];
  torch.sweep(); // what earlier tests left would go at any time
  const live = torch.memory().tensors;
  expect(await train.accuracy(new Echo(), batches)).toBe(0.8);
  async function* some() {
    yield* batches.slice(0, 1);
  }
  expect(await train.accuracy(new Echo(), some())).toBe(1);
  expect(torch.memory().tensors).toBeLessThanOrEqual(live);
});

test("a mode of each module's own is kept, also when the model throws", async () => {
  const model = new Echo();
  model.train();
  model.dropout.eval();
  await train.accuracy(model, data.loader(set, { batchSize: 5 }));
  expect([model.training, model.dropout.training]).toEqual([true, false]);
  model.forward = () => {
    throw new RangeError("no");
  };
  await expect(train.accuracy(model, data.loader(set, { batchSize: 5 }))).rejects.toThrow(new RangeError("no"));
  expect([model.training, model.dropout.training]).toEqual([true, false]);
});
