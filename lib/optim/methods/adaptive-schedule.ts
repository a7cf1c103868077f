import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/**
 * AE-SAM: a step is SAM's where `‖g‖²` is at least its running mean plus `c_t` running standard deviations, more often towards
 * the end; else it ends with g. (arXiv 2304.14647)
 */
export interface AdaptiveScheduleOptions extends Omit<CommonOptions, "every" | "probability"> {
  method: "adaptive-schedule";
  /** Steps T over which `c_t` goes from λ₂ to λ₁. */
  totalSteps: number;
  /** Decay of the running statistics, in [0, 1). Default 0.9. */
  delta?: number;
  /** Default −1. */
  lambda1?: number;
  /** Default 1. */
  lambda2?: number;
}

export const adaptiveSchedule: MethodDefinition = {
  rho: 0.05,
  fields: {
    totalSteps: { min: 1, integer: true },
    delta: { default: 0.9, min: 0, below: 1 },
    lambda1: { default: -1 },
    lambda2: { default: 1 },
  },
  parts: (o) => ({ when: part("gradientStatistics", o) }),
  acrossSteps: () => true,
};
