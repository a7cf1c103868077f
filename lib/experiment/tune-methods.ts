import { SteppeError } from "../errors.js";
import { isBetterWhenSmaller } from "../train/metric-names.js";
import { defaultMetric, valueOf } from "./comparison.js";
import type { Comparison } from "./comparison.js";
import type { RunResult } from "./run.js";
import type { Setting } from "./settings-grid.js";

/** A setting of a method, and the run with which it is tried. */
interface Trial {
  /** What it came to before, or null. */
  known: RunResult | null;
  train: () => Promise<RunResult>;
}

/** The tuning of a comparison. */
export interface Tuning extends Pick<Comparison, "choose" | "on"> {
  /** What is compared; null: the first result tells. */
  metric: string | null;
  signal?: AbortSignal | undefined;
  /** Of a method, in order; none where it is not tuned. */
  gridOf: (method: string) => readonly Setting[];
  /** Is asked when the setting has its turn. */
  trial: (method: string, setting: Setting) => Trial;
  /** `value`: null for one that diverged. */
  onResult: (trial: { method: string; setting: Setting; metric: string | null; value: number | null; known: boolean }) => void;
}

/**
 * The best setting of each method on validation data; of none that comes after an end by the signal.
 *
 * @throws SteppeError `NON_FINITE` where no setting of a method can be trained, `ARGUMENT` where results cannot be compared as wanted
 */
export async function tuneMethods(methods: readonly string[], tuning: Tuning): Promise<{ chosen: Map<string, Setting>; metric: string | null }> {
  const { choose, on, signal, gridOf, trial, onResult } = tuning;
  let { metric } = tuning;
  const chosen = new Map<string, Setting>();
  for (const method of methods) {
    const scores: { setting: Setting; score: number | null }[] = [];
    for (const setting of gridOf(method)) {
      if (signal?.aborted === true) return { chosen, metric };
      const { known, train } = trial(method, setting);
      const result = known ?? (await orDiverged(train));
      if (result?.end === "aborted") return { chosen, metric };
      if (result !== null) metric ??= defaultMetric(result);
      // That it cannot be compared is to be known before all the others have run.
      if (result !== null) valueOf(result, metric!, choose, on);
      const score = result === null ? null : valueOf(result, metric!, choose, "validation");
      scores.push({ setting, score });
      onResult({ method, setting, metric, value: score, known: known !== null });
    }
    if (scores.length > 0) chosen.set(method, bestOf(scores, metric, method));
  }
  return { chosen, metric };
}

/** The result of a run; null for one that met NaN or infinity: of no use, but no reason to try no other setting. */
async function orDiverged(run: () => Promise<RunResult>): Promise<RunResult | null> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof SteppeError && error.code === "NON_FINITE") return null;
    throw error;
  }
}

function bestOf(scores: readonly { setting: Setting; score: number | null }[], metric: string | null, method: string): Setting {
  const finite = scores.flatMap(({ setting, score }) => (score === null || !Number.isFinite(score) ? [] : [{ setting, score }]));
  if (finite.length === 0) throw new SteppeError("NON_FINITE", `Expected a setting of ${method} that can be trained but received NaN or infinity with each of ${scores.map(({ setting }) => setting.name).join("; ")}.`);
  return finite.reduce((a, b) => ((isBetterWhenSmaller(metric!) ? b.score < a.score : b.score > a.score) ? b : a)).setting;
}
