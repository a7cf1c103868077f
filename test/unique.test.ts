import { describe, expect, expectTypeOf, test } from "vitest";
import { torch, type Tensor } from "../lib/index.js";
import { needsPython, pack, python, runPython, type Packed } from "./support/python.js";

const x = torch.tensor([[3, 1, 3], [2, 1, 2], [3, 1, 3]]);

test("elements in ascending order", () => {
  const values = torch.unique(x);
  expectTypeOf(values).toEqualTypeOf<Tensor>();
  expect(values.toArray()).toEqual([1, 2, 3]);
});

test("from the tensor's side", () => {
  const values = x.unique();
  expectTypeOf(values).toEqualTypeOf<Tensor>();
  expect(values.toArray()).toEqual([1, 2, 3]);
  const all = x.unique({ returnInverse: true, returnCounts: true, dim: 0 });
  expectTypeOf(all).toEqualTypeOf<[values: Tensor, inverse: Tensor, counts: Tensor]>();
  expect(all.map((tensor) => tensor.toArray())).toEqual(torch.unique(x, { returnInverse: true, returnCounts: true, dim: 0 }).map((tensor) => tensor.toArray()));
});

test("what comes with them", () => {
  const all = torch.unique(x, { returnInverse: true, returnCounts: true });
  expectTypeOf(all).toEqualTypeOf<[values: Tensor, inverse: Tensor, counts: Tensor]>();
  expect(all.map((tensor) => tensor.toArray())).toEqual([[1, 2, 3], [[2, 0, 2], [1, 0, 1], [2, 0, 2]], [3, 2, 4]]);
  const [, counts] = torch.unique(x, { returnCounts: true });
  expect(counts.toArray()).toEqual([3, 2, 4]);
  const [, inverse] = torch.unique(x, { returnInverse: true, dim: 0 });
  expect(inverse.toArray()).toEqual([1, 0, 1]);
});

describe.skipIf(python === null)(`beside ${needsPython}`, () => {
  test("along each dimension", () => {
    const theirs = runPython<Packed[][]>(
      "outputs = [[pack(t) for t in torch.unique(unpack(inputs), dim=d, return_inverse=True, return_counts=True)] for d in (None, 0, 1)]",
      pack(x),
    );
    const ours = [null, 0, 1].map((dim) => torch.unique(x, { dim, returnInverse: true, returnCounts: true }).map(pack));
    expect(ours).toEqual(theirs);
  });
});

test("wrong calls", () => {
  // @ts-expect-error misspelled
  expect(() => torch.unique(x, { returnCount: true })).toThrow(/returnCounts/);
  // @ts-expect-error no boolean
  expect(() => torch.unique(x, { sorted: 1 })).toThrow("Expected a boolean for sorted but received 1 of type number.");
  // @ts-expect-error no tensor
  expect(() => torch.unique([1])).toThrow("Expected a Tensor for self but received an array of 1.");
  // @ts-expect-error no options
  expect(() => torch.unique(x, null)).toThrow("Expected an object for options but received null.");
  expect(() => torch.unique(x, { dim: 2 })).toThrow(/Dimension out of range/);
});

test("where, from the tensor's side", () => {
  expect(x.where(x.gt(1), 0).toArray()).toEqual([[3, 0, 3], [2, 0, 2], [3, 0, 3]]);
  // @ts-expect-error other is missing
  expect(() => x.where(x.gt(1))).toThrow(/other/);
});
