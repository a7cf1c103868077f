import { SteppeError } from "../errors.js";
import { halfWidth, mean, pairedTest, standardDeviation } from "../statistics.js";
import type { RunRecord } from "../train/index.js";
import { isBetterWhenSmaller } from "../train/metric-names.js";
import type { RunResult } from "./run.js";

// What runs of several methods and seeds come to, side by side.

/** A method beside the baseline, seed by seed. */
export interface Difference {
  /** Seeds that both have. */
  pairs: number;
  /** Mean of the differences: above 0 where the method's number is larger. */
  mean: number;
  /** Half the width of that mean's 95 % confidence interval; null for one pair. */
  halfWidth: number | null;
  /** Of Student's paired test, two-sided; null for one pair. */
  p: number | null;
}

/** One method over all seeds. */
export interface MethodResult {
  method: string;
  /** The setting that was chosen of how many, and the seed that they were tried with; null for a method that is not tuned. */
  tuned: { values: Record<string, unknown>; of: number; seed: number } | null;
  /** The number that is compared, by seed. */
  values: Record<string, number>;
  mean: number;
  /** With n − 1 below; null for one seed. */
  std: number | null;
  /** Median milliseconds of a step, the mean over the seeds; null where no step was logged. */
  stepMilliseconds: number | null;
  /** Against the baseline, on the seeds that both have; null for the baseline itself. */
  against: Difference | null;
  /** Paths of the run folders, by seed. */
  folders: Record<string, string>;
}

/** What `comparison.json` holds. */
export interface Comparison {
  version: 1;
  name: string;
  metric: string;
  choose: "last" | "best";
  on: "validation" | "test";
  baseline: string;
  seeds: number[];
  methods: MethodResult[];
  /** Whether all runs that were asked for came to their end. */
  complete: boolean;
}

const about = ["epoch", "step", "seconds"];

/** The first metric, else the loss on validation data, else the training loss. */
export function defaultMetric({ final }: RunResult): string {
  const names = Object.keys(final ?? {}).filter((name) => !about.includes(name));
  return names.find((name) => name !== "loss" && name !== "validationLoss") ?? (names.includes("validationLoss") ? "validationLoss" : "loss");
}

/** The number that is compared; NaN where it was none, or infinity in a run that was read again. */
export function valueOf({ final, history, folder, test }: RunResult, metric: string, choose: "last" | "best", on: Comparison["on"]): number {
  if (on === "test") {
    const key = metric === "validationLoss" ? "loss" : metric;
    if (isNumber(test?.[key])) return test[key] ?? NaN;
    throw new SteppeError("ARGUMENT", `compare.on: expected "validation", or data with a test part beside the validation part, received "test": ${folder} has no ${metric} on test data`);
  }
  const values = (choose === "last" ? [final] : history).map((record: RunRecord | null) => record?.[metric] as number | null | undefined);
  if (values.length === 0 || !values.every(isNumber)) {
    const there = Object.keys(final ?? {}).filter((name) => !about.includes(name));
    throw new SteppeError("ARGUMENT", `compare.metric: expected one of ${there.join(", ")}, which the run in ${folder} has, received ${JSON.stringify(metric)}`);
  }
  return values.map((value) => value ?? NaN).reduce((a, b) => (Number.isNaN(a) || (isBetterWhenSmaller(metric) ? b < a : b > a) ? b : a));
}

/** NaN and infinity come back from a file as null. */
const isNumber = (value: unknown): value is number | null => typeof value === "number" || value === null;

const orNull = (value: number) => (Number.isNaN(value) ? null : value);

function difference(differences: number[]): Difference {
  return { pairs: differences.length, mean: mean(differences), halfWidth: orNull(halfWidth(differences)), p: orNull(pairedTest(differences)) };
}

type Results = ReadonlyMap<string, ReadonlyMap<number, { result: RunResult; folder: string }>>;

export function summarize(about: Omit<Comparison, "version" | "methods">, methods: readonly string[], results: Results, tuned: (method: string) => MethodResult["tuned"]): Comparison {
  const { metric, choose, on, baseline } = about;
  const valuesOf = (method: string) => new Map([...(results.get(method) ?? [])].map(([seed, { result }]) => [seed, valueOf(result, metric, choose, on)]));
  const base = valuesOf(baseline);
  const summaries = methods.flatMap((method): MethodResult[] => {
    const values = valuesOf(method);
    if (values.size === 0) return [];
    const common = [...values.keys()].filter((seed) => base.has(seed));
    const runs = [...results.get(method)!].sort(([a], [b]) => a - b);
    const times = runs.flatMap(([, { result }]) => (result.stepMilliseconds == null ? [] : [result.stepMilliseconds]));
    return [
      {
        method,
        tuned: tuned(method),
        values: Object.fromEntries(values),
        mean: mean([...values.values()]),
        std: orNull(standardDeviation([...values.values()])),
        stepMilliseconds: times.length === 0 ? null : mean(times),
        against: method === baseline || common.length === 0 ? null : difference(common.map((seed) => values.get(seed)! - base.get(seed)!)),
        folders: Object.fromEntries(runs.map(([seed, { folder }]) => [seed, folder])),
      },
    ];
  });
  return { version: 1, ...about, methods: summaries };
}
