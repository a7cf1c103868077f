import fc from "fast-check";
import { expect, test } from "vitest";
import { metrics } from "../../lib/index.js";
import { needsPython, python, runPython } from "../support/python.js";

const rate = (...[predictions, references]: Parameters<metrics.ErrorRate["update"]>) => {
  const metric = new metrics.ErrorRate();
  metric.update(predictions, references);
  return metric.compute();
};

test("words, tokens, and several references", () => {
  expect(rate(["the cat sat"], ["the  cat sat down "])).toBe(1 / 4);
  expect(rate([["T", "AH", "M", "EY", "T"]], [["T", "AH", "M", "EY", "T", "OW"]])).toBe(1 / 6);
  expect(rate([["T", "AA", "M"]], [[["T", "AH", "M", "EY"], ["T", "AA", "M"]]])).toBe(0);
  expect(rate(["", "a b"], ["a", ""])).toBe(3);
  const metric = new metrics.ErrorRate();
  expect(metric.compute()).toBeNaN();
  metric.update(["a"], ["a"]);
  metric.update(["x y"], ["a b"]);
  expect(metric.compute()).toBe(2 / 3);
  metric.reset();
  expect(metric.compute()).toBeNaN();
});

test("a distance: symmetric, at least the difference in length, at most the longer", () => {
  const words = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 8 });
  const errors = (a: string[], b: string[]) => Math.round(rate([a], [b]) * b.length);
  fc.assert(
    fc.property(words, words, words, (a, b, c) => {
      expect(errors(a, b)).toBe(errors(b, a));
      expect(errors(a, b)).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      expect(errors(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      expect(errors(a, c)).toBeLessThanOrEqual(errors(a, b) + errors(b, c));
    }),
  );
});

test.skipIf(python === null)(`the distance by its definition, in Python (${needsPython})`, () => {
  const random = (i: number) => Array.from({ length: (i * 5) % 9 }, (_, k) => "abcd"[(i * i + 3 * k * i + k) % 4]!);
  const [predictions, references] = [Array.from({ length: 60 }, (_, i) => random(i)), Array.from({ length: 60 }, (_, i) => random(i + 17))];
  const script = `
from functools import cache
def distance(a, b):
    @cache
    def of(i, j):
        if i == 0 or j == 0:
            return i + j
        return of(i - 1, j - 1) if a[i - 1] == b[j - 1] else 1 + min(of(i - 1, j), of(i, j - 1), of(i - 1, j - 1))
    return of(len(a), len(b))
outputs = sum(distance(a, b) for a, b in zip(*inputs)) / sum(len(b) for b in inputs[1])
`;
  expect(rate(predictions, references)).toBeCloseTo(runPython<number>(script, [predictions, references]), 12);
});

test("wrong arguments", () => {
  expect(() => rate("a" as never, [])).toThrow("an array of sequences");
  expect(() => rate(["a"], [])).toThrow("references of 1 sequences");
  expect(() => rate([[1]] as never, ["a"])).toThrow("Expected a string or an array of tokens for predictions[0]");
});
