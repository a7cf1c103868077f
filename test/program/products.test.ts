import { describe, expect, test } from "vitest";
import { nn, optim, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { expectLikeAutograd, hasWideRegisters, mklIsFast, ownKernels, recorded } from "./own-kernels.js";

// Products of matrices that a program computes by loops of our own, where the processor has AVX-512.

const large = hasWideRegisters && !mklIsFast;
const ifLarge = (...products: string[]) => (large ? products : []);
const products = (text: string) => ownKernels(text, /mm/);

/** A linear layer behind another of three features, whose result so has a gradient, too. */
function make(features: number, out: number, bias = true) {
  torch.manualSeed(3);
  const model = new nn.Sequential(new nn.Linear(3, features), new nn.Linear(features, out, bias));
  return { model, loss: (x: Tensor) => model.forward(x).sin().mul(torch.arange(out).add(1)).mean() };
}

const rows = (n: number) => torch.randn([n, 3]);

describe.each([1, 2])("on %i threads", (threads) => {
  test.each<[string, number, [number, number, boolean?], string[]]>([
    ["whole registers", 48, [64, 64], ["addmm", "addmm", "backward mm", "backward mm"]],
    ["without bias", 48, [64, 64, false], ["addmm", "mm", "backward mm", "backward mm"]],
    ["columns that fill no register", 70, [77, 83], ["addmm", "addmm", "backward mm", "backward mm"]],
    ["few columns: sums of products of rows", 9, [1571, 10], ["addmm", "addmm", "backward mm", "backward mm"]],
    ["one column", 41, [1571, 1], ["addmm", "addmm", "backward mm", "backward mm"]],
    ["many rows, all widths of registers", 1000, [40, 123], ["addmm", "addmm", "backward mm", "backward mm"]],
    ["few rows: sums of products of rows", 5, [128, 128], ["addmm", "addmm", "backward mm", "backward mm"]],
    ["one row, columns and sums that fill no register", 1, [70, 37], ["addmm", "backward mm", "backward mm"]],
    ["seven rows without bias, all but one column in registers", 7, [100, 33, false], ["addmm", "mm", "backward mm", "backward mm"]],
    ["few rows of many features", 3, [2048, 64], ["addmm", "backward mm", "backward mm"]],
    ["a small net", 8, [16, 16], ["addmm", "backward mm", "backward mm"]],
    ["too little to be worth it", 7, [12, 12], []],
    ["too large for a cache, few rows", 16, [512, 512], ["addmm", "backward mm"]],
    ["too large for a cache", 101, [517, 522], ["addmm", ...ifLarge("addmm", "backward mm"), "backward mm"]],
    ["too large for a cache, deep", 1043, [131, 1100], ["addmm", ...ifLarge("addmm", "backward mm", "backward mm")]],
  ])("%s", (_, n, [features, out, bias], expected) => {
    torch.setNumThreads(threads);
    torch.manualSeed(5);
    const text = expectLikeAutograd(() => make(features, out, bias), [rows(n)]);
    if (hasWideRegisters) expect(products(text)).toEqual(expected);
  });
});

test.each<[number, number, number]>([
  [203, 96, 160],
  [203, 111, 13],
  [6, 1024, 96],
  ...(large ? ([[101, 530, 301], [300, 1100, 96]] as [number, number, number][]) : []),
])("the number of threads changes nothing: %i rows, %i features, %i columns", (n, features, out) => {
  torch.manualSeed(5);
  const batch = [rows(n)];
  const bytes = (threads: number) => {
    torch.setNumThreads(threads);
    const { loss, gradients } = recorded(make(features, out), batch);
    return [loss, ...gradients.map((gradient) => Buffer.from(gradient!.toBytes()).toString("hex"))];
  };
  if (hasWideRegisters) expect([bytes(2), bytes(7)]).toEqual([bytes(1), bytes(1)]);
});

test("other dtypes are LibTorch's", () => {
  const subject = make(64, 64);
  subject.model.to("float64");
  expect(products(recorded(subject, [rows(48).to("float64")]).text)).toEqual([]);
});

test("a factor of a sum is LibTorch's", () => {
  torch.manualSeed(5);
  const [w, b] = [nn.parameter(torch.randn([64, 64])), nn.parameter(torch.randn([64]))];
  class Scaled extends nn.Module {
    readonly w = w;
    readonly b = b;
  }
  const model = new Scaled();
  const step = optim.create(model, { method: "none", base: { name: "sgd", lr: 0.1 } }).compile((x: Tensor) => torch.addmm(b, x, w, { beta: 2 }).sin().mean());
  step.sync(torch.randn([48, 64]));
  expect(products(step.programs[0]!.text)).not.toContain("addmm");
});

test("one row that is a column turned round is a row", () => {
  torch.manualSeed(5);
  const make = () => {
    const model = new nn.Linear(64, 64);
    return { model, loss: (x: Tensor) => model.forward(x.t()).sin().mul(torch.arange(64)).mean() };
  };
  if (hasWideRegisters) expect(products(expectLikeAutograd(make, [torch.randn([64, 1])]))).toEqual(["addmm", "backward mm"]);
});
