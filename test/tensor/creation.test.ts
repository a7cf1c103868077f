import { describe, expect, test } from "vitest";
import { torch } from "../../lib/index.js";
import type { DType, Tensor } from "../../lib/index.js";
import { dtypes } from "../../lib/dtype.js";
import { needsPython, python, runPython } from "../support/python.js";

const facts = (tensor: Tensor) => [tensor.dtype, tensor.shape];

describe("torch.tensor", () => {
  test("its dtype comes from the elements, as PyTorch's does", () => {
    expect(facts(torch.tensor(1))).toEqual(["int64", []]);
    expect(facts(torch.tensor(2.5))).toEqual(["float32", []]);
    expect(facts(torch.tensor(true))).toEqual(["bool", []]);
    expect(facts(torch.tensor(1n))).toEqual(["int64", []]);
    expect(facts(torch.tensor({ re: 1, im: 0 }))).toEqual(["complex64", []]);
    expect(facts(torch.tensor([1, 2, 3]))).toEqual(["int64", [3]]);
    expect(facts(torch.tensor([1, 2.5]))).toEqual(["float32", [2]]);
    expect(facts(torch.tensor([true, 2]))).toEqual(["int64", [2]]);
    expect(facts(torch.tensor([1, { re: 0, im: 1 }]))).toEqual(["complex64", [2]]);
    expect(facts(torch.tensor([NaN]))).toEqual(["float32", [1]]);
    // 1e20 is no int64, and a number beyond 2⁵³ need not be the integer that was meant.
    expect(facts(torch.tensor([1e20]))).toEqual(["float32", [1]]);
    expect(facts(torch.tensor([2 ** 53]))).toEqual(["float32", [1]]);
    expect(torch.tensor([2n ** 53n + 1n]).toArray()).toEqual([2n ** 53n + 1n]);
  });

  test("nested arrays, empty ones too", () => {
    expect(torch.tensor([[[1], [2]], [[3], [4]], [[5], [6]]]).shape).toEqual([3, 2, 1]);
    expect(facts(torch.tensor([]))).toEqual(["float32", [0]]);
    expect(facts(torch.tensor([[], []]))).toEqual(["float32", [2, 0]]);
    expect(torch.tensor([[1, 2], [3, 4]]).toArray()).toEqual([[1, 2], [3, 4]]);
  });

  test("ragged arrays and other elements are refused by their place", () => {
    expect(() => torch.tensor([[1, 2], [3]])).toThrow("Expected an array of 2 for data[1], as its siblings are, but received an array of 1.");
    expect(() => torch.tensor([[1, 2], 3])).toThrow("Expected an array of 2 for data[1], as its siblings are, but received 3 of type number.");
    expect(() => torch.tensor([1, [2]] as never)).toThrow("Expected a number, bigint, boolean or {re, im} for data[1] but received an array of 1.");
    for (const wrong of ["1", null, undefined, {}, { re: 1 }, () => 1, Symbol("x"), new Date(0), new DataView(new ArrayBuffer(4))]) {
      expect(() => torch.tensor([0, wrong] as never)).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
      expect(() => torch.tensor(wrong as never)).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
    }
    expect(() => torch.tensor(torch.ones([1]) as never)).toThrow(/for data but received an object of type Tensor/);
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    for (const wrong of [cyclic, deep]) expect(() => torch.tensor(wrong as never)).toThrow("Expected arrays at most 64 deep for data but received deeper ones, or one that holds itself.");
    // eslint-disable-next-line no-sparse-arrays
    expect(() => torch.tensor([1, , 3] as never)).toThrow("for data[1] but received nothing.");
    expect(() => torch.tensor(new Array(3) as never)).toThrow("for data[0] but received nothing.");
  });

  test.each([
    [Float32Array, "float32"], [Float64Array, "float64"], [Int8Array, "int8"], [Int16Array, "int16"], [Int32Array, "int32"],
    [Uint8Array, "uint8"], [Uint8ClampedArray, "uint8"], [Uint16Array, "uint16"], [Uint32Array, "uint32"],
  ] as const)("from %o", (kind, dtype) => {
    const made = torch.tensor(kind.from([1, 2, 3, 4, 5, 6]), { shape: [2, 3] });
    expect([...facts(made), made.toArray()]).toEqual([dtype, [2, 3], [[1, 2, 3], [4, 5, 6]]]);
    expect(made.toTypedArray()).toBeInstanceOf(kind === Uint8ClampedArray ? Uint8Array : kind);
  });

  test("from BigInt64Array and BigUint64Array, whole range", () => {
    const signed = BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 5n);
    const unsigned = BigUint64Array.of(0n, 2n ** 64n - 1n);
    expect(torch.tensor(signed).toTypedArray()).toEqual(signed);
    expect(torch.tensor(unsigned).toTypedArray()).toEqual(unsigned);
    expect(torch.tensor(signed).toArray()).toEqual([-(2n ** 63n), 2n ** 63n - 1n, 5]);
  });

  test("a typed array is copied, and may be part of a buffer", () => {
    const source = Float32Array.of(1, 2, 3, 4);
    const made = torch.tensor(source.subarray(1, 3));
    source.fill(9);
    expect(made.toArray()).toEqual([2, 3]);
    const read = made.toTypedArray();
    read.fill(7 as never);
    expect(made.toArray()).toEqual([2, 3]);
  });

  test("shape must hold the elements", () => {
    expect(() => torch.tensor(new Float32Array(6), { shape: [2, 2] })).toThrow("Expected a shape of 6 elements for shape but received [2, 2] of 4.");
    for (const shape of [[-1, 6], [1.5, 4], [NaN], "6", 6, [6n]]) expect(() => torch.tensor(new Float32Array(6), { shape } as never)).toThrow(/Expected an array of sizes for shape/);
  });

  test("a dtype that is asked for", () => {
    for (const dtype of ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"] as DType[]) {
      const made = torch.tensor([[1, 2], [4, 8]], { dtype });
      expect([made.dtype, made.toArray(), made.itemSize]).toEqual([dtype, [[1, 2], [4, 8]], dtypes[dtype]!.size]);
    }
    for (const dtype of ["complex32", "complex64", "complex128"] as DType[]) {
      const made = torch.tensor([1, { re: 0.5, im: -2 }], { dtype });
      expect([made.dtype, made.toArray()]).toEqual([dtype, [{ re: 1, im: 0 }, { re: 0.5, im: -2 }]]);
    }
    expect(torch.tensor([0, 0.5, NaN, 3n, true], { dtype: "bool" }).toArray()).toEqual([false, true, true, true, true]);
    expect(torch.tensor([0.1], { dtype: "double" as DType }).toArray()).toEqual([0.1]);
    expect(torch.tensor([1, 4], { dtype: "float8_e8m0fnu" }).toArray()).toEqual([1, 4]);
    expect(torch.tensor([2n ** 64n - 1n, 2 ** 63], { dtype: "uint64" }).toArray()).toEqual([2n ** 64n - 1n, 2n ** 63n]);
  });

  test("values that the dtype does not hold are refused", () => {
    const refused = (data: unknown, dtype: DType) => expect(() => torch.tensor(data as never, { dtype }), `${String(data)} as ${dtype}`).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
    refused([300], "uint8");
    refused([-1], "uint8");
    refused([128], "int8");
    refused([2 ** 31], "int32");
    refused([2n ** 63n], "int64");
    refused([2 ** 63], "int64");
    refused([2n ** 64n], "uint64");
    refused([-1n], "uint64");
    for (const value of [1.5, NaN, Infinity]) refused([value], "int64");
    refused([{ re: 1, im: 2 }], "float32");
    refused([{ re: 1, im: 0 }], "int64");
    refused([1], "qint8");
    expect(() => torch.tensor([2n ** 63n])).toThrow(/Expected integers from -9223372036854775808 to 9223372036854775807 \(the dtype is int64\) for data but received 9223372036854775808n/);
    expect(torch.tensor([127, -128], { dtype: "int8" }).toArray()).toEqual([127, -128]);
  });

  test("options", () => {
    expect(torch.tensor([1.5], { requiresGrad: true }).requiresGrad).toBe(true);
    expect(torch.tensor([1.5], { requiresGrad: false, dtype: undefined as never, device: "cpu" }).requiresGrad).toBe(false);
    expect(torch.tensor([1.5], { device: "meta" }).device).toBe("meta");
    expect(() => torch.tensor([1], { requiresGrad: true })).toThrow(/Only tensors of a floating or complex dtype can require gradients, and this one is int64/);
    expect(() => torch.tensor([1], { dtpye: "float32" } as never)).toThrow('Did you mean "dtype"?');
    expect(() => torch.tensor([1], { dtype: "float" + "33" } as never)).toThrow('Expected a dtype for dtype but received "float33" of type string. Did you mean "float32"?');
    for (const wrong of [null, 5, "float32", [1]]) expect(() => torch.tensor([1], wrong as never)).toThrow(/Expected an object for options/);
    expect(() => torch.tensor([1.5], { requiresGrad: 1 } as never)).toThrow("Expected a boolean for requiresGrad but received 1 of type number.");
  });
});

describe("torch.fromBuffer", () => {
  test("bytes in any dtype", () => {
    expect(torch.fromBuffer(Uint8Array.of(0x80, 0x3f, 0x00, 0xc0), "bfloat16", [2]).toArray()).toEqual([1, -2]);
    expect(torch.fromBuffer(Uint8Array.of(0x00, 0x3c), "float16", []).item()).toBe(1);
    expect(torch.fromBuffer(Float64Array.of(1, 2).buffer, "complex128", [1]).toArray()).toEqual([{ re: 1, im: 2 }]);
    expect(torch.fromBuffer(new DataView(Int32Array.of(7, 8).buffer, 4), "int32", [1]).toArray()).toEqual([8]);
    expect(torch.fromBuffer(Buffer.from([1, 0]), "bool", [2]).toArray()).toEqual([true, false]);
    expect(torch.fromBuffer(new ArrayBuffer(0), "float32", [0, 3]).shape).toEqual([0, 3]);
  });

  test("what does not fit", () => {
    expect(() => torch.fromBuffer(new ArrayBuffer(5), "float32", [1])).toThrow(/Expected 4 bytes for the shape and dtype but received 5/);
    expect(() => torch.fromBuffer([1] as never, "float32", [1])).toThrow(/Expected a typed array or an ArrayBuffer for bytes/);
    expect(() => torch.fromBuffer(new ArrayBuffer(4), "floaty" as never, [1])).toThrow(/Expected a dtype/);
    expect(() => torch.fromBuffer(new ArrayBuffer(4), "float32", [2 ** 50, 2 ** 50])).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
    expect(() => torch.fromBuffer(new ArrayBuffer(4), "float32", [-1])).toThrow(/Expected an array of sizes/);
  });
});

describe("factories", () => {
  test("take dtype, device and requiresGrad", () => {
    const made = torch.zeros([2, 3], { dtype: "float64", requiresGrad: true });
    expect([made.dtype, made.requiresGrad, made.isLeaf]).toEqual(["float64", true, true]);
    expect(torch.onesLike(made).requiresGrad).toBe(false);
    expect(torch.full([2], 7).dtype).toBe("int64");
    expect(torch.full([2], 7.5).toArray()).toEqual([7.5, 7.5]);
    expect(torch.arange(0, 1, 0.25).toArray()).toEqual([0, 0.25, 0.5, 0.75]);
    expect(torch.linspace(0, 1, 5).toArray()).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(torch.eye(2).toArray()).toEqual([[1, 0], [0, 1]]);
    expect(() => torch.zeros([1], { requiresGrad: "yes" } as never)).toThrow("Expected a boolean for requiresGrad of aten::zeros but received \"yes\" of type string.");
  });
});

describe.skipIf(python === null)(`beside ${needsPython}`, () => {
  test("rounding into each floating dtype", () => {
    const numbers = [0.1, -0.1, 1 / 3, 65504, 65520, 1e-8, 3.3895313892515355e38, 448, 500, 1e39, -0, 5.960464477539063e-8];
    const floats: DType[] = ["float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"];
    const theirs = runPython<string[][]>(
      "outputs = [[str(v) for v in torch.tensor([float(n) for n in inputs[0]], dtype=getattr(torch, d)).to(torch.float64).tolist()] for d in inputs[1]]",
      [numbers.map((value) => (Object.is(value, -0) ? "-0.0" : String(value))), floats],
    );
    const asPython = (value: unknown) => (Object.is(value, -0) ? "-0.0" : value === Infinity ? "inf" : value === -Infinity ? "-inf" : Number.isNaN(value) ? "nan" : Number(value));
    const parsed = theirs.map((row) => row.map((text) => (text === "-0.0" || /inf|nan/.test(text) ? text : Number(text))));
    expect(floats.map((dtype) => (torch.tensor(numbers, { dtype }).toArray() as number[]).map(asPython))).toEqual(parsed);
  });
});
