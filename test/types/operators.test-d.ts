// Checked by tsc, never run: see test/types.test.ts. Each line under @ts-expect-error has to be an error, so none of these
// types can turn into `any` unnoticed.
import { expectTypeOf } from "vitest";
import { torch, type Generator, type Tensor } from "../../lib/index.js";

declare const a: Tensor;
declare const b: Tensor;
declare const x: Tensor;
declare const generator: Generator;
declare const number: number;
declare const either: Tensor | number;

// Arguments by position, then by name.
expectTypeOf(a.add(b, { alpha: 2 })).toEqualTypeOf<Tensor>();
expectTypeOf(a.add(2, 3)).toEqualTypeOf<Tensor>();
expectTypeOf(a.add({ other: b })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.add(a, b, { alpha: 2n, out: x })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.add({ self: a, other: b })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.cat([a, b], 1)).toEqualTypeOf<Tensor>();
expectTypeOf(torch.stack([a, b], { dim: 1 })).toEqualTypeOf<Tensor>();
expectTypeOf(x.sum()).toEqualTypeOf<Tensor>();
expectTypeOf(x.sum([0, 1], { keepdim: true })).toEqualTypeOf<Tensor>();
expectTypeOf(x.sum({ dim: 1, dtype: "float64" })).toEqualTypeOf<Tensor>();
expectTypeOf(x.sum(null, true, { dtype: null })).toEqualTypeOf<Tensor>();
expectTypeOf(x.mul(either)).toEqualTypeOf<Tensor>();
expectTypeOf(x.mul({ re: 0, im: 1 })).toEqualTypeOf<Tensor>();
expectTypeOf(x.clamp({ max: 1 })).toEqualTypeOf<Tensor>();
expectTypeOf(x.clamp(null, 1)).toEqualTypeOf<Tensor>();
expectTypeOf(torch.where(x.gt(0), x, 0)).toEqualTypeOf<Tensor>();
expectTypeOf(torch.conv2d(x, a, null, { stride: 2, padding: [1, 1] })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.conv2d(x, a, b, 1, "same")).toEqualTypeOf<Tensor>();
expectTypeOf(x.reshape(x.shape)).toEqualTypeOf<Tensor>();
expectTypeOf(x.view(new BigInt64Array([2n, -1n]))).toEqualTypeOf<Tensor>();
expectTypeOf(x.index([null, a])).toEqualTypeOf<Tensor>();
expectTypeOf(x.div(2, { roundingMode: "floor" })).toEqualTypeOf<Tensor>();
expectTypeOf(x.contiguous({ memoryFormat: "channels_last" })).toEqualTypeOf<Tensor>();

// Results.
expectTypeOf(x.max()).toEqualTypeOf<Tensor>();
expectTypeOf(x.max(b)).toEqualTypeOf<Tensor>();
expectTypeOf(x.max(1)).toEqualTypeOf<[values: Tensor, indices: Tensor]>();
expectTypeOf(torch.max(x, 1, { keepdim: true, max: a, maxValues: b })).toEqualTypeOf<[values: Tensor, indices: Tensor]>();
expectTypeOf(x.chunk(2)).toEqualTypeOf<Tensor[]>();
expectTypeOf(torch.split(x, [2, 3], 1)).toEqualTypeOf<Tensor[]>();
expectTypeOf(torch.where(x)).toEqualTypeOf<Tensor[]>();
expectTypeOf(torch.linalgSvd(x)).toEqualTypeOf<[U: Tensor, S: Tensor, Vh: Tensor]>();
expectTypeOf(x.equal(b)).toEqualTypeOf<boolean>();
expectTypeOf(x.denseDim()).toEqualTypeOf<number>();
expectTypeOf(torch.resultType(x, 2)).toEqualTypeOf<ReturnType<typeof torch.promoteTypes>>();
expectTypeOf(torch.unbindCopy(x, { out: [a, b] })).toEqualTypeOf<void>();

// In place: the same object, of the same type.
class Image extends torch.Tensor {}
declare const image: Image;
expectTypeOf(image.mul_(2)).toEqualTypeOf<Image>();
expectTypeOf(image.normal_(0, 1, { generator })).toEqualTypeOf<Image>();
expectTypeOf(image.mul(2)).toEqualTypeOf<Tensor>();

// Any operator by its schema's name.
expectTypeOf(torch.ops.call("aten::add.Tensor", a, b, { alpha: 2 })).toEqualTypeOf<unknown>();
expectTypeOf(torch.ops.schemas()).toEqualTypeOf<string[]>();

// Namespaces.
expectTypeOf(torch.linalg.svd(x)).toEqualTypeOf<[U: Tensor, S: Tensor, Vh: Tensor]>();
expectTypeOf(torch.linalg.norm).toEqualTypeOf(torch.linalgNorm);
expectTypeOf(torch.fft.rfft(x, { norm: "ortho" })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.special.erf(x)).toEqualTypeOf<Tensor>();

// Wrong types.
// @ts-expect-error a string is no tensor
a.add("b");
// @ts-expect-error an array is no tensor
torch.relu([1, 2]);
// @ts-expect-error a list of tensors, not a tensor
torch.cat(a, 1);
// @ts-expect-error an element that is no tensor
torch.cat([a, 1]);
// @ts-expect-error a dimension is a number
x.softmax("1");
// @ts-expect-error not a dtype
x.sum({ dim: 1, dtype: "float" + number });
// @ts-expect-error not a dtype
x.sum({ dtype: "float33" });
// @ts-expect-error not a memory format
x.contiguous({ memoryFormat: "channelsLast" });
// @ts-expect-error null where there is no default to stand for
x.matmul(null);
// @ts-expect-error not a generator
x.normal_(0, 1, { generator: 7 });
// @ts-expect-error half a complex number
x.mul({ re: 1 });
// @ts-expect-error a result that is not a pair
const [value, index] = x.max();

// Missing arguments.
// @ts-expect-error other is missing
a.add();
// @ts-expect-error other is missing
a.add({ alpha: 2 });
// @ts-expect-error weight is missing
torch.conv2d(x);
// @ts-expect-error only one of two tensors for the results
torch.max(x, 1, { keepdim: true, max: a });
// @ts-expect-error dim goes with keepdim
x.sum({ keepdim: true });

// Misspelled and unknown options, and those that belong to another overload.
// @ts-expect-error alpha
a.add(b, { alhpa: 2 });
// @ts-expect-error keepdim
x.sum([0, 1], { keepDim: true });
// @ts-expect-error camelCase
x.div(2, { rounding_mode: "floor" });
// @ts-expect-error no out in methods
a.add(b, { out: x });
// @ts-expect-error alpha is not there for mul
a.mul(b, { alpha: 2 });

// Too many arguments, or twice the same.
// @ts-expect-error relu takes none
x.relu(1);
// @ts-expect-error alpha by position is for numbers alone
a.add(b, 2);
// @ts-expect-error dim by position and by name
torch.cat([a, b], 1, { dim: 1 });
// @ts-expect-error nothing comes after the options
x.sum([0], { keepdim: true }, { dtype: "float64" });

// A tensor, an array or a string does not name arguments, whatever properties it has.
// @ts-expect-error a tensor has a dtype
x.sum(b);
// @ts-expect-error a tensor has a dtype and a device
torch.zeros([2], b);
// @ts-expect-error an array has a length
x.narrow(0, 1, [2]);
// @ts-expect-error a string has a length
x.narrow(0, 1, "2");

// What there is not.
// @ts-expect-error misspelled
torch.softmaxx(x, 1);
// @ts-expect-error misspelled
x.matmull(b);
// @ts-expect-error an inner operator
x._softmax(1, false);
// @ts-expect-error not in the namespace
torch.fft.svd(x);
// @ts-expect-error names are strings
torch.ops.call(1);
