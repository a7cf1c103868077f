import { SteppeError } from "../../errors.js";
import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/**
 * bSAM: learns a Gaussian around w with a precision s per weight. `g_s = ∇L(w + z/√(N s))`, `g_e = ∇L(w + ρ g_s/s)`,
 * `m ← β₁m + (1−β₁)(g_e + λw)`, `w ← w − lr m/s`, `s ← β₂s + (1−β₂)(√s|g_s| + ζ + λ)`. The base is plain SGD: its learning rate
 * and weight decay λ are used. The pass at the sampled point is the one that reports and moves the normalisation buffers.
 * (arXiv 2210.01620)
 */
export interface BayesianOptions extends Omit<CommonOptions, "every" | "probability" | "maxGradNorm" | "maxGradValue"> {
  method: "bayesian";
  /** Number of training samples N. */
  dataSize: number;
  /** β₁ and β₂. Default [0.9, 0.999]. */
  beta1?: number;
  beta2?: number;
  /** Damping ζ. Default 0.1. */
  zeta?: number;
  /** What s starts at. Default 1. */
  initialPrecision?: number;
}

export const bayesian: MethodDefinition = {
  rho: 0.05,
  fields: {
    dataSize: { min: 1, integer: true },
    beta1: { default: 0.9, min: 0, below: 1 },
    beta2: { default: 0.999, min: 0, below: 1 },
    zeta: { default: 0.1, min: 0 },
    initialPrecision: { default: 1, above: 0 },
  },
  parts: (o) => ({ rule: part("bayesian", o) }),
  acrossSteps: () => true,
  checkBase: (base, values) => checkPlainSgd("bayesian", base, values),
  movesWeightsItself: true,
};

/** @throws SteppeError `ARGUMENT` unless the base is SGD without momentum */
export function checkPlainSgd(method: string, base: string, values: Readonly<Record<string, number>>): void {
  if (base === "sgd" && values["momentum"] === 0) return;
  const came = base === "sgd" ? `momentum ${values["momentum"]}` : base;
  throw new SteppeError("ARGUMENT", `Expected sgd without momentum as options.base for method ${method}, whose rule has no other, but received ${came}.`);
}
