import { describe, expect, test } from "vitest";
import { torch } from "../../lib/index.js";
import type { Index } from "../../lib/indexing.js";
import { needsPython, pack, python, runPython, type Packed } from "../support/python.js";

const grid = torch.arange(24).reshape([2, 3, 4]);

describe("torch.at", () => {
  test("integers, slices, null, all others", () => {
    const x = torch.arange(12).reshape([3, 4]);
    expect(torch.at(x, 1).toArray()).toEqual([4, 5, 6, 7]);
    expect(torch.at(x, -1, -1).item()).toBe(11);
    expect(torch.at(x, ":", 0).toArray()).toEqual([0, 4, 8]);
    expect(torch.at(x, "1:").shape).toEqual([2, 4]);
    expect(torch.at(x, "...", "1::2").toArray()).toEqual([[1, 3], [5, 7], [9, 11]]);
    expect(torch.at(x, null).shape).toEqual([1, 3, 4]);
    expect(torch.at(x, "...", null).shape).toEqual([3, 4, 1]);
    expect(torch.at(x).shape).toEqual([3, 4]);
  });

  test("a view shares memory, gathered elements do not", () => {
    const x = torch.zeros([3, 2]);
    torch.at(x, "1:", 0).fill_(5);
    torch.at(x, [0]).fill_(7);
    expect(x.toArray()).toEqual([[0, 0], [5, 0], [5, 0]]);
  });

  test("is recorded by autograd", () => {
    const x = torch.ones([3], { requiresGrad: true });
    torch.at(x, "1:").sum().backward();
    expect(x.grad!.toArray()).toEqual([0, 1, 1]);
  });

  test("wrong indices", () => {
    expect(() => torch.at(grid, 0, 0, 0, 0)).toThrow("Expected at most 3 indices for a tensor of shape [2, 3, 4] but received 4.");
    expect(() => torch.at(grid, "...", "...")).toThrow('Expected "..." at most once among the indices.');
    for (const slice of ["a", "1:2:0", "1:2:-1", "1.5:", "::1:", "", "1"]) expect(() => torch.at(grid, slice)).toThrow(/Expected a slice such as "1:5"/);
    for (const wrong of [1.5, NaN, true, {}, undefined, [0.5], ["0"]]) expect(() => torch.at(grid, wrong as never)).toThrow(/for index 0/);
    expect(() => torch.at(grid, 2)).toThrow(expect.objectContaining({ code: "OPERATOR" }));
    expect(() => torch.at(grid, [2])).toThrow(/index 2 is out of bounds/);
    expect(() => torch.at([1] as never, 0)).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
  });
});

describe("torch.setAt", () => {
  test("numbers and tensors into a part, in place", () => {
    const x = torch.zeros([2, 3], { dtype: "int64" });
    expect(torch.setAt(x, [0, "1:"], 4)).toBe(x);
    torch.setAt(x, [1], torch.tensor([7, 8, 9]));
    torch.setAt(x, [1, -1], 2.75);
    torch.setAt(x, [0, 0], 2n ** 60n);
    expect(x.toArray()).toEqual([[2n ** 60n, 4, 4], [7, 8, 2]]);
    torch.setAt(x, [], 0);
    expect(x.sum().item()).toBe(0);
  });

  test("values are broadcast", () => {
    const x = torch.zeros([2, 3]);
    torch.setAt(x, [":", "::2"], torch.tensor([1, 2]));
    expect(x.toArray()).toEqual([[1, 0, 2], [1, 0, 2]]);
    expect(() => torch.setAt(x, [0], torch.zeros([4]))).toThrow(/must match/);
  });

  test("gathered positions are indexPut_'s", () => {
    expect(() => torch.setAt(torch.zeros([3]), [[0, 1]], 1)).toThrow(/Expected an integer, a slice or null for index 0 but received an array of 2. Use indexPut_/);
    expect(torch.zeros([3]).indexPut_([torch.tensor([0, 2])], torch.tensor(5.0, { dtype: "float32" })).toArray()).toEqual([5, 0, 5]);
  });
});

describe.skipIf(python === null)(`beside ${needsPython}`, () => {
  const cases: [string, Index[]][] = [
    ["1", [1]], ["-1, :, 2", [-1, ":", 2]], ["..., 1", ["...", 1]], ["1, ...", [1, "..."]], [":, 1:3", [":", "1:3"]], [":, -2:", [":", "-2:"]],
    [":, :-1, ::3", [":", ":-1", "::3"]], [":, 5:9", [":", "5:9"]], ["None, 0, None", [null, 0, null]], ["..., None, 0", ["...", null, 0]],
    ["[1, 0, 1]", [[1, 0, 1]]], [":, [0, 2]", [":", [0, 2]]], ["[0, 1], [2, 0]", [[0, 1], [2, 0]]], ["[0, 1], :, [3, 0]", [[0, 1], ":", [3, 0]]],
    [":, [0, 2], 1", [":", [0, 2], 1]], ["0, [0, 2]", [0, [0, 2]]], ["1, :, [0, 3]", [1, ":", [0, 3]]], ["[1], None, 0:2", [[1], null, "0:2"]],
    ["t > 10", [grid.gt(10)]], [":, t[0] > 4", [":", torch.at(grid, 0).gt(4)]], ["0, t[0] > 4", [0, torch.at(grid, 0).gt(4)]],
    ["torch.tensor([[0, 1], [1, 0]])", [torch.tensor([[0, 1], [1, 0]])]], ["[-1, -2]", [[-1, -2]]],
  ];
  const theirs = python === null ? [] : runPython<Packed[]>("t = torch.arange(24).reshape(2, 3, 4)\noutputs = [pack(eval('t[' + c + ']')) for c in inputs]", cases.map(([code]) => code));

  test.each(cases.map(([code, indices], i) => [code, indices, i] as const))("t[%s]", (_, indices, i) => {
    expect(pack(torch.at(grid, ...indices))).toEqual(theirs[i]);
  });
});
