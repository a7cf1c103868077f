import { describe, expect, test } from "vitest";
import { halfWidth, mean, median, pairedTest, standardDeviation, studentQuantile, studentTail } from "../lib/statistics.js";
import { hasLibraries, runPython } from "./support/python.js";

describe.skipIf(!hasLibraries("scipy"))("statistics agree with SciPy", () => {
  test("Student's t, intervals and the paired test", () => {
    const cases = [1, 2, 3, 4, 9, 30, 200].flatMap((freedom) => [0.01, 0.5, 1, 2.5, 10, 60].map((t) => [t, freedom] as const));
    const quantiles = [1, 2, 4, 9, 50, 1000].flatMap((freedom) => [0.6, 0.9, 0.975, 0.9995].map((p) => [p, freedom] as const));
    const samples = [[1, 2], [0.5, 0.25, 0.75, 0.1], [3, 3.5, 2.25, 4, 1, 8.5]];
    const reference = runPython<{ tails: number[]; quantiles: number[]; samples: number[][] }>(
      `
from scipy import stats
import numpy as np
outputs = {
    "tails": [float(stats.t.sf(t, f)) for t, f in inputs["cases"]],
    "quantiles": [float(stats.t.ppf(p, f)) for p, f in inputs["quantiles"]],
    "samples": [[float(np.std(s, ddof=1)), float(stats.t.interval(0.95, len(s) - 1, np.mean(s), stats.sem(s))[1] - np.mean(s)), float(stats.ttest_1samp(s, 0).pvalue)] for s in inputs["samples"]],
}
`,
      { cases, quantiles, samples },
    );
    cases.forEach(([t, freedom], i) => expect(studentTail(t, freedom) / reference.tails[i]!).toBeCloseTo(1, 10));
    quantiles.forEach(([p, freedom], i) => expect(studentQuantile(p, freedom) / reference.quantiles[i]!).toBeCloseTo(1, 9));
    samples.forEach((sample, i) => {
      const [deviation, width, p] = reference.samples[i]!;
      expect(standardDeviation(sample)).toBeCloseTo(deviation!, 12);
      expect(halfWidth(sample) / width!).toBeCloseTo(1, 9);
      expect(pairedTest(sample) / p!).toBeCloseTo(1, 9);
    });
  }, 120_000);
});

test("few values and equal ones", () => {
  expect(mean([1, 2, 6])).toBe(3);
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
  expect([standardDeviation([1]), halfWidth([1]), pairedTest([1])]).toEqual([NaN, NaN, NaN]);
  expect([pairedTest([0, 0, 0]), pairedTest([2, 2])]).toEqual([1, 0]);
});
