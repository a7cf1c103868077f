import { describe, expect, test } from "vitest";
import { data, torch } from "../../lib/index.js";

const labels = Array.from({ length: 60 }, (_, i) => (i < 40 ? 0 : i < 55 ? 1 : 2));
const set = () => new data.TensorDataset(torch.arange(60, { dtype: "int64" }), torch.tensor(labels, { dtype: "int64" }));
const parts = (dataset: ReturnType<typeof set>) => dataset.tensors.map((tensor) => tensor.toArray() as number[]) as [number[], number[]];
const counts = (values: number[]) => [0, 1, 2].map((label) => values.filter((value) => value === label).length);

test("some samples, by number", () => {
  expect(parts(data.subset(set(), [50, 3, 3]))).toEqual([[50, 3, 3], [1, 0, 0]]);
  const any: data.Dataset<number[]> = { length: 5, batch: (indices) => indices.toArray() as number[] };
  expect([...data.loader(data.subset(any, [4, 0, 2]), { batchSize: 2 })]).toEqual([[4, 0], [2]]);
});

describe("a fraction of each class", () => {
  test("keeps shares and order, and is the same for the same seed", () => {
    const [ids, kept] = parts(data.fractionPerClass(set(), { fraction: 0.2, seed: 4 }));
    expect(counts(kept)).toEqual([8, 3, 1]);
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    expect(kept).toEqual(ids.map((i) => labels[i]));
    expect(parts(data.fractionPerClass(set(), { fraction: 0.2, seed: 4 }))[0]).toEqual(ids);
    expect(parts(data.fractionPerClass(set(), { fraction: 0.2, seed: 5 }))[0]).not.toEqual(ids);
    // Of each class at least one.
    expect(counts(parts(data.fractionPerClass(set(), { fraction: 0.01 }))[1])).toEqual([1, 1, 1]);
  });

  test("a larger one holds the smaller one", () => {
    const [small] = parts(data.fractionPerClass(set(), { fraction: 0.1 }));
    const [large] = parts(data.fractionPerClass(set(), { fraction: 0.5 }));
    expect(small.every((i) => large.includes(i))).toBe(true);
  });

  test("or so many of each", () => {
    expect(counts(parts(data.fractionPerClass(set(), { perClass: 5 }))[1])).toEqual([5, 5, 5]);
  });
});

test("random parts: every sample in one of them", () => {
  const [a, b] = data.randomSplit(set(), [0.75, 0.25], { seed: 2 }) as [ReturnType<typeof set>, ReturnType<typeof set>];
  expect([a.length, b.length]).toEqual([45, 15]);
  expect([...parts(a)[0], ...parts(b)[0]].sort((x, y) => x - y)).toEqual(Array.from({ length: 60 }, (_, i) => i));
  expect(data.randomSplit(set(), [0.34, 0.33, 0.33]).map(({ length }) => length)).toEqual([21, 20, 19]);
  expect(data.randomSplit(set(), [50, 10]).map(({ length }) => length)).toEqual([50, 10]);
});

describe("label noise", () => {
  test("symmetric: the share that was asked for, never the true label, all others alike", () => {
    const many = new data.TensorDataset(torch.arange(3000), torch.arange(3000, { dtype: "int64" }).remainder(4) as ReturnType<typeof torch.arange>);
    const noisy = data.labelNoise(many, { rate: 0.2, seed: 1 });
    expect(noisy.tensors[0]).toBe(many.tensors[0]);
    const [before, after] = [many, noisy].map(({ tensors }) => tensors[1].toArray() as number[]) as [number[], number[]];
    const steps = after.map((label, i) => (label - before[i]! + 4) % 4);
    expect(steps.filter((step) => step !== 0)).toHaveLength(600);
    // 200 each, with a standard deviation of 11.5.
    for (const step of [1, 2, 3]) expect(Math.abs(steps.filter((each) => each === step).length - 200)).toBeLessThan(60);
    expect(data.labelNoise(many, { rate: 0.2, seed: 1 }).tensors[1].toArray()).toEqual(after);
    expect(data.labelNoise(many, { rate: 0.2, seed: 2 }).tensors[1].toArray()).not.toEqual(after);
  });

  test("from class to class", () => {
    const [, noisy] = parts(data.labelNoise(set(), { rate: 0.5, kind: { 0: 2, 1: 0 } }));
    const moved = (from: number, to: number) => labels.filter((label, i) => label === from && noisy[i] === to).length;
    expect(moved(0, 2) + moved(1, 0)).toBe(28); // half of 55, rounded
    expect(moved(0, 1) + moved(1, 2) + moved(2, 0) + moved(2, 1)).toBe(0);
  });
});

describe("wrong arguments", () => {
  const any = data as never as Record<string, (...args: unknown[]) => unknown>;
  test.each<[string, () => unknown, RegExp]>([
    ["a number beyond", () => any["subset"]!(set(), [60]), /Expected integers from 0 to 59 for indices but received 60/],
    ["neither share nor count", () => any["fractionPerClass"]!(set(), {}), /Expected either fraction or perClass/],
    ["a share above 1", () => any["fractionPerClass"]!(set(), { fraction: 2 }), /Expected a number from 0 to 1 for fraction but received 2/],
    ["more than there are", () => any["fractionPerClass"]!(set(), { perClass: 6 }), /Expected at most 5, as many as class 2 has, for perClass|Expected at most 5/],
    ["shares that do not add up", () => any["randomSplit"]!(set(), [0.5, 0.2]), /Expected shares that add up to 1, or lengths that add up to 60/],
    ["no rate", () => any["labelNoise"]!(set(), {}), /Expected a number from 0 to 1 for rate but received nothing/],
    ["a misspelled option", () => any["labelNoise"]!(set(), { rate: 0.1, class: 3 }), /Did you mean "classes"/],
    ["too few classes", () => any["labelNoise"]!(set(), { rate: 0.1, classes: 2 }), /Expected an integer above 2 for classes but received 2/],
    ["a class that is none", () => any["labelNoise"]!(set(), { rate: 0.1, kind: { 0: 7 } }), /Expected classes below 3 for kind\[0\] but received 7/],
    ["labels that are no integers", () => any["labelNoise"]!(new data.TensorDataset(torch.rand([4])), { rate: 0.1 }), /Expected integers of shape \[N\] as labels/],
  ])("%s", (_, work, message) => {
    expect(work).toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringMatching(message) }));
  });
});
