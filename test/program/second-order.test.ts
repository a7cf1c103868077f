import { expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { expectReplayLikeAutograd, expectReplayNearAutograd } from "./replay.js";

torch.setNumThreads(1);

/** The loss with the squared length of its own gradient on top: its backward runs through a backward. */
function penalized(model: nn.Module, loss: (...batch: Tensor[]) => Tensor): (...batch: Tensor[]) => Tensor {
  return (...batch) => {
    const value = loss(...batch);
    const gradients = torch.autograd.grad([value], model.parameters(), { createGraph: true });
    return gradients.reduce((sum, each) => sum.add(each.square().sum()), value);
  };
}

class Attention extends nn.Module {
  norm = new nn.LayerNorm(6);
  mix = new nn.Linear(6, 6);
  drop = new nn.Dropout(0.3);
  out = new nn.Linear(6, 3);
  forward(x: Tensor) {
    const h = this.norm.forward(x);
    return this.out.forward(this.drop.forward(h.matmul(this.mix.forward(h).transpose(1, 2)).softmax(-1).matmul(h)).mean(1));
  }
}

test("a penalty on the gradient replays like autograd", () => {
  torch.manualSeed(1);
  const dense = new nn.Sequential(new nn.Linear(5, 7), new nn.Tanh(), new nn.Linear(7, 3));
  const batches = [4, 4, 2].map((n) => [torch.randn([n, 5]), torch.randint(0, 3, [n], { dtype: "int64" })]);
  expectReplayLikeAutograd(dense, penalized(dense, (x, y) => nn.functional.crossEntropy(dense.forward(x!), y!)), batches);

  // Of so many scores the loss is kernels of our own, and what the second backward reads of the first is still there.
  const larger = [30, 30].map((n) => [torch.randn([n, 5]), torch.randint(0, 3, [n], { dtype: "int64" })]);
  expectReplayNearAutograd(dense, penalized(dense, (x, y) => nn.functional.crossEntropy(dense.forward(x!), y!)), larger);

  const attention = new Attention().to("float64"); // of a bias that the softmax hides the gradient is rounding
  const texts = [3, 3].map((n) => [torch.randn([n, 4, 6], { dtype: "float64" }), torch.randint(0, 3, [n], { dtype: "int64" })]);
  expectReplayLikeAutograd(attention, penalized(attention, (x, y) => nn.functional.crossEntropy(attention.forward(x!), y!)), texts);

  const convolutions = new nn.Sequential(new nn.Conv2d(2, 4, 3, { padding: 1, bias: false }), new nn.BatchNorm2d(4), new nn.Softplus(), new nn.MaxPool2d(2), new nn.Flatten(), new nn.Linear(16, 3));
  const images = [5, 5].map((n) => [torch.randn([n, 2, 4, 4]), torch.randint(0, 3, [n], { dtype: "int64" })]);
  expectReplayNearAutograd(convolutions, penalized(convolutions, (x, y) => nn.functional.crossEntropy(convolutions.forward(x!), y!)), images);
});

test("and trains under SAM", () => {
  torch.manualSeed(2);
  const model = new nn.Sequential(new nn.Linear(5, 7), new nn.Tanh(), new nn.Linear(7, 3));
  const [x, y] = [torch.randn([8, 5]), torch.randint(0, 3, [8], { dtype: "int64" })];
  const step = optim.create(model, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.1 } }).compile(penalized(model, (input, target) => nn.functional.crossEntropy(model.forward(input!), target!)));
  const losses = Array.from({ length: 30 }, () => step.sync(x, y).loss);
  expect(losses.at(-1)!).toBeLessThan(0.8 * losses[0]!);
  expect(step.programs[0]!.backwardObstacle).toBe(null);
});
