import { SteppeError } from "../errors.js";
import * as metrics from "../metrics/index.js";
import type { Metric } from "../metrics/index.js";
import type { Config, MetricConfig, MetricName } from "./config.js";
import type { BatchKind } from "./data-sets.js";

const classes: Record<MetricName, new (options?: never) => Metric> = {
  accuracy: metrics.Accuracy,
  f1: metrics.F1,
  matthews: metrics.MatthewsCorrelation,
  calibrationError: metrics.CalibrationError,
  perplexity: metrics.Perplexity,
  pearson: metrics.PearsonCorrelation,
  spearman: metrics.SpearmanCorrelation,
};

const defaults: Record<BatchKind, MetricConfig[]> = { classes: ["accuracy"], texts: ["accuracy"], language: ["perplexity"], numbers: [], own: [] };

/** The metrics of a configuration, by the names that they have in records. */
export function makeMetrics(given: Config["metrics"], kind: BatchKind): Record<string, Metric> {
  if (given !== undefined && !Array.isArray(given)) return Object.fromEntries(Object.entries(given).map(([name, make]) => [name, (make as () => Metric)()]));
  const made: Record<string, Metric> = {};
  (given ?? defaults[kind]).forEach((each: MetricConfig, i: number) => {
    const { name, as = name, ...options } = typeof each === "string" ? { name: each } : each;
    if (made[as] !== undefined) throw new SteppeError("ARGUMENT", `metrics[${i}].as: expected another name than ${JSON.stringify(as)}, which an earlier metric has.`);
    try {
      made[as] = new classes[name](options as never);
    } catch (error) {
      throw error instanceof SteppeError ? new SteppeError(error.code, `metrics[${i}]: ${error.message}`, { cause: error }) : error;
    }
  });
  return made;
}
