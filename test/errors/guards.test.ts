import { describe, expect, test } from "vitest";
import { SteppeError, torch, type Tensor } from "../../lib/index.js";
import { guards } from "../../lib/guards.js";
import { native } from "../../lib/native.js";
import { DEFAULT_VERSION } from "../../scripts/setup/libtorch.js";

// Calls that LibTorch does not check and that would end the process, each beside one that is right.

const x = torch.ones([2, 3, 4]);
const c = torch.ones([3]);
const minor = (version: string) => version.split(".").slice(0, 2).join(".");
const call = (name: string, ...args: unknown[]) => torch.ops.call(name, ...args);

/** The message, in one line. */
function refusal(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    expect(error).toBeInstanceOf(SteppeError);
    expect((error as SteppeError).code).toBe("ARGUMENT");
    return (error as SteppeError).message;
  }
  throw new Error("Expected it to be refused.");
}

describe("refused, and its right neighbour", () => {
  test("an empty list", () => {
    expect(refusal(() => call("aten::_stack", []))).toBe(
      "Expected at least one tensor for tensors of aten::_stack but received an array of 0. LibTorch would not check it.",
    );
    expect((call("aten::_stack", [c, c]) as Tensor).shape).toEqual([2, 3]);
  });

  test("lists of different lengths", () => {
    expect(refusal(() => call("aten::_foreach_copy", [c], [c, c]))).toMatch(/^Expected an array as long as self for src /);
    expect(call("aten::_foreach_copy", [c], [c.mul(2)])).toHaveLength(1);
  });

  test("batch norm by statistics that are not there, or of another number of channels", () => {
    const norm = (mean: Tensor | null, variance: Tensor | null, training: boolean) => torch.nativeBatchNorm(x, null, null, mean, variance, training, 0.1, 1e-5);
    expect(refusal(() => norm(null, null, false))).toMatch(/^Expected a tensor where training is false for runningMean /);
    expect(refusal(() => norm(torch.ones([2]), torch.ones([2]), false))).toMatch(/^Expected a tensor with one element per channel of input for runningMean /);
    expect(norm(c, c, false)[0].shape).toEqual([2, 3, 4]);
    expect(norm(null, null, true)[0].shape).toEqual([2, 3, 4]);
  });

  test("padding of the wrong length, gradients of the wrong shape", () => {
    const backward = (grad: Tensor, padding: number[]) => torch.reflectionPad1dBackward(grad, x, padding);
    expect(refusal(() => backward(torch.ones([2, 3, 6]), []))).toMatch(/^Expected an array of 2 for padding /);
    expect(refusal(() => backward(torch.ones([6]), [1, 1]))).toMatch(/^Expected a tensor with the same batch and channels as self for gradOutput /);
    expect(backward(torch.ones([2, 3, 6]), [1, 1]).toArray()).toEqual(torch.tensor([1, 2, 2, 1], { dtype: "float32" }).expand([2, 3, 4]).toArray());
  });

  test("counts without end", () => {
    expect(refusal(() => torch.binomial(torch.tensor([Infinity]), torch.tensor([0.5])))).toMatch(/^Expected a tensor of finite numbers for count /);
    expect(torch.binomial(torch.tensor([4, 4], { dtype: "float32" }), torch.tensor([0, 1], { dtype: "float32" })).toArray()).toEqual([0, 4]);
  });

  test("an output of another dtype", () => {
    expect(refusal(() => call("aten::_logcumsumexp.out", c, 0, { out: torch.ones([3], { dtype: "int16" }) }))).toMatch(/^Expected a tensor of the dtype of self for out /);
    expect((call("aten::_logcumsumexp.out", c, 0, { out: torch.ones([3]) }) as Tensor).shape).toEqual([3]);
  });

  test("gains that do not fit", () => {
    expect(refusal(() => call("aten::_weight_norm", torch.ones([4, 1]), torch.ones([2, 5, 4, 0])))).toMatch(/for g of aten::_weight_norm /);
    expect((call("aten::_weight_norm", torch.ones([4, 1]), torch.full([4, 1], 3, { dtype: "float32" })) as Tensor).toArray()).toEqual([[3], [3], [3], [3]]);
  });

  test("rows that are not there", () => {
    const backward = (indices: number[]) => torch.embeddingDenseBackward(torch.ones([2, 3]), torch.tensor(indices), 4, -1, false);
    expect(refusal(() => backward([1, 4]))).toMatch(/^Expected a tensor of integers from 0 to num_weights − 1 for indices /);
    expect(refusal(() => backward([1]))).toMatch(/^Expected a tensor with the shape of indices and one dimension more for gradOutput /);
    expect(backward([1, 1]).sum(1).toArray()).toEqual([0, 6, 0, 0]);
  });

  test("scales that do not lead from one size to the other", () => {
    const resize = (scale: number) => call("aten::_upsample_bilinear2d_aa", torch.ones([1, 1, 4, 4]), [2, 2], false, scale, 0.5) as Tensor;
    expect(refusal(() => resize(1e-5))).toMatch(/^Expected what leads from self's size to output_size's for scalesH /);
    expect(resize(0.5).shape).toEqual([1, 1, 2, 2]);
  });

  test("parts of other operators", () => {
    expect(refusal(() => call("aten::_remove_batch_dim", x, -1, 4, -7))).toBe(
      "aten::_remove_batch_dim is a part of functorch's vmap and checks nothing by itself: it cannot be called alone.",
    );
  });
});

test("operators of the table exist, with the arguments that its rules speak of", () => {
  // Another LibTorch may lack some.
  if (minor(torch.libtorch.version) !== minor(DEFAULT_VERSION)) return;
  for (const [name, rules] of Object.entries(guards)) {
    const overloads = native.family(name.split(".")[0]!).filter((overload) => !name.includes(".") || overload.name === name);
    expect(overloads, name).not.toEqual([]);
    const known = new Set(overloads.flatMap((overload) => overload.arguments.map((argument) => argument.name)));
    if (!("partOf" in rules)) for (const { argument } of rules) expect(known, name).toContain(argument);
  }
});
