import { beforeAll, describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { distance, needsPython, python, runPython, sameLibTorch, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";

const { init } = nn;

interface Case {
  fill: (weight: Tensor) => Tensor;
  python: string;
  shape: number[];
}

const shape = [6, 4, 3, 3];
const cases: Case[] = [
  { fill: (w) => init.uniform_(w), python: "uniform_(w)", shape },
  { fill: (w) => init.uniform_(w, -2, 3), python: "uniform_(w, -2, 3)", shape },
  { fill: (w) => init.normal_(w), python: "normal_(w)", shape },
  { fill: (w) => init.normal_(w, { mean: 1, std: 0.02 }), python: "normal_(w, 1, 0.02)", shape },
  { fill: (w) => init.constant_(w, 0.3), python: "constant_(w, 0.3)", shape },
  { fill: (w) => init.zeros_(w), python: "zeros_(w)", shape },
  { fill: (w) => init.ones_(w), python: "ones_(w)", shape },
  { fill: (w) => init.kaimingUniform_(w), python: "kaiming_uniform_(w)", shape },
  { fill: (w) => init.kaimingUniform_(w, { a: Math.sqrt(5) }), python: "kaiming_uniform_(w, a=math.sqrt(5))", shape },
  { fill: (w) => init.kaimingUniform_(w, 0, "fanOut", "tanh"), python: "kaiming_uniform_(w, 0, 'fan_out', 'tanh')", shape },
  { fill: (w) => init.kaimingNormal_(w, { nonlinearity: "relu" }), python: "kaiming_normal_(w, nonlinearity='relu')", shape },
  { fill: (w) => init.kaimingNormal_(w, { mode: "fanOut", nonlinearity: "selu" }), python: "kaiming_normal_(w, mode='fan_out', nonlinearity='selu')", shape },
  { fill: (w) => init.xavierUniform_(w), python: "xavier_uniform_(w)", shape },
  { fill: (w) => init.xavierUniform_(w, init.calculateGain("relu")), python: "xavier_uniform_(w, nn.init.calculate_gain('relu'))", shape },
  { fill: (w) => init.xavierNormal_(w, { gain: 2 }), python: "xavier_normal_(w, gain=2)", shape },
  { fill: (w) => init.orthogonal_(w), python: "orthogonal_(w)", shape },
  { fill: (w) => init.orthogonal_(w, 1.5), python: "orthogonal_(w, 1.5)", shape: [8, 3] },
  { fill: (w) => init.eye_(w), python: "eye_(w)", shape: [3, 5] },
  { fill: (w) => init.dirac_(w), python: "dirac_(w)", shape },
  { fill: (w) => init.dirac_(w, 2), python: "dirac_(w, 2)", shape: [6, 4, 5] },
  { fill: (w) => init.sparse_(w, 0.3), python: "sparse_(w, 0.3)", shape: [7, 4] },
  { fill: (w) => init.sparse_(w, 0.5, { std: 2 }), python: "sparse_(w, 0.5, 2)", shape: [4, 6] },
  { fill: (w) => init.truncNormal_(w), python: "trunc_normal_(w)", shape },
  { fill: (w) => init.truncNormal_(w, { std: 0.02 }), python: "trunc_normal_(w, std=0.02)", shape },
  { fill: (w) => init.truncNormal_(w, 0, 1, 1.5, 4), python: "trunc_normal_(w, 0, 1, 1.5, 4)", shape },
];

describe.skipIf(!sameLibTorch)(`initial values are PyTorch's of the same seed (${needsPython})`, () => {
  const dtypes = ["float32", "float64"] as const;
  let references: Record<string, Packed>[] = [];

  beforeAll(() => {
    references = runPython<Record<string, Packed>[]>(
      `
outputs = []
for case in inputs:
    outputs.append({})
    for dtype in ("float32", "float64"):
        torch.manual_seed(5)
        w = torch.empty(case["shape"], dtype=getattr(torch, dtype))
        eval("nn.init." + case["python"])
        outputs[-1][dtype] = pack(w)
`,
      cases.map(({ python, shape }) => ({ python, shape })),
    );
  });

  test.each(cases.map((item, index) => ({ ...item, index })))("$python", ({ fill, shape, index }) => {
    for (const dtype of dtypes) {
      torch.manualSeed(5);
      const weight = torch.empty(shape, { dtype });
      expect(fill(weight)).toBe(weight);
      // The QR factorization may add in another order.
      const tolerance = cases[index]!.python.startsWith("orthogonal") ? (dtype === "float32" ? 1e-6 : 1e-12) : 0;
      expect(distance(weight, unpack(references[index]![dtype]!)), dtype).toBeLessThanOrEqual(tolerance);
    }
  });

  test("the same gains", () => {
    const names = { linear: "linear", convTranspose2d: "conv_transpose2d", sigmoid: "sigmoid", tanh: "tanh", relu: "relu", leakyRelu: "leaky_relu", selu: "selu" } as const;
    const theirs = runPython<Record<string, number>>("outputs = {k: nn.init.calculate_gain(v) for k, v in inputs.items()}", names);
    for (const name of Object.keys(names) as (keyof typeof names)[]) expect(init.calculateGain(name)).toBeCloseTo(theirs[name]!, 14);
    expect(init.calculateGain("leakyRelu", 0.5)).toBeCloseTo(Math.sqrt(2 / 1.25), 14);
  });
});

describe("initial values", () => {
  test("a parameter is filled without a gradient history", () => {
    const weight = nn.parameter(torch.zeros([4, 4]));
    init.xavierNormal_(weight);
    expect(weight.isLeaf && weight.requiresGrad).toBe(true);
  });

  test("a generator of its own repeats its numbers and leaves the default one alone", () => {
    const draw = () => init.normal_(torch.empty([5]), { generator: new torch.Generator().manualSeed(3) }).toArray();
    torch.manualSeed(0);
    const next = torch.rand([3]).toArray();
    torch.manualSeed(0);
    expect(draw()).toEqual(draw());
    expect(torch.rand([3]).toArray()).toEqual(next);
  });

  test("an orthogonal matrix is orthogonal", () => {
    const q = init.orthogonal_(torch.empty([3, 7], { dtype: "float64" }));
    expect(distance(q.matmul(q.t()), torch.eye(3, { dtype: "float64" }))).toBeLessThan(1e-12);
  });

  test("truncated values stay within their bounds", () => {
    for (const [a, b] of [[-0.5, 2], [2, 2.5]] as const) {
      const weight = init.truncNormal_(torch.empty([2000], { dtype: "float64" }), { a, b });
      expect(weight.min().item()).toBeGreaterThanOrEqual(a);
      expect(weight.max().item()).toBeLessThanOrEqual(b);
    }
  });

  test("a weight without elements stays", () => {
    expect(init.kaimingUniform_(torch.empty([0, 3])).numel()).toBe(0);
  });

  test("errors name what is wrong", () => {
    expect(() => init.kaimingUniform_(torch.empty([3]))).toThrow("Expected at least 2 dimensions for a weight's fans but received a tensor of float32 [3].");
    expect(() => init.eye_(torch.empty([3]))).toThrow("Expected 2 dimensions for the tensor of nn.init.eye_ but received a tensor of float32 [3].");
    expect(() => init.dirac_(torch.empty([3, 3]))).toThrow("Expected 3 to 5 dimensions for the tensor of nn.init.dirac_");
    expect(() => init.dirac_(torch.empty([3, 3, 3]), 2)).toThrow("Expected a divisor of 3 for groups of nn.init.dirac_ but received 2 of type number.");
    expect(() => init.sparse_(torch.empty([3, 3]), 2)).toThrow("Expected a probability from 0 to 1 for sparsity of nn.init.sparse_");
    expect(() => init.calculateGain("rellu" as "relu")).toThrow('"relu"');
    expect(() => init.uniform_(torch.empty([3]), { lo: 1 } as never)).toThrow("Expected one of a, b, generator in the options of nn.init.uniform_");
    expect(() => init.uniform_(torch.empty([3]), { generator: 3 as never })).toThrow("Expected a torch.Generator for generator of nn.init.uniform_ but received 3 of type number.");
  });
});
