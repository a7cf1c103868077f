import { describe, expect, test } from "vitest";
import { Tensor, torch } from "../../lib/index.js";
import type { DType } from "../../lib/index.js";

describe("item", () => {
  test("of every kind of dtype", () => {
    expect(torch.tensor(2.5).item()).toBe(2.5);
    expect(torch.tensor([[7]]).item()).toBe(7);
    expect(torch.tensor(true).item()).toBe(true);
    expect(torch.tensor({ re: 1, im: -1 }).item()).toEqual({ re: 1, im: -1 });
    expect(torch.tensor(2n ** 53n + 1n).item()).toBe(2n ** 53n + 1n);
    expect(torch.tensor(2 ** 53 - 1).item()).toBe(2 ** 53 - 1);
    expect(torch.tensor(2n ** 64n - 1n, { dtype: "uint64" }).item()).toBe(2n ** 64n - 1n);
    for (const dtype of ["float16", "bfloat16", "float8_e5m2"] as DType[]) expect(torch.tensor(0.75, { dtype }).item()).toBe(0.75);
    expect(torch.tensor(1.5, { requiresGrad: true }).mul(2).item()).toBe(3);
  });

  test("needs one element and data", () => {
    expect(() => torch.ones([2, 1]).item()).toThrow("Expected a tensor of one element for item() but received one of shape [2, 1].");
    expect(() => torch.ones([0]).item()).toThrow(/one of shape \[0\]/);
    expect(() => torch.zeros([], { device: "meta" }).item()).toThrow("A tensor on the meta device holds no data to read.");
  });
});

describe("toArray, toTypedArray, toBytes", () => {
  test("views are read in row-major order", () => {
    const base = torch.arange(6).reshape([2, 3]);
    expect(base.t().toArray()).toEqual([[0, 3], [1, 4], [2, 5]]);
    expect(base.t().toTypedArray()).toEqual(BigInt64Array.of(0n, 3n, 1n, 4n, 2n, 5n));
    expect(torch.at(base, 1, "::2").toArray()).toEqual([3, 5]);
    expect(torch.ones([1]).expand([3]).toArray()).toEqual([1, 1, 1]);
  });

  test("lazy conjugates and negations are resolved", () => {
    const z = torch.tensor([{ re: 1, im: 2 }]);
    expect(z.conj().toArray()).toEqual([{ re: 1, im: -2 }]);
    expect(torch.imag(z.conj()).toArray()).toEqual([-2]);
  });

  test("sparse tensors are read densely", () => {
    const sparse = torch.tensor([[0, 1.5], [0, 0]]).toSparse();
    expect(sparse.layout).toBe("sparse");
    expect(sparse.toArray()).toEqual([[0, 1.5], [0, 0]]);
  });

  test("typed arrays of dtypes that JavaScript lacks", () => {
    expect(torch.tensor([0.5, 1], { dtype: "bfloat16" }).toTypedArray()).toEqual(Float32Array.of(0.5, 1));
    expect(torch.tensor([true, false]).toTypedArray()).toEqual(Uint8Array.of(1, 0));
    expect(torch.tensor([{ re: 1, im: 2 }], { dtype: "complex32" }).toTypedArray()).toEqual(Float32Array.of(1, 2));
    expect(torch.tensor([1, 2], { dtype: "bfloat16" }).toBytes()).toEqual(Uint8Array.of(0x80, 0x3f, 0, 0x40));
  });

  test("quantized tensors say what to do", () => {
    const quantized = torch.quantizePerTensor(torch.tensor([0.5, 1]), 0.5, 0, "qint8");
    expect(() => quantized.toArray()).toThrow("toArray() does not read quantized tensors: call dequantize() first.");
    expect(quantized.dequantize().toArray()).toEqual([0.5, 1]);
  });

  test("empty tensors", () => {
    expect(torch.zeros([0]).toArray()).toEqual([]);
    expect(torch.zeros([2, 0, 3]).toArray()).toEqual([[], []]);
    expect(torch.zeros([0, 2]).toTypedArray()).toEqual(new Float32Array(0));
  });

  test("reading makes no tensors", () => {
    const x = torch.tensor([0.5, 1], { dtype: "bfloat16" });
    const before = torch.memory().tensors;
    x.toArray();
    x.select(0, 0).dispose();
    x.toTypedArray();
    expect(torch.memory().tensors).toBe(before);
  });
});

test("facts", () => {
  const x = torch.zeros([2, 3, 4], { dtype: "float64" });
  expect([x.shape, x.size(), x.size(-1), x.dim(), x.numel(), x.itemSize, x.stride(), x.stride(1), x.storageOffset, x.layout, x.device]).toEqual([
    [2, 3, 4], [2, 3, 4], 4, 3, 24, 8, [12, 4, 1], 4, 0, "strided", "cpu",
  ]);
  expect(x.select(0, 1).storageOffset).toBe(12);
  for (const dim of [3, -4, 0.5, NaN, "0"]) expect(() => x.size(dim as number)).toThrow(/Expected an integer from -3 to 2 for dim/);
  expect(() => torch.ones([]).size(0)).toThrow("Expected no dimension (the tensor is a scalar) for dim but received 0 of type number.");
  expect(() => torch.eye(2).toSparse().stride()).toThrow(/A tensor of layout sparse has no strides/);
});

test("a tensor of one element stands for its number", () => {
  expect(+torch.tensor(2.5)).toBe(2.5);
  expect(Number(torch.tensor([4]))).toBe(4);
  expect(torch.tensor(2).valueOf()).toBe(2);
  for (const [wrong, came] of [[torch.ones([2]), "a tensor of 2 elements"], [torch.ones([0]), "a tensor of 0 elements"], [torch.complex(torch.ones([1]), torch.ones([1])), "a complex64 number"]] as const) {
    for (const use of [() => +wrong, () => (wrong as never) * 2, () => (wrong as never) < 5]) expect(use).toThrow(`received ${came}. Tensors have methods for it: t.mul(2)`);
    for (const text of [String(wrong), `${wrong}`, (wrong as never) + ""]) expect(text).toContain("tensor(");
    expect((wrong as never) == "a").toBe(false);
    expect(wrong.valueOf()).toBe(wrong);
  }
});
