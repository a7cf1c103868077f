// Checked by tsc, never run: see test/types.test.ts.
import { expectTypeOf } from "vitest";
import { torch, type Device, type DType, type Generator, type Tensor } from "../../lib/index.js";

declare const generator: Generator;
declare const like: Tensor;
declare const somewhere: string;

// Factories.
expectTypeOf(torch.zeros([2, 3])).toEqualTypeOf<Tensor>();
expectTypeOf(torch.zeros([2, 3], { dtype: "float64", device: "cuda:0", layout: "strided", pinMemory: false, requiresGrad: true })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.zeros({ size: [2, 3], dtype: null })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.ones(like.shape, { dtype: like.dtype, device: like.device })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.full([2], { re: 0, im: 1 }, { dtype: "complex64" })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.arange(5)).toEqualTypeOf<Tensor>();
expectTypeOf(torch.arange(0, 1, 0.1, { dtype: "float32" })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.linspace(0, 1, 11)).toEqualTypeOf<Tensor>();
expectTypeOf(torch.eye(3, { requiresGrad: true })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.randn([2], { generator })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.randint(10, [2])).toEqualTypeOf<Tensor>();
expectTypeOf(torch.randint(5, 10, [2], { generator, dtype: "int32" })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.randperm(10, { generator, device: "cpu" })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.zerosLike(like, { memoryFormat: "preserve", requiresGrad: true })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.randnLike(like, { generator })).toEqualTypeOf<Tensor>();
expectTypeOf(like.newZeros([2], { dtype: "int64" })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.zeros([2], { out: like })).toEqualTypeOf<Tensor>();

// @ts-expect-error sizes come in an array
torch.zeros(2, 3);
// @ts-expect-error sizes are numbers
torch.zeros(["2"]);
// @ts-expect-error size is missing
torch.zeros();
// @ts-expect-error size is missing
torch.zeros({ dtype: "float32" });
// @ts-expect-error fillValue is missing
torch.full([2], { dtype: "float32" });
// @ts-expect-error no such dtype
torch.zeros([2], { dtype: "float31" });
// @ts-expect-error no such device
torch.zeros([2], { device: "gpu" });
// @ts-expect-error any string may be no device
torch.zeros([2], { device: somewhere });
// @ts-expect-error misspelled
torch.zeros([2], { requireGrad: true });
// @ts-expect-error PyTorch's own spelling
torch.zeros([2], { requires_grad: true });
// @ts-expect-error not a boolean
torch.zeros([2], { requiresGrad: 1 });
// @ts-expect-error zeros draws nothing
torch.zeros([2], { generator });
// @ts-expect-error what is written into has a dtype
torch.zeros([2], { out: like, dtype: "float32" });
// @ts-expect-error what is written into has a dtype
torch.randn([2], { generator, out: like, dtype: "float32" });
// @ts-expect-error for operators that make tensors alone
torch.relu(like, { requiresGrad: true });

// From values.
expectTypeOf(torch.tensor([[1, 2], [3, 4]], { dtype: "float32", device: "cuda:0", requiresGrad: true })).toEqualTypeOf<Tensor>();
expectTypeOf(torch.tensor(new Float32Array(6), { shape: [2, 3] })).toEqualTypeOf<Tensor>();
// @ts-expect-error strings are no numbers
torch.tensor(["1"]);
// @ts-expect-error misspelled
torch.tensor([1], { dtyp: "float32" });

// What a tensor tells of itself: the class's own members, not the operators of the same names.
expectTypeOf(like.shape).toEqualTypeOf<readonly number[]>();
expectTypeOf(like.dtype).toEqualTypeOf<DType>();
expectTypeOf(like.device).toEqualTypeOf<Device>();
expectTypeOf(like.storageOffset).toEqualTypeOf<number>();
expectTypeOf(like.isLeaf).toEqualTypeOf<boolean>();
expectTypeOf(like.size()).toEqualTypeOf<readonly number[]>();
expectTypeOf(like.size(0)).toEqualTypeOf<number>();
expectTypeOf(like.stride(-1)).toEqualTypeOf<number>();
expectTypeOf(like.dim()).toEqualTypeOf<number>();
expectTypeOf(like.item()).toEqualTypeOf<number | bigint | boolean | { re: number; im: number }>();
expectTypeOf(like.grad).toEqualTypeOf<Tensor | null>();
expectTypeOf(like.requiresGrad_()).toEqualTypeOf<Tensor>();
expectTypeOf(like.to("float64")).toEqualTypeOf<Tensor>();
expectTypeOf(like.to({ dtype: "bfloat16", device: "cuda", nonBlocking: true })).toEqualTypeOf<Tensor>();
// @ts-expect-error read-only
like.shape = [1];
// @ts-expect-error no dtype and no device
like.to("float63");
// @ts-expect-error a dimension is a number
like.size("0");
// @ts-expect-error misspelled
like.backward({ retain_graph: true });

// Gradients.
declare const y: Tensor;
expectTypeOf(torch.autograd.grad(y, [like])).toEqualTypeOf<Tensor[]>();
expectTypeOf(torch.autograd.grad(y, [like], { allowUnused: true })).toEqualTypeOf<(Tensor | null)[]>();
expectTypeOf(torch.noGrad(() => 3)).toEqualTypeOf<number>();
expectTypeOf(torch.scope(async () => y)).toEqualTypeOf<Promise<Tensor>>();
// @ts-expect-error misspelled
torch.autograd.grad(y, [like], { createGrpah: true });
