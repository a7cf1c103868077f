import { describe, expect, expectTypeOf, test } from "vitest";
import { SteppeError, torch, type Tensor } from "../../lib/index.js";

describe("conversions", () => {
  const x = torch.tensor([-1.5, 0, 2.75]);

  test("each gives its dtype", () => {
    const dtypes = [x.double(), x.float(), x.half(), x.bfloat16(), x.long(), x.int(), x.short(), x.char(), x.byte(), x.bool()].map((t) => t.dtype);
    expect(dtypes).toEqual(["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]);
  });

  test("integers drop what is behind the point, booleans tell what is not 0", () => {
    expect(x.long().toArray()).toEqual([-1, 0, 2]);
    expect(x.int().toArray()).toEqual([-1, 0, 2]);
    expect(x.bool().toArray()).toEqual([true, false, true]);
  });

  test("gives itself where nothing changes", () => {
    expect(x.float().dataPointer).toBe(x.dataPointer);
    expect(x.cpu().dataPointer).toBe(x.dataPointer);
  });

  test("gradients pass through", () => {
    const w = torch.tensor([1, 2], { dtype: "float32", requiresGrad: true });
    w.double().mul(3).sum().backward();
    expect(w.grad!.toArray()).toEqual([3, 3]);
    expect(w.grad!.dtype).toBe("float32");
  });

  test("a device that is not there", () => {
    expect(() => x.cuda(99)).toThrow(SteppeError);
    expect(() => x.cuda(-1)).toThrow(SteppeError);
  });
});

describe("transposes", () => {
  const m = torch.tensor([[1, 2, 3], [4, 5, 6]]);

  test("T and mT of a matrix share its memory", () => {
    expect(m.T.toArray()).toEqual([[1, 4], [2, 5], [3, 6]]);
    expect(m.T.dataPointer).toBe(m.dataPointer);
    expect(m.mT.toArray()).toEqual(m.T.toArray());
  });

  test("mT swaps the last two dimensions, T reverses all", () => {
    const batch = torch.zeros([2, 3, 4]);
    expect(batch.mT.shape).toEqual([2, 4, 3]);
    expect(batch.T.shape).toEqual([4, 3, 2]);
    expect(() => torch.zeros([3]).mT).toThrow(SteppeError);
  });

  test("H and mH conjugate", () => {
    const c = torch.tensor([[{ re: 1, im: 2 }, { re: 3, im: -4 }]]);
    expect(c.H.resolveConj().toArray()).toEqual([[{ re: 1, im: -2 }], [{ re: 3, im: 4 }]]);
    expect(c.mH.shape).toEqual([2, 1]);
    expect(() => torch.zeros([2, 3, 4]).H).toThrow(SteppeError);
  });

  test("are properties", () => {
    expectTypeOf(m.T).toEqualTypeOf<Tensor>();
    expectTypeOf(m.mH).toEqualTypeOf<Tensor>();
  });
});

test("sizes", () => {
  const x = torch.zeros([2, 3], { dtype: "float64" });
  expect([x.ndim, x.nelement(), x.nbytes]).toEqual([2, 6, 48]);
  expect([torch.tensor(1).ndim, torch.zeros([0, 3]).nelement(), torch.zeros([0]).nbytes]).toEqual([0, 0, 0]);
});
