import { beforeAll, describe, expect, test } from "vitest";
import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { distance, needsPython, pack, python, runPython, unpack } from "../support/python.js";
import type { Packed } from "../support/python.js";

const F = nn.functional;
const real = (values: unknown) => torch.tensor(values as number[], { dtype: "float64" });
const classes = (values: number[] | number[][]) => torch.tensor(values, { dtype: "int64" });

const logits = real([[1.5, -0.5, 0.25], [0.1, 2, -3], [-1, 0, 1], [4, 3, 2]]);
const labels = classes([0, 2, 1, 1]);
const probabilities = real([[0.7, 0.2, 0.1], [0, 0, 1], [0.3, 0.3, 0.4], [0.5, 0.5, 0]]);
const perClass = real([0.5, 2, 1]);

interface Case {
  loss: () => nn.Module & { forward(input: Tensor, target: Tensor): Tensor };
  python: string;
  input: Tensor;
  target: Tensor;
}

const pixels = real(Array.from({ length: 24 }, (_, i) => Math.sin(i))).reshape([2, 3, 2, 2]);
const pixelClasses = classes([0, 1, 2, -100, 1, 1, 0, 2] as number[]).reshape([2, 2, 2]);

const cases: Case[] = [
  { loss: () => new nn.CrossEntropyLoss(), python: "nn.CrossEntropyLoss()", input: logits, target: labels },
  { loss: () => new nn.CrossEntropyLoss({ labelSmoothing: 0.1, weight: perClass }), python: "nn.CrossEntropyLoss(label_smoothing=0.1, weight=w)", input: logits, target: labels },
  { loss: () => new nn.CrossEntropyLoss(perClass, 2, "sum"), python: "nn.CrossEntropyLoss(w, ignore_index=2, reduction='sum')", input: logits, target: labels },
  { loss: () => new nn.CrossEntropyLoss({ reduction: "none" }), python: "nn.CrossEntropyLoss(reduction='none')", input: logits, target: labels },
  { loss: () => new nn.CrossEntropyLoss({ labelSmoothing: 0.2 }), python: "nn.CrossEntropyLoss(label_smoothing=0.2)", input: logits, target: probabilities },
  { loss: () => new nn.CrossEntropyLoss(), python: "nn.CrossEntropyLoss()", input: pixels, target: pixelClasses },
  { loss: () => new nn.NLLLoss(), python: "nn.NLLLoss()", input: logits, target: labels },
  { loss: () => new nn.NLLLoss(perClass, 1, "mean"), python: "nn.NLLLoss(w, ignore_index=1)", input: logits, target: labels },
  { loss: () => new nn.NLLLoss({ reduction: "none" }), python: "nn.NLLLoss(reduction='none')", input: pixels, target: pixelClasses },
  ...(["none", "mean", "sum"] as const).flatMap((reduction): Case[] => [
    { loss: () => new nn.MSELoss(reduction), python: `nn.MSELoss(reduction="${reduction}")`, input: logits, target: probabilities },
    { loss: () => new nn.L1Loss({ reduction }), python: `nn.L1Loss(reduction="${reduction}")`, input: logits, target: probabilities },
    { loss: () => new nn.BCEWithLogitsLoss({ reduction }), python: `nn.BCEWithLogitsLoss(reduction="${reduction}")`, input: logits, target: probabilities },
  ]),
  { loss: () => new nn.BCEWithLogitsLoss(perClass, "mean", real([1, 3, 0.1])), python: "nn.BCEWithLogitsLoss(w, pos_weight=torch.tensor([1, 3, 0.1], dtype=torch.float64))", input: logits, target: probabilities },
];

interface Reference {
  loss: Packed;
  gradient: Packed;
  names: string[];
}

describe.skipIf(python === null)(`losses are PyTorch's (${needsPython})`, () => {
  let references: Reference[] = [];

  beforeAll(() => {
    const described = cases.map(({ python, input, target }) => ({ python, input: pack(input), target: pack(target) }));
    references = runPython<Reference[]>(
      `
w = unpack(inputs["w"])
outputs = []
for case in inputs["cases"]:
    criterion = eval(case["python"])
    x = unpack(case["input"]).requires_grad_()
    loss = criterion(x, unpack(case["target"]))
    (loss * torch.arange(1, loss.numel() + 1).reshape(loss.shape)).sum().backward()
    outputs.append({"loss": pack(loss), "gradient": pack(x.grad), "names": list(criterion.state_dict())})
`,
      { w: pack(perClass), cases: described },
    );
  });

  test.each(cases.map((item, index) => ({ ...item, index })))("$index: $python", ({ loss: make, index, input, target }) => {
    const criterion = make();
    const x = input.clone();
    x.requiresGrad = true;
    const loss = criterion.forward(x, target);
    loss.mul(torch.arange(1, loss.numel() + 1).reshape([...loss.shape])).sum().backward();
    expect(distance(loss, unpack(references[index]!.loss))).toBeLessThan(1e-9);
    expect(distance(x.grad!, unpack(references[index]!.gradient))).toBeLessThan(1e-9);
    expect(Object.keys(criterion.stateDict())).toEqual(references[index]!.names);
  });
});

describe("losses in closed form", () => {
  test("cross entropy of equal logits is log C, with and without smoothing", () => {
    const equal = torch.zeros([5, 7], { dtype: "float64" });
    const target = classes([0, 1, 2, 3, 6]);
    expect(F.crossEntropy(equal, target).item()).toBeCloseTo(Math.log(7), 12);
    expect(F.crossEntropy(equal, target, { labelSmoothing: 0.3 }).item()).toBeCloseTo(Math.log(7), 12);
  });

  test("class weights make a weighted mean", () => {
    const weighted = F.crossEntropy(logits, labels, { weight: perClass }).item() as number;
    const each = F.crossEntropy(logits, labels, { reduction: "none" }).toArray() as number[];
    const weights = [0.5, 1, 2, 2];
    const sum = weights.reduce((total, w) => total + w, 0);
    expect(weighted).toBeCloseTo(each.reduce((total, loss, i) => total + loss * weights[i]!, 0) / sum, 12);
  });

  test("mean squared and absolute error", () => {
    expect(F.mseLoss(real([1, 2, 4]), real([1, 4, 8])).item()).toBeCloseTo(20 / 3, 12);
    expect(F.l1Loss(real([1, 2, 4]), real([1, 4, 8]), "sum").item()).toBe(6);
  });

  test("binary cross entropy at logit 0 is log 2", () => {
    expect(F.binaryCrossEntropyWithLogits(torch.zeros([3]), torch.tensor([0, 1, 0.5])).item()).toBeCloseTo(Math.LN2, 6);
  });
});

describe("wrong targets", () => {
  test("class numbers of another dtype are named", () => {
    expect(() => F.crossEntropy(logits, labels.to("int32"))).toThrow(
      'Expected class numbers of dtype int64 for target of nn.functional.crossEntropy but received "int32" of type string. Convert them',
    );
  });

  test("shapes of a binary cross entropy must agree", () => {
    expect(() => F.binaryCrossEntropyWithLogits(torch.zeros([3]), torch.zeros([3, 1]))).toThrow("Expected shape [3], as the input, for target");
  });

  test("broadcasting a squared error warns", async () => {
    const warning = new Promise<Error>((resolve) => process.once("warning", resolve));
    F.mseLoss(torch.zeros([3]), torch.zeros([3, 1]));
    expect((await warning).message).toBe("nn.functional.mseLoss broadcasts input and target of different shapes: [3] and [3, 1].");
  });

  test("an unknown reduction is refused", () => {
    expect(() => new nn.MSELoss("average" as "mean")).toThrow('Expected one of "none", "mean", "sum" for reduction of nn.MSELoss but received "average" of type string.');
  });
});
