import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { torch } from "../../lib/index.js";
import type { DType, Tensor } from "../../lib/index.js";
import { needsPython, python, runPython } from "../support/python.js";

test("values, shape, dtype, device", () => {
  expect(String(torch.tensor([[1, 2], [3, 4]]))).toBe("tensor([[1, 2],\n        [3, 4]], shape=[2, 2], dtype=int64, device=cpu)");
  expect(String(torch.tensor([true, false]))).toBe("tensor([ true, false], shape=[2], dtype=bool, device=cpu)");
  expect(String(torch.tensor([1, -2.5]))).toBe("tensor([ 1.0000, -2.5000], shape=[2], dtype=float32, device=cpu)");
  expect(String(torch.tensor(3))).toBe("tensor(3, shape=[], dtype=int64, device=cpu)");
  expect(String(torch.zeros([0, 2]))).toBe("tensor([], shape=[0, 2], dtype=float32, device=cpu)");
});

test("what autograd knows, and tensors without values", () => {
  const x = torch.tensor([1.5], { requiresGrad: true });
  expect(String(x)).toBe("tensor([1.5000], shape=[1], dtype=float32, device=cpu, requiresGrad=true)");
  expect(String(x.mul(2))).toMatch(/^tensor\(\[3\.\], shape=\[1\], dtype=float32, device=cpu, gradFn=MulBackward1\)$/);
  expect(String(torch.zeros([2], { device: "meta" }))).toBe("tensor(..., shape=[2], dtype=float32, device=meta)");
  expect(String(torch.eye(2).toSparse())).toContain("layout=sparse");
  expect(String(torch.quantizePerTensor(torch.ones([2]), 0.5, 0, "qint8"))).toBe("tensor(..., shape=[2], dtype=qint8, device=cpu)");
  x.dispose();
  expect(String(x)).toBe("tensor(<disposed>)");
});

test("console.log shows the same", () => {
  const x = torch.ones([2]);
  expect(inspect(x)).toBe(String(x));
  expect(inspect({ x })).toContain(String(x));
});

test("facts that do not fit on the line get their own", () => {
  const text = String(torch.arange(30));
  expect(text.split("\n").every((line) => line.length <= 80)).toBe(true);
  expect(text).toMatch(/\],\n       shape=\[30\], dtype=int64, device=cpu\)$|, shape=\[30\]/);
});

test("printing makes no tensors and leaves autograd alone", () => {
  const x = torch.ones([40, 40], { requiresGrad: true });
  const before = torch.memory().tensors;
  String(x);
  expect(torch.memory().tensors).toBe(before);
  expect(torch.isGradEnabled()).toBe(true);
});

describe.skipIf(python === null)(`values as ${needsPython} prints them`, () => {
  // In Python's words; on this side only true and false are written otherwise.
  const cases: [string, string, DType?][] = [
    ["whole floats", "[[1, -2], [3, 40]]", "float32"],
    ["fractions", "[[0.1, -0.25], [3.14159, 40.5]]", "float32"],
    ["ties round to even", "[0.03125, 0.09375, 0.28125, -0.03125]", "float32"],
    ["wide range", "[1e-3, 123456.789]", "float64"],
    ["large", "[1.5e9, 3]", "float32"],
    ["large whole", "[1e9, 3]", "float32"],
    ["small", "[1e-5, 2e-5]", "float32"],
    ["ties in scientific notation", "[1.03125e-5, 2097152.5, 1.000005e-5]", "float64"],
    ["not finite", "[1.5, float('nan'), float('inf'), -float('inf')]", "float32"],
    ["not finite, whole", "[1, float('nan'), -float('inf')]", "float32"],
    ["only not finite", "[float('nan'), float('inf')]", "float32"],
    ["zeros", "[0.0, -0.0]", "float32"],
    ["minus zero among fractions", "[-0.0, 0.5]", "float32"],
    ["minus zero, scientific", "[-0.0, 1e-7]", "float32"],
    ["integers", "[[1, -200], [3, 4]]", "int64"],
    ["int64's ends", "[9223372036854775807, -9223372036854775808]", "int64"],
    ["bytes", "[1, 255]", "uint8"],
    ["booleans", "[True, False]", "bool"],
    ["half", "[0.1, 65504]", "float16"],
    ["bfloat16", "[0.1, 3]", "bfloat16"],
    ["float8", "[0.5, 3, -1.75]", "float8_e4m3fn"],
    ["complex", "[1+2j, -0.5-3j]", "complex64"],
    ["complex, whole", "[[1+2j, -10-3j], [0j, 1j]]", "complex128"],
    ["complex, scientific", "[1e-6+1j, 1-1e9j]", "complex128"],
    ["a scalar", "3.5", "float32"],
    ["a whole scalar", "3.0", "float32"],
    ["a complex scalar", "3-1j", "complex64"],
  ];
  const shapes: [string, number[]][] = [
    ["a line of 1000", [1000]], ["a line of 1001", [1001]], ["wide", [2, 40]], ["three dimensions", [2, 3, 4]], ["four", [2, 1, 2, 2]],
    ["summarized square", [50, 50]], ["summarized, one dimension short", [4, 300]], ["summarized in three", [12, 9, 10]], ["one long row", [1, 1200]], ["a size of 7 in the middle", [2, 7, 80]],
  ];
  const script = `
outputs = []
for _, code, dtype in inputs["cases"]:
    outputs.append(str(torch.tensor(eval(code), dtype=getattr(torch, dtype))))
for _, shape in inputs["shapes"]:
    t = torch.arange(math.prod(shape)).reshape(shape)
    outputs += [str(t), str(t.to(torch.float32) / 7)]
`;
  const theirs = python === null ? [] : runPython<string[]>(script, { cases, shapes }).map((text) => text.replaceAll("True", "true").replaceAll("False", "false"));

  const parse = (code: string): unknown => {
    const complex = /j/.test(code);
    const numbers = code
      .replaceAll("float('nan')", "NaN").replaceAll("float('inf')", "Infinity").replaceAll("True", "true").replaceAll("False", "false")
      .replace(/-?\d{17,}/g, (digits) => `${digits}n`);
    const text = !complex
      ? numbers
      : numbers.replace(/(-?[\d.e-]*?\d)?([+-]?\d[\d.e]*?(?:e-?\d+)?)j/g, (_, re: string | undefined, im: string) => `{ re: ${re ?? 0}, im: ${Number(im)} }`);
    return new Function(`return ${text}`)();
  };

  test.each(cases.map(([title, code, dtype], i) => [title, code, dtype, i] as const))("%s: %s", (_, code, dtype, i) => {
    expect(printed(torch.tensor(parse(code) as never, { dtype }))).toBe(strip(theirs[i]!));
  });

  test.each(shapes.map(([title, shape], i) => [title, shape, cases.length + 2 * i] as const))("%s", (_, shape, i) => {
    const t = torch.arange(shape.reduce((a, b) => a * b, 1)).reshape(shape);
    expect(printed(t)).toBe(strip(theirs[i]!));
    expect(printed(t.to("float32").div(7))).toBe(strip(theirs[i + 1]!));
  });

  const printed = (tensor: Tensor) => strip(String(tensor));
  /** The values alone: without what is said of them. */
  function strip(text: string): string {
    return text.replace(/,?\s*(shape=|dtype=)[\s\S]*$/, "").replace(/\)$/, "");
  }
});
