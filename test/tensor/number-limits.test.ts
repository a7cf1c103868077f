import { describe, expect, test } from "vitest";
import { SteppeError, torch } from "../../lib/index.js";
import type { DType } from "../../lib/index.js";
import { needsPython, python, runPython } from "../support/python.js";

test("of a dtype, by short names, too", () => {
  expect(torch.finfo()).toEqual(torch.finfo("float32"));
  expect(torch.finfo("half" as DType).max).toBe(65504);
  expect(torch.iinfo("int16")).toEqual({ dtype: "int16", bits: 16, min: -32768, max: 32767 });
  expect(torch.iinfo("int64").max).toBe(2n ** 63n - 1n);
  const { eps, min } = torch.finfo("bfloat16");
  expect(torch.tensor([1 + eps], { dtype: "bfloat16" }).toArray()).toEqual([1 + eps]);
  expect(torch.tensor([min], { dtype: "bfloat16" }).isfinite().all().item()).toBe(true);
});

test("of another dtype there are none", () => {
  for (const call of [() => torch.finfo("int32"), () => torch.iinfo("float32"), () => torch.iinfo("bool"), () => torch.iinfo("qint8"), () => torch.finfo("floot32" as DType)]) expect(call).toThrow(SteppeError);
  expect(() => torch.finfo("int32")).toThrow("Expected a floating-point dtype for dtype");
  expect(() => torch.iinfo("bool")).toThrow("Expected an integer dtype for dtype");
});

describe.skipIf(python === null)(`beside ${needsPython}`, () => {
  const floats = ["float16", "bfloat16", "float32", "float64", "complex32", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"] as const;
  const integers = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"] as const;
  test("all of them", () => {
    const theirs = runPython<{ floats: number[][]; integers: string[][] }>(
      `def limits(name):
    f = torch.finfo(getattr(torch, name))
    return [f.bits, f.eps, f.max, f.min, f.smallest_normal, f.tiny, f.resolution]
def whole(name):
    i = torch.iinfo(getattr(torch, name))
    return [str(i.bits), str(i.max), str(i.min)]
outputs = {"floats": [limits(n) for n in inputs["floats"]], "integers": [whole(n) for n in inputs["integers"]]}`,
      { floats, integers },
    );
    floats.forEach((name, k) => {
      const { bits, eps, max, min, smallestNormal, tiny, resolution } = torch.finfo(name);
      expect([bits, eps, max, min, smallestNormal, tiny], name).toEqual(theirs.floats[k]!.slice(0, 6));
      expect(resolution / theirs.floats[k]![6]!, name).toBeCloseTo(1, 6); // PyTorch computes 10⁻⁶ in float32
    });
    integers.forEach((name, k) => {
      const { bits, max, min } = torch.iinfo(name);
      expect([bits, max, min].map(String), name).toEqual(theirs.integers[k]);
    });
  });
});
