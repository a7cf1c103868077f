import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { ownKernels } from "./own-kernels.js";
import { expectReplayLikeAutograd, expectReplayNearAutograd } from "./replay.js";

// Copies, tensors put behind each other, embeddings and counts by kernels of our own: LibTorch's numbers, to the bit.

torch.setNumThreads(1);

describe("images from one order in memory to the other", () => {
  // A 1×1 convolution puts the channels last; flatten wants them first.
  test.each([
    [3, 5, 7, 3],
    [2, 32, 7, 7],
    [4, 16, 4, 4],
    [1, 40, 9, 5],
    [40, 48, 8, 8],
  ])("[%i, %i, %i, %i]", (n, channels, height, width) => {
    torch.manualSeed(3);
    const model = new nn.Conv2d(3, channels, 1, { bias: false });
    const weight = torch.randn([channels * height * width]);
    const loss = (x: Tensor) => model.forward(x).flatten(1).mul(weight).sin().mean();
    const { text } = expectReplayNearAutograd(model, loss, [[torch.randn([n, 3, height, width])]]);
    expect(ownKernels(text, /clone/)).toEqual(["clone", "clone"]); // of the batch, and of what is flattened
  });
});

test("rows in another order", () => {
  torch.manualSeed(3);
  const model = new nn.Linear(6, 5);
  const weight = torch.randn([28, 5]);
  const loss = (x: Tensor) => model.forward(x).transpose(0, 1).reshape([28, 5]).mul(weight).sin().mean();
  const { text } = expectReplayNearAutograd(model, loss, [[torch.randn([4, 7, 6])]]);
  expect(ownKernels(text, /clone/)).toContain("clone");
});

describe("tensors put behind each other", () => {
  class Parts extends nn.Module {
    readonly a: Tensor;
    readonly b: Tensor;
    constructor(a: number[], b: number[]) {
      super();
      this.a = nn.parameter(torch.randn(a));
      this.b = nn.parameter(torch.randn(b));
    }
  }
  const own = (a: number[], b: number[], joined: (a: Tensor, b: Tensor) => Tensor) => {
    torch.manualSeed(3);
    const model = new Parts(a, b);
    const loss = (x: Tensor) => {
      const all = joined(model.a.mul(x), model.b.mul(x));
      return all.sin().mul(torch.arange(all.shape.at(-1)!)).sum();
    };
    return ownKernels(expectReplayNearAutograd(model, loss, [[torch.randn([1])]]).text, /cat/);
  };

  test.each<[string, number[], number[], (a: Tensor, b: Tensor) => Tensor]>([
    ["vectors", [5], [7], (a, b) => torch.cat([a, b])],
    ["columns", [4, 5], [4, 3], (a, b) => torch.cat([a, b], 1)],
    ["rows", [2, 5], [4, 5], (a, b) => torch.cat([a, b], 0)],
    ["the last of three dimensions, counted from the end, three of them", [2, 3, 5], [2, 3, 4], (a, b) => torch.cat([a, b, a], -1)],
    ["the middle one of four", [2, 3, 5, 2], [2, 1, 5, 2], (a, b) => torch.cat([a, b], 1)],
    ["rows that stand in another order", [4, 6], [3, 4, 5], (a, b) => torch.cat([a.view([4, 3, 2]).transpose(0, 1), b], 2)],
    ["two of three dimensions in another order", [3, 4, 5, 6], [4, 5, 3, 2], (a, b) => torch.cat([a.permute([1, 2, 0, 3]), b], 3)],
    ["one without elements", [4, 5], [4, 0], (a, b) => torch.cat([a, b], 1)],
    ["a dimension of one", [1, 5], [1, 5], (a, b) => torch.cat([a, b], 1)],
    ["many rows, for several threads", [400, 65], [400, 3], (a, b) => torch.cat([a, b], 1)],
  ])("%s", (_, a, b, joined) => {
    torch.setNumThreads(2);
    expect(own(a, b, joined)).toEqual(["cat"]);
    torch.setNumThreads(1);
  });

  test.each<[string, number[], number[], (a: Tensor, b: Tensor) => Tensor]>([
    ["columns that do not follow each other", [5, 4], [4, 3], (a, b) => torch.cat([a.t(), b], 1)],
    ["three dimensions in another order", [3, 4, 5, 6], [5, 4, 3, 2], (a, b) => torch.cat([a.permute([2, 1, 0, 3]), b], 3)],
    ["what has no dimension of its own", [4, 5], [0], (a, b) => torch.cat([a, b], 1)],
    ["images with the channels last", [2, 3, 4, 5], [2, 1, 4, 5], (a, b) => torch.cat([a.contiguous({ memoryFormat: "channels_last" }), b.contiguous({ memoryFormat: "channels_last" })], 1)],
    ["float64", [4, 5], [4, 3], (a, b) => torch.cat([a.to("float64"), b.to("float64")], 1).to("float32")],
  ])("%s: LibTorch's", (_, a, b, joined) => {
    expect(own(a, b, joined)).toEqual([]);
  });
});

describe("embedding", () => {
  class Words extends nn.Module {
    readonly embedding: nn.Embedding;
    constructor(words: number, width: number, options = {}) {
      super();
      this.embedding = new nn.Embedding(words, width, options);
    }
  }
  const both = ["embedding", "backward embedding_dense_backward"];

  test.each<[string, number, number, object, number[]]>([
    ["a text, words more than once", 11, 20, {}, [3, 9]],
    ["one dimension", 7, 3, {}, [13]],
    ["a padding, whose row has no gradient", 11, 8, { paddingIdx: 2 }, [4, 9]],
    ["many words", 500, 64, {}, [16, 64]],
  ])("%s", (_, words, width, options, shape) => {
    torch.manualSeed(3);
    const model = new Words(words, width, options);
    const weight = torch.randn([...shape, width]);
    const loss = (x: Tensor) => model.embedding.forward(x).mul(weight).sin().mean();
    const { text } = expectReplayLikeAutograd(model, loss, [[torch.randint(0, words, shape)]]);
    expect(ownKernels(text, /embedding/)).toEqual(both);
  });

  test("the gradient's rows in another order of memory", () => {
    torch.manualSeed(3);
    const model = new Words(11, 20);
    const weight = torch.randn([9, 4, 20]);
    const loss = (x: Tensor) => model.embedding.forward(x).transpose(0, 1).mul(weight).sin().mean();
    expect(ownKernels(expectReplayLikeAutograd(model, loss, [[torch.randint(0, 11, [4, 9])]]).text, /embedding/)).toEqual(both);
  });

  test("a word that there is not is LibTorch's error", () => {
    const model = new Words(11, 20);
    const loss = (x: Tensor) => model.embedding.forward(x).sum();
    const { step } = expectReplayLikeAutograd(model, loss, [[torch.randint(0, 11, [4])]]);
    expect(() => step.sync(torch.tensor([3, 11, 2, 5]))).toThrow("index out of range");
  });
});

test("a batch norm counts its batches", () => {
  torch.manualSeed(3);
  const model = new nn.BatchNorm1d(5);
  const { text } = expectReplayLikeAutograd(model, (x: Tensor) => model.forward(x).sin().mean(), [[torch.randn([6, 5])]]);
  expect(ownKernels(text, /add_/)).toEqual(["add_"]);
});
