import { describe, expect, test } from "vitest";
import { Generator, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { native } from "../../lib/native.js";

// Every type that LibTorch's schemas name, into operators and out of them.

const call = (name: string, ...args: unknown[]) => torch.ops.call(name, ...args);
const tensorOf = (name: string, ...args: unknown[]) => call(name, ...args) as Tensor;
const values = (result: unknown) => (result as Tensor).toArray();
const x = torch.tensor([1, 2, 3], { dtype: "float32" });

describe("arguments", () => {
  test("Tensor, optional or not", () => {
    expect(values(call("aten::add.Tensor", x, x))).toEqual([2, 4, 6]);
    const rows = torch.tensor([[1, 2], [3, 4]], { dtype: "float32" });
    const bias = torch.tensor([10, 20], { dtype: "float32" });
    expect(values(call("aten::linear", rows, rows, bias))).toEqual([[15, 31], [21, 45]]);
    for (const none of [[], [null], [undefined]]) expect(values(call("aten::linear", rows, rows, ...none))).toEqual([[5, 11], [11, 25]]);
  });

  test("lists of tensors, with gaps where the schema allows them", () => {
    expect(values(call("aten::cat", [x, x.neg()]))).toEqual([1, 2, 3, -1, -2, -3]);
    const grid = torch.arange(6).reshape([2, 3]);
    expect(values(call("aten::index.Tensor", grid, [null, torch.tensor([2, 0])]))).toEqual([[2, 0], [5, 3]]);
    expect(() => call("aten::cat", [x, null])).toThrow("Expected a Tensor for tensors[1] of aten::cat but received null.");
  });

  test("int: numbers and bigints, to the ends of int64", () => {
    expect(values(call("aten::arange.start", 2, 5n))).toEqual([2, 3, 4]);
    const extremes = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n];
    for (const value of extremes) expect(values(call("aten::full", [1], value, { dtype: "int64" }))).toEqual([value]);
    expect(() => call("aten::select.int", x, 0, 2n ** 63n)).toThrow(/Expected an integer of 64 bits for index/);
    for (const wrong of [0.5, NaN, Infinity, "0", true]) expect(() => call("aten::select.int", x, 0, wrong)).toThrow(/Expected an integer for index/);
    // No JavaScript number beyond 2⁵³ is known to be the integer that was meant.
    expect(() => call("aten::select.int", x, 0, 2 ** 60)).toThrow(/Expected an integer for index/);
  });

  test("lists of int: arrays, typed arrays, one number for all where the schema gives a length", () => {
    const image = torch.ones([1, 1, 4, 4]);
    for (const size of [2, [2], [2, 2], new Int32Array([2, 2]), new BigInt64Array([2n, 2n])]) expect(tensorOf("aten::avg_pool2d", image, size).shape).toEqual([1, 1, 2, 2]);
    expect(tensorOf("aten::zeros", []).shape).toEqual([]);
    expect(tensorOf("aten::sum.dim_IntList", torch.ones([2, 3]), null).item()).toBe(6);
    expect(() => call("aten::zeros", 2)).toThrow(/Expected an array \(of an integer each\) for size/);
    expect(() => call("aten::zeros", [1.5])).toThrow(/Expected an integer for size\[0\] of aten::zeros but received 1\.5 /);
  });

  test("float, optional or not, and lists of them", () => {
    const input = torch.tensor([0.5], { dtype: "float64" });
    expect(values(call("aten::elu", input.neg(), 2))).toEqual([expect.closeTo(2 * (Math.exp(-0.5) - 1), 15)]);
    expect(values(call("aten::nan_to_num", torch.tensor([NaN, Infinity, -Infinity]), null, 7, null))).toEqual([0, 7, expect.closeTo(-3.4028234663852886e38, -30)]);
    const image = torch.ones([1, 1, 2, 2]);
    expect(tensorOf("aten::upsample_nearest2d.vec", image, null, [2, 1.5]).shape).toEqual([1, 1, 4, 3]);
    expect(() => call("aten::dropout", x, "0.5", true)).toThrow(/Expected a number for p/);
  });

  test("bool, optional or not, and lists of them", () => {
    expect(tensorOf("aten::sum.dim_IntList", torch.ones([2, 3]), [1], true).shape).toEqual([2, 1]);
    expect(values(call("aten::std.correction", x, null, { correction: 0, keepdim: true }))).toEqual([expect.closeTo(Math.sqrt(2 / 3), 6)]);
    expect(() => call("aten::sum.dim_IntList", torch.ones([2, 3]), [1], 1)).toThrow(/Expected a boolean for keepdim/);
    const backward = (mask: unknown) => call("aten::native_layer_norm_backward", torch.ones([2, 3]), torch.ones([2, 3]), [3], torch.ones([2, 1]), torch.ones([2, 1]), torch.ones([3]), torch.ones([3]), mask);
    expect((backward([false, true, true]) as (Tensor | null)[]).map((gradient) => gradient?.shape)).toEqual([undefined, [3], [3]]);
    expect(() => backward([true, 1, 1])).toThrow(/Expected a boolean for outputMask\[1\] .* received 1 of type number/);
    expect(() => backward([true, true])).toThrow(/Expected an array of 3 \(a boolean each\) for outputMask .* received an array of 2/);
  });

  test("Scalar: 2 is an integer and 2.5 is not, as in Python", () => {
    const whole = torch.tensor([1, 2]);
    expect(tensorOf("aten::add.Scalar", whole, 2).dtype).toBe("int64");
    expect(tensorOf("aten::add.Scalar", whole, 2.5).dtype).toBe("float32");
    expect(tensorOf("aten::add.Scalar", whole, true).toArray()).toEqual([2, 3]);
    expect(tensorOf("aten::add.Scalar", whole, { re: 0, im: 1 }).toArray()).toEqual([{ re: 1, im: 1 }, { re: 2, im: 1 }]);
    expect(tensorOf("aten::add.Scalar", whole, 2n ** 60n).toArray()).toEqual([2n ** 60n + 1n, 2n ** 60n + 2n]);
    expect(tensorOf("aten::full", [1], 2n ** 64n - 1n, { dtype: "uint64" }).toArray()).toEqual([2n ** 64n - 1n]);
    expect(tensorOf("aten::full", [], NaN).item()).toBeNaN();
    expect(tensorOf("aten::full", [], -Infinity).item()).toBe(-Infinity);
    expect(Object.is(tensorOf("aten::full", [], -0, { dtype: "float64" }).item(), -0)).toBe(true);
    expect(() => call("aten::add.Scalar", whole, 2n ** 64n)).toThrow(/Expected an integer of 64 bits for other/);
    expect(() => call("aten::add.Scalar", whole, "2")).toThrow(/Expected a number, bigint, boolean or {re, im} for other/);
  });

  test("Scalar, optional, and lists of them", () => {
    expect(values(call("aten::clamp", x, null, 2))).toEqual([1, 2, 2]);
    expect(values(call("aten::clamp", x, 2))).toEqual([2, 2, 3]);
    const sums = call("aten::_foreach_add.ScalarList", [x, x], [1, 0.5]) as Tensor[];
    expect(sums.map(values)).toEqual([[2, 3, 4], [1.5, 2.5, 3.5]]);
  });

  test("str, optional or not", () => {
    expect(values(call("aten::div.Tensor_mode", x, torch.tensor([2]), { rounding_mode: "floor" }))).toEqual([0, 1, 1]);
    expect(values(call("aten::div.Tensor_mode", x, torch.tensor([2]), { roundingMode: null }))).toEqual([0.5, 1, 1.5]);
    const grids = call("aten::meshgrid.indexing", [x, x.narrow(0, 0, 2)], { indexing: "xy" }) as Tensor[];
    expect(grids.map((grid) => grid.shape)).toEqual([[2, 3], [2, 3]]);
    expect(values(call("aten::einsum", "i,i->", [x, x]))).toBe(14);
  });

  test("ScalarType, Layout, Device, MemoryFormat by their names", () => {
    const made = tensorOf("aten::empty.memory_format", [1, 2, 3, 4], { dtype: "int16", layout: "strided", device: "cpu", pinMemory: false, memoryFormat: "channels_last" });
    expect([made.dtype, made.layout, made.device, made.stride()]).toEqual(["int16", "strided", "cpu", [24, 1, 8, 2]]);
    expect(tensorOf("aten::_to_copy", x, { dtype: "double" }).dtype).toBe("float64");
    expect(tensorOf("aten::contiguous", made, { memoryFormat: "contiguous" }).stride()).toEqual([24, 12, 4, 1]);
    expect(call("aten::is_contiguous.memory_format", made, "channels_last")).toBe(true);
    expect(tensorOf("aten::zeros", [2], { device: "meta" }).device).toBe("meta");
    expect(tensorOf("aten::to_sparse", x, { layout: "sparse" }).layout).toBe("sparse");
    expect(() => call("aten::zeros", [1], { layout: "dense" })).toThrow(/Expected a layout \(strided, sparse, .*\) for layout but received "dense"/);
    expect(() => call("aten::clone", x, { memoryFormat: "nhwc" })).toThrow(/Expected a memory format \(contiguous, preserve, channels_last, channels_last_3d\) for memory_format/);
  });

  test("Generator", () => {
    const generator = new Generator().manualSeed(3);
    const first = values(call("aten::randn.generator", [2], { generator }));
    expect(values(call("aten::randn.generator", [2], { generator: generator.manualSeed(3) }))).toEqual(first);
    expect(() => call("aten::randn.generator", [2], { generator: 3 })).toThrow(/Expected a Generator or null for generator/);
  });

  test("types that have no value in JavaScript are refused by name", () => {
    const [operator] = torch.ops.schemas().filter((schema) => schema.startsWith("quantized::linear(Tensor X, __torch__"));
    expect(operator).toBeDefined();
    expect(() => call("quantized::linear", x, {}, 1, 0)).toThrow(/Expected a value that JavaScript does not have for W_?[pP]repack/);
  });
});

describe("results", () => {
  test("one comes back as itself, several as an array, none as undefined", () => {
    expect(values(call("aten::neg", x))).toEqual([-1, -2, -3]);
    const [greatest, at] = call("aten::max.dim", x, 0) as Tensor[];
    expect([greatest!.item(), at!.item()]).toEqual([3, 2]);
    expect(call("aten::_foreach_neg_", [x.clone()])).toBeUndefined();
  });

  test("lists of tensors", () => {
    expect((call("aten::split.Tensor", x, 2) as Tensor[]).map(values)).toEqual([[1, 2], [3]]);
    expect((call("aten::unbind.int", x) as Tensor[]).map(values)).toEqual([1, 2, 3]);
  });

  test("undefined tensors come as null", () => {
    const [grad, mask] = call("aten::native_layer_norm_backward", torch.ones([2, 3]), torch.ones([2, 3]), [3], torch.ones([2, 1]), torch.ones([2, 1]), null, null, [true, false, false]) as (Tensor | null)[];
    expect(grad!.shape).toEqual([2, 3]);
    expect(mask).toBeNull();
  });

  test("int, float, bool", () => {
    expect(call("aten::size.int", x, 0)).toBe(3);
    expect(call("aten::equal", x, x)).toBe(true);
    expect(call("aten::is_nonzero", torch.tensor([0]))).toBe(false);
    const [scale, zero] = call("aten::_choose_qparams_per_tensor", x) as number[];
    expect(scale).toBeCloseTo(3 / 255, 6);
    expect(zero).toBe(0);
    const q = tensorOf("aten::quantize_per_tensor", x, 0.5, 10, "quint8");
    expect([call("aten::q_scale", q), call("aten::q_zero_point", q)]).toEqual([0.5, 10]);
  });

  test("Scalar", () => {
    expect(call("aten::item", torch.tensor([7]))).toBe(7);
    expect(call("aten::item", torch.tensor([2n ** 62n]))).toBe(2n ** 62n);
    expect(call("aten::item", torch.tensor([2n ** 63n], { dtype: "uint64" }))).toBe(2n ** 63n);
    expect(call("aten::item", torch.tensor([0.5]))).toBe(0.5);
    expect(call("aten::item", torch.tensor([true]))).toBe(true);
    expect(call("aten::item", torch.tensor([{ re: 1, im: -2 }]))).toEqual({ re: 1, im: -2 });
    expect(call("aten::item", torch.tensor([NaN]))).toBeNaN();
  });

  test("ScalarType", () => {
    expect(call("aten::result_type.Scalar", torch.tensor([1]), 0.5)).toBe("float32");
    expect(call("aten::promote_types", "int64", "bfloat16")).toBe("bfloat16");
    expect(call("aten::promote_types", "float16", "bfloat16")).toBe("float32");
  });

  test("what has no form in JavaScript is an error", () => {
    expect(() => call("quantized::linear_prepack", tensorOf("aten::quantize_per_tensor", torch.ones([2, 2]), 0.5, 0, "qint8"))).toThrow(/has no JavaScript form/);
  });
});

describe("in place, and into given results", () => {
  test("in place: the operand itself comes back, changed", () => {
    const y = torch.tensor([1, 2, 3]);
    expect(y.add_(1)).toBe(y);
    expect(y.toArray()).toEqual([2, 3, 4]);
    expect(torch.relu_(y.neg_())).toBe(y);
    expect(y.toArray()).toEqual([0, 0, 0]);
  });

  test("out: the given tensor comes back, written and resized; several by their names", () => {
    const out = torch.zeros([3]);
    expect(torch.add(torch.tensor([1, 2, 3]), torch.tensor([10, 20, 30]), { out })).toBe(out);
    expect(out.toArray()).toEqual([11, 22, 33]);
    const [max, maxValues] = [torch.empty([0]), torch.empty([0], { dtype: "int64" })];
    const given = torch.tensor([[0.5, 5], [7, 2]]);
    call("aten::max.dim_max", given, 1, { max, max_values: maxValues });
    expect([max.toArray(), (maxValues.toArray() as unknown[]).map(Number)]).toEqual([[5, 7], [1, 0]]);
    expect(() => torch.add(given, given, { out: torch.zeros([2, 2], { dtype: "int64" }) })).toThrow(/can't be cast/);
  });
});

test("what operators give back, of the types that can be given and taken, is of seven kinds", () => {
  const kinds = new Set<string>();
  for (const name of new Set(torch.ops.schemas().map((schema) => schema.slice(0, schema.search(/[.(]/))))) {
    for (const { arguments: args, returns } of native.family(name)) {
      if ([...args, ...returns].some(({ kind }) => kind === "unsupported")) continue;
      for (const { kind, list } of returns) kinds.add(list ? `${kind}[]` : kind);
    }
  }
  expect([...kinds].sort()).toEqual(["Scalar", "ScalarType", "Tensor", "Tensor[]", "bool", "float", "int"]);
});

test("no operator has an argument of a type that is not known here", () => {
  const known = new Set(["Tensor", "int", "float", "bool", "Scalar", "str", "ScalarType", "Layout", "Device", "MemoryFormat", "Generator"]);
  const types = new Set<string>();
  for (const name of new Set(torch.ops.schemas().map((schema) => schema.slice(0, schema.search(/[.(]/))))) {
    for (const { arguments: args, returns, schema } of native.family(name)) {
      for (const { kind } of [...args, ...returns]) {
        if (!known.has(kind)) types.add(kind);
        if (kind === "unsupported") expect(schema).toMatch(/__torch__|\bAny\b|Stream|Storage|QScheme|Dict|str\[\]\[\]|Future|RRef/);
      }
    }
  }
  expect([...types]).toEqual(["unsupported"]);
});
