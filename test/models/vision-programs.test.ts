import { describe, expect, test } from "vitest";
import { models, nn, optim, torch } from "../../lib/index.js";
import type { DType, Tensor } from "../../lib/index.js";
import { expectReplayLikeAutograd, expectReplayNearAutograd } from "../program/replay.js";

// The image models inside compiled steps, with everything that draws random numbers in them.

type ImageModel = nn.Module & { forward(x: Tensor): Tensor };
const small: Record<string, { make: () => ImageModel; shape: number[] }> = {
  MLP: { make: () => new models.MLP({ inFeatures: 12, hidden: [8], dropout: 0.3, numClasses: 4 }), shape: [5, 3, 2, 2] },
  "LeNet-5": { make: () => new models.LeNet5({ numClasses: 4 }), shape: [3, 1, 28, 28] },
  "CIFAR ResNet": { make: () => new models.CifarResNet({ depth: 8, numClasses: 4 }), shape: [4, 3, 8, 8] },
  "wide ResNet with dropout": { make: () => new models.WideResNet({ depth: 10, widenFactor: 1, dropout: 0.3, numClasses: 4 }), shape: [4, 3, 8, 8] },
  ResNet: { make: () => new models.ResNet({ block: "bottleneck", layers: [1, 1, 1, 1], numClasses: 4, groups: 8, widthPerGroup: 2, stem: "small" }), shape: [4, 3, 16, 16] },
  "ViT with dropout everywhere and stochastic depth": {
    make: () =>
      new models.ViT({ imgSize: 8, patchSize: 4, embedDim: 8, depth: 3, numHeads: 2, numClasses: 4, dropRate: 0.1, posDropRate: 0.1, projDropRate: 0.1, attnDropRate: 0.1, dropPathRate: 0.5 }),
    shape: [6, 3, 8, 8],
  },
  "ViT with mean pooling": { make: () => new models.ViT({ imgSize: 8, patchSize: 4, embedDim: 8, depth: 1, numHeads: 2, numClasses: 4, globalPool: "avg" }), shape: [3, 3, 8, 8] },
};
const overClasses = (model: ImageModel) => (x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y);
const batch = (shape: number[], dtype: DType = "float32") => [torch.randn(shape, { dtype }), torch.randint(0, 4, [shape[0]!])];

describe.each(Object.entries(small))("%s", (_, { make, shape }) => {
  test("in float64: bit for bit as autograd", () => {
    torch.manualSeed(0);
    const model = make().to("float64");
    expectReplayLikeAutograd(model, overClasses(model) as never, [batch(shape, "float64"), batch(shape, "float64")]);
  });

  test("a step of SAM replays everything, in training and in evaluation mode", () => {
    torch.manualSeed(0);
    const model = make();
    const step = optim.create(model, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.01, momentum: 0.9 } }).compile(overClasses(model));
    const [x, y] = batch(shape) as [Tensor, Tensor];
    const before = Object.values(model.stateDict()).map((tensor) => tensor.clone());
    for (let i = 0; i < 2; i++) expect(step.sync(x, y).skipped).toBe(false);
    model.eval();
    step.sync(x, y);
    const lines = step.explain().split("\n").slice(1);
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(/forward and backward are replayed\.$/);
    // Everything took part: no parameter and no statistic is what it was.
    Object.entries(model.stateDict()).forEach(([name, tensor], i) => expect(tensor.equal(before[i]!), name).toBe(false));
  });
});

describe("channels last", () => {
  const last = (tensor: Tensor) => (tensor.dim() === 4 ? tensor.to({ memoryFormat: "channels_last" }) : tensor);

  test("images and weights in that order train as in the other", () => {
    torch.manualSeed(0);
    const model = small["CIFAR ResNet"]!.make().to({ memoryFormat: "channels_last" });
    const batches = [0, 1].map(() => batch(small["CIFAR ResNet"]!.shape).map(last));
    expect(batches[0]![0]!.stride()).toEqual([192, 1, 24, 3]);
    const { step } = expectReplayNearAutograd(model, overClasses(model) as never, batches, 1e-4);
    expect(step.programs.map(({ backwardObstacle }) => backwardObstacle)).toEqual([null]);
  });

  test("weights that are brought into it between steps train on as before", () => {
    const losses = [false, true].map((turns) => {
      torch.manualSeed(0);
      const model = small["CIFAR ResNet"]!.make().to("float64");
      const step = optim.create(model, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.1, momentum: 0.9 } }).compile(overClasses(model));
      const [x, y] = batch(small["CIFAR ResNet"]!.shape, "float64") as [Tensor, Tensor];
      return [0, 1, 2, 3].map((i) => {
        if (turns && i === 2) model.to({ memoryFormat: "channels_last" });
        return step.sync(turns && i > 2 ? last(x) : x, y).loss;
      });
    });
    losses[0]!.forEach((loss, i) => expect(losses[1]![i]).toBeCloseTo(loss, 9));
    expect(losses[0]![3]).not.toBeCloseTo(losses[0]![0]!, 3);
  });
});

test.each(["CIFAR ResNet", "ViT with mean pooling"])("%s trains in bfloat16", (name) => {
  torch.manualSeed(0);
  const { make, shape } = small[name]!;
  const model = make().to("bfloat16");
  const [x, y] = batch(shape, "bfloat16") as [Tensor, Tensor];
  const step = optim.create(model, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.05 } }).compile(overClasses(model));
  const losses = Array.from({ length: 30 }, () => step.sync(x, y).loss);
  expect(losses.at(-1)!).toBeLessThan(0.7 * losses[0]!);
  expect(step.explain()).toMatch(/forward and backward are replayed\.$/);
});
