import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";

const F = nn.functional;
const real = (values: unknown) => torch.tensor(values as number[], { dtype: "float64" });
const classes = (values: number[] | number[][]) => torch.tensor(values, { dtype: "int64" });

const logits = real([[1.5, -0.5, 0.25], [0.1, 2, -3], [-1, 0, 1], [4, 3, 2]]);
const labels = classes([0, 2, 1, 1]);
const perClass = real([0.5, 2, 1]);

describe("losses in closed form", () => {
  test("cross entropy of equal logits is log C, with and without smoothing", () => {
    const equal = torch.zeros([5, 7], { dtype: "float64" });
    const target = classes([0, 1, 2, 3, 6]);
    expect(F.crossEntropy(equal, target).item()).toBeCloseTo(Math.log(7), 12);
    expect(F.crossEntropy(equal, target, { labelSmoothing: 0.3 }).item()).toBeCloseTo(Math.log(7), 12);
  });

  test("class weights make a weighted mean", () => {
    const weighted = F.crossEntropy(logits, labels, { weight: perClass }).item() as number;
    const each = F.crossEntropy(logits, labels, { reduction: "none" }).toArray() as number[];
    const weights = [0.5, 1, 2, 2];
    const sum = weights.reduce((total, w) => total + w, 0);
    expect(weighted).toBeCloseTo(each.reduce((total, loss, i) => total + loss * weights[i]!, 0) / sum, 12);
  });

  test("mean squared and absolute error", () => {
    expect(F.mseLoss(real([1, 2, 4]), real([1, 4, 8])).item()).toBeCloseTo(20 / 3, 12);
    expect(F.l1Loss(real([1, 2, 4]), real([1, 4, 8]), "sum").item()).toBe(6);
  });

  test("binary cross entropy at logit 0 is log 2", () => {
    expect(F.binaryCrossEntropyWithLogits(torch.zeros([3]), torch.tensor([0, 1, 0.5])).item()).toBeCloseTo(Math.LN2, 6);
  });
});

describe("the adaptive softmax", () => {
  const layer = new nn.AdaptiveLogSoftmaxWithLoss(4, 9, [2, 5], { dtype: "float64" });
  const hidden = torch.randn([6, 4], { dtype: "float64" });

  test("is a distribution over all classes, and predicts its most probable one", () => {
    const all = layer.logProb(hidden);
    for (const sum of all.exp().sum(1).toArray() as number[]) expect(sum).toBeCloseTo(1, 12);
    expect(layer.predict(hidden).toArray()).toEqual(all.argmax(1).toArray());
  });

  test("gives one sample's loss without a batch", () => {
    const [output, loss] = layer.forward(hidden.select(0, 2), torch.tensor(7, { dtype: "int64" }));
    expect(output.shape).toEqual([]);
    expect(output.item()).toBeCloseTo(layer.logProb(hidden).select(0, 2).select(0, 7).item() as number, 12);
    expect(loss.item()).toBe(-(output.item() as number));
  });

  test("refuses classes that there are not, and cutoffs that do not increase", () => {
    for (const wrong of [-1, 9]) expect(() => layer.forward(hidden.narrow(0, 0, 1), classes([wrong]))).toThrow("out of bounds");
    expect(() => new nn.AdaptiveLogSoftmaxWithLoss(4, 9, [5, 2])).toThrow("Expected an increasing array of positive integers for cutoffs of nn.AdaptiveLogSoftmaxWithLoss but received an array of 2.");
    expect(() => new nn.AdaptiveLogSoftmaxWithLoss(4, 9, [2, 9])).toThrow("Expected numbers below nClasses (9) for cutoffs");
    expect(() => layer.forward(hidden, classes([1]))).toThrow("Expected shape [6] for the target of nn.AdaptiveLogSoftmaxWithLoss");
  });
});

describe("weights of elements", () => {
  test("multiply regression losses before they are summed up", () => {
    const [x, y, weight] = [real([1, 2, 4]), real([1, 4, 8]), real([3, 1, 0.5])];
    expect(F.mseLoss(x, y, { weight }).item()).toBeCloseTo(12 / 4.5, 12);
    expect(F.l1Loss(x, y, "sum", weight).item()).toBeCloseTo(4, 12);
    expect(F.huberLoss(x, y, { weight, delta: 3, reduction: "none" }).toArray()).toEqual([0, 2, 3.75]);
    expect(() => F.mseLoss(x, y, { weight: real([1]) })).toThrow("Expected shape [3], as the input, for weight of nn.functional.mseLoss");
  });
});

describe("lengths of a CTC loss", () => {
  test("are numbers or tensors", () => {
    const logProbs = torch.randn([5, 2, 3], { dtype: "float64" }).logSoftmax(2);
    const targets = classes([[1, 2], [2, 1]]);
    const numbers = F.ctcLoss(logProbs, targets, [5, 4], [2, 1]).item();
    expect(F.ctcLoss(logProbs, targets, classes([5, 4]), classes([2, 1])).item()).toBe(numbers);
    expect(F.ctcLoss(logProbs, targets, [5, 4], classes([2, 1])).item()).toBe(numbers);
  });
});

describe("wrong targets", () => {
  test("class numbers of another dtype are named", () => {
    expect(() => F.crossEntropy(logits, labels.to("int32"))).toThrow(
      'Expected class numbers of dtype int64 for target of nn.functional.crossEntropy but received "int32" of type string. Convert them',
    );
  });

  test("shapes of a binary cross entropy must agree", () => {
    expect(() => F.binaryCrossEntropyWithLogits(torch.zeros([3]), torch.zeros([3, 1]))).toThrow("Expected shape [3], as the input, for target");
  });

  test("broadcasting a squared error warns", async () => {
    const warning = new Promise<Error>((resolve) => process.once("warning", resolve));
    F.mseLoss(torch.zeros([3]), torch.zeros([3, 1]));
    expect((await warning).message).toBe("nn.functional.mseLoss broadcasts input and target of different shapes: [3] and [3, 1].");
  });

  test("shapes and values that make no sense are named", () => {
    expect(() => F.gaussianNllLoss(logits, logits, torch.ones([3, 4], { dtype: "float64" }))).toThrow("Expected shape [4, 3], one of them 1, or the last left out, for variance of nn.functional.gaussianNllLoss");
    expect(() => F.gaussianNllLoss(logits, logits, -1)).toThrow("Expected a non-negative number for variance of nn.functional.gaussianNllLoss but received -1 of type number.");
    expect(() => F.marginRankingLoss(logits, real([1]), real([1]))).toThrow("Expected a tensor of 2 dimensions, as the first, for input2 of nn.functional.marginRankingLoss");
    expect(() => new nn.TripletMarginLoss(0)).toThrow("Expected a positive number for margin of nn.TripletMarginLoss");
    expect(() => new nn.MultiMarginLoss(3 as 2)).toThrow("Expected 1 or 2 for p of nn.MultiMarginLoss");
    expect(() => new nn.HuberLoss({ delta: -1 })).toThrow("Expected a positive number for delta of nn.HuberLoss");
    expect(() => new nn.KLDivLoss("batch" as "batchmean")).toThrow('Expected one of "none", "batchmean", "mean", "sum" for reduction of nn.KLDivLoss');
    expect(() => F.multiMarginLoss(logits, labels.to("int32"))).toThrow("Expected class numbers of dtype int64 for target of nn.functional.multiMarginLoss");
  });

  test("an unknown reduction is refused", () => {
    expect(() => new nn.MSELoss("average" as "mean")).toThrow('Expected one of "none", "mean", "sum" for reduction of nn.MSELoss but received "average" of type string.');
  });
});
