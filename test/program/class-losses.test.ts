import { describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { expectLikeAutograd, ownKernels, recorded } from "./own-kernels.js";

// A classifier's loss, and the sums that are its biases' gradients, by kernels of our own.

const { crossEntropy } = nn.functional;
const kernels = (text: string) => ownKernels(text, /softmax|nll|cross_entropy|sum/);
const losses = ["cross_entropy_loss", "backward _log_softmax_backward_data"]; // each with what the negative log-likelihood does
const all = [...losses, "backward sum"];

type Options = { reduction?: "sum"; ignoreIndex?: number; weight?: Tensor };

/** `scale`: how far apart the scores are. */
function make(features: number, classes: number, options: Options = {}, scale = 1) {
  torch.manualSeed(3);
  const model = new nn.Linear(features, classes);
  return { model, loss: (x: Tensor, y: Tensor) => crossEntropy(model.forward(x).mul(scale), y, options) };
}

const batch = (n: number, features: number, classes: number) => [torch.randn([n, features]), torch.randint(0, classes, [n])];

describe.each([1, 2])("on %i threads", (threads) => {
  test.each<[string, number, number, number, Options, number]>([
    ["fewer classes than a register has lanes", 8, 5, 10, {}, 1],
    ["one row", 1, 5, 100, {}, 1],
    ["few rows of ten classes", 2, 5, 10, {}, 1],
    ["few rows of ten classes, a sum", 1, 5, 11, { reduction: "sum" }, 1],
    ["one class", 70, 5, 1, {}, 1],
    ["whole registers", 9, 5, 48, {}, 1],
    ["some left over, many rows", 700, 7, 83, {}, 1],
    ["a sum", 33, 5, 20, { reduction: "sum" }, 1],
    ["a class that is ignored", 40, 5, 4, { ignoreIndex: 2 }, 1],
    ["scores so far apart that all but one vanish", 20, 5, 12, {}, 300],
    ["more columns than are summed at a time", 65, 3, 150, {}, 1],
  ])("%s", (_, n, features, classes, options, scale) => {
    torch.setNumThreads(threads);
    torch.manualSeed(5);
    expect(kernels(expectLikeAutograd(() => make(features, classes, options, scale), batch(n, features, classes)))).toEqual(all);
  });
});

test("the number of threads changes nothing", () => {
  torch.manualSeed(5);
  const given = batch(800, 4, 70);
  const bytes = (threads: number) => {
    torch.setNumThreads(threads);
    const { loss, gradients } = recorded(make(4, 70), given);
    return [loss, ...gradients.map((gradient) => Buffer.from(gradient!.toBytes()).toString("hex"))];
  };
  expect(bytes(2)).toEqual(bytes(1));
});

test("classes that a mask excludes have no share, and no gradient", () => {
  torch.manualSeed(5);
  const [x, y] = batch(12, 5, 4);
  const mask = torch.tensor([0, 0, 0, 0, -Infinity, -Infinity]);
  torch.manualSeed(3);
  const model = new nn.Linear(5, 6);
  const { gradients, text } = recorded({ model, loss: (rows: Tensor, targets: Tensor) => crossEntropy(model.forward(rows).add(mask), targets) }, [x!, y!]);
  expect(kernels(text)).toEqual(all);
  expect(gradients[1]!.narrow(0, 4, 2).toArray()).toEqual([0, 0]);
});

test("infinities and what is no number: where LibTorch's log-softmax has them", () => {
  const rows = torch.zeros([7, 37]);
  rows.select(0, 0).fill_(-Infinity);
  const set = (row: number, column: number, value: number) => rows.select(0, row).select(0, column).fill_(value);
  set(1, 0, NaN);
  set(2, 21, NaN);
  set(3, 36, NaN);
  set(4, 5, Infinity);
  set(5, 7, -Infinity);
  set(6, 30, -3e38);
  const model = new nn.Linear(1, 1);
  const kinds = (y: Tensor) => [y.isnan(), y.eq(-Infinity), y.eq(Infinity)].map((each, i) => each.to("float32").mul(torch.arange(rows.numel()).view(rows.shape)).mul(i + 1).sum());
  const loss = (x: Tensor) => kinds(nn.functional.logSoftmax(x.add(model.forward(torch.zeros([1, 1])).mul(0)), -1)).reduce((a, b) => a.add(b)).add(model.weight.sum());
  const result = recorded({ model, loss }, [rows]);
  expect(ownKernels(result.text, /softmax/)).toEqual(["_log_softmax"]);
  expect(result.loss).toBe(loss(rows).item());
});

test.each<[string, (scores: Tensor, targets: Tensor) => Tensor, string[]]>([
  ["whose gradient has other parts", (scores, targets) => {
    const logShares = nn.functional.logSoftmax(scores, -1);
    return nn.functional.nllLoss(logShares, targets.flatten()).add(logShares.exp().mul(logShares).mean());
  }, ["cross_entropy_loss", "backward nll_loss_backward", "backward _log_softmax_backward_data"]],
  ["looked at in another way before its loss is taken", (scores, targets) => {
    const logShares = nn.functional.logSoftmax(scores, -1);
    const turned = logShares.t();
    return nn.functional.nllLoss(logShares, targets.flatten()).add(turned.select(0, 1).mean());
  }, ["_log_softmax", "nll_loss_forward", "backward nll_loss_backward", "backward _log_softmax_backward_data"]],
  ["with targets that are made of a view in between", (scores, targets) => {
    const logShares = nn.functional.logSoftmax(scores, -1);
    return nn.functional.nllLoss(logShares, targets.flatten());
  }, losses],
  ["whose loss is a part of another", (scores, targets) => nn.functional.crossEntropy(scores, targets.flatten()).mul(3).add(scores.square().mean()), losses],
  ["of which no class counts in some rows", (scores, targets) => {
    const counts = targets.flatten().gt(4);
    return nn.functional.crossEntropy(scores, targets.flatten().where(counts, torch.tensor(-100)));
  }, losses],
  ["whose backward autograd does", (scores, targets) => nn.functional.crossEntropy(scores, targets.flatten()).add(scores.select(0, 0).add(3).prod()), ["_log_softmax", "nll_loss_forward"]],
  ["over scores that are changed behind it", (scores, targets) => {
    const shifted = scores.add(1);
    const logShares = nn.functional.logSoftmax(shifted, -1);
    shifted.mul_(0);
    return nn.functional.nllLoss(logShares, targets.flatten()).add(shifted.sum());
  }, ["_log_softmax", "nll_loss_forward", "backward nll_loss_backward", "backward _log_softmax_backward_data"]],
])("a log-softmax %s", (_, loss, expected) => {
  torch.setNumThreads(2);
  torch.manualSeed(5);
  const make = () => {
    torch.manualSeed(3);
    const model = new nn.Linear(5, 9);
    return { model, loss: (x: Tensor, y: Tensor) => loss(model.forward(x), y) };
  };
  const [x, y] = batch(30, 5, 9);
  expect(kernels(expectLikeAutograd(make, [x!, y!.view([30, 1])])).filter((name) => !name.endsWith("sum"))).toEqual(expected);
});

test("nothing but ignored targets: no number, as LibTorch has it", () => {
  const [x] = batch(20, 5, 4);
  expect(recorded(make(5, 4, { ignoreIndex: 1 }), [x!, torch.ones([20], { dtype: "int64" })]).loss).toBeNaN();
});

test("a target that there is not is LibTorch's error", () => {
  const [x] = batch(20, 5, 4);
  expect(() => recorded(make(5, 4), [x!, torch.arange(20)])).toThrow("Target 4 is out of bounds");
  expect(() => recorded(make(5, 4), [x!, torch.arange(20).sub(1)])).toThrow("Target -1 is out of bounds");
});

test("tiny ones, weights of classes, and other dtypes, are LibTorch's", () => {
  expect(kernels(recorded(make(5, 4), batch(15, 5, 4)).text)).toEqual([]);
  const weighted = make(5, 4, { weight: torch.tensor([1, 2, 3, 4], { dtype: "float32" }) });
  expect(kernels(recorded(weighted, batch(20, 5, 4)).text).filter((name) => /nll|cross_entropy/.test(name))).toEqual([]);
  const wide = make(5, 4);
  wide.model.to("float64");
  const [x, y] = batch(20, 5, 4);
  expect(kernels(recorded(wide, [x!.to("float64"), y!]).text)).toEqual([]);
});

test("sums over no dimension of a number are none of columns", () => {
  torch.manualSeed(3);
  const model = new nn.Linear(3, 1);
  for (const sum of [(x: Tensor) => x.sum(0), (x: Tensor) => x.sum([])]) {
    const loss = (x: Tensor) => sum(model.forward(x).sum()).square();
    expect(recorded({ model, loss }, [torch.ones([2, 3])]).loss).toBe(loss(torch.ones([2, 3])).item());
  }
});
