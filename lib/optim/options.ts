import type { BaseOptions, LbfgsOptions } from "./base-options.js";
import { baseNumbers, checkUse, type BaseName } from "./base.js";
import { SteppeError, describe, suggest } from "../errors.js";
import { readFields, type Fields, type Values } from "./fields.js";

/** What every method takes. */
export interface CommonOptions {
  /** The optimizer that takes the step in the end. */
  base: BaseOptions;
  /** Radius ρ of the perturbation, at least 0; 0 is the base optimizer's own step. Default 0.05. */
  rho?: number;
  /** Late phase: that many steps of the base optimizer come first. Default 0. (arXiv 2410.10373) */
  startStep?: number;
  /** Every pass of a step sees the same dropout masks. Default true. */
  sameNoise?: boolean;
  /**
   * What a NaN or an infinity in a gradient does: "throw" an error or "skip" the step. Weights, buffers and state stay what
   * they were either way. Default "throw".
   */
  nonFinite?: "throw" | "skip";
  /** Clips the gradient handed to the base optimizer to this norm, as torch.nn.utils.clip_grad_norm_. Default: no clipping. */
  maxGradNorm?: number;
}

/** The base optimizer alone. */
export interface NoneOptions extends Omit<CommonOptions, "rho" | "startStep" | "base"> {
  method: "none";
  /** The optimizer that takes the step. L-BFGS stands here only. */
  base: BaseOptions | LbfgsOptions;
}

/** SAM: `ε = ρ ∇L(w)/‖∇L(w)‖`, the gradient at `w + ε`. (arXiv 2010.01412) */
export interface SamOptions extends CommonOptions {
  method: "sam";
  /** Share of the batch that the ascent gradient uses, in (0, 1]: ¼ costs about 1.25 steps. Default 1. (arXiv 2110.08529) */
  ascentFraction?: number;
}

/** mSAM: each shard of the batch has a perturbation of its own. (arXiv 2302.09693) */
export interface MsamOptions extends CommonOptions {
  method: "msam";
  /** Number of shards m. */
  shards: number;
}

/** GA-SAM: radii that follow the strength of each tensor's gradient. A reading of arXiv 2210.06895. */
export interface GasamOptions extends CommonOptions {
  method: "gasam";
  /** How a tensor's share of the radius follows its gradient's strength: 1 as in SAM, 0 not at all. Default 0. */
  alpha?: number;
  /** Decay of the running strength, in [0, 1). Default 0.9. */
  beta?: number;
  /** How the radius follows the overall strength over training; 0 not at all. Default 0. */
  gamma?: number;
  /** Ascent steps K, at least 1; a step takes K + 1 passes. Default 1. */
  steps?: number;
}

/** What {@link create} takes: plain JSON, told apart by `method`. */
export type OptimizerOptions = NoneOptions | SamOptions | MsamOptions | GasamOptions;
export type Method = OptimizerOptions["method"];

const common = {
  startStep: { default: 0, min: 0, integer: true },
  maxGradNorm: { default: 0, above: 0 },
} satisfies Fields;

/** The numbers of each method; the engine takes them by these names. */
const methods: Record<Method, Fields> = {
  none: {},
  sam: { ascentFraction: { default: 1, above: 0, max: 1 } },
  msam: { shards: { min: 1, integer: true } },
  gasam: {
    alpha: { default: 0, min: 0 },
    beta: { default: 0.9, min: 0, below: 1 },
    gamma: { default: 0, min: 0 },
    steps: { default: 1, min: 1, max: 100, integer: true },
  },
};

const rho: Fields = { rho: { default: 0.05, min: 0 } };
const flags = ["sameNoise", "nonFinite"];

/** Options that were checked, with all defaults filled in. */
export interface Resolved {
  method: Method;
  numbers: Values;
  base: BaseName;
  /** Hyperparameters of a parameter group, ρ among them. */
  group: Values;
  maxGradNorm: number;
  startStep: number;
  sameNoise: boolean;
  throwNonFinite: boolean;
}

/**
 * Checks options and fills in defaults.
 *
 * @throws SteppeError `ARGUMENT` for an unknown method or option (with the nearest known one), a missing or a bad value
 */
export function resolve(options: OptimizerOptions): Resolved {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new SteppeError("ARGUMENT", `Expected an object for options but received ${describe(options)}.`);
  }
  const { method, base, ...rest } = options as unknown as Record<string, unknown>;
  if (typeof method !== "string" || !Object.hasOwn(methods, method)) {
    const known = Object.keys(methods);
    const hint = typeof method === "string" ? suggest(method, known) : "";
    throw new SteppeError("ARGUMENT", `Expected one of ${known.join(", ")} for options.method but received ${describe(method)}.${hint}`);
  }
  const { sameNoise = true, nonFinite = "throw", ...numbers } = rest;
  if (typeof sameNoise !== "boolean") throw new SteppeError("ARGUMENT", `Expected a boolean for options.sameNoise but received ${describe(sameNoise)}.`);
  if (nonFinite !== "throw" && nonFinite !== "skip") {
    throw new SteppeError("ARGUMENT", `Expected "throw" or "skip" for options.nonFinite but received ${describe(nonFinite)}.`);
  }
  const own = methods[method as Method];
  const general: Fields = method === "none" ? { maxGradNorm: common.maxGradNorm } : { ...rho, ...common };
  const values = readFields(numbers, { ...general, ...own }, "options", ["method", "base", ...flags]);
  const resolvedBase = baseNumbers(base);
  checkUse(resolvedBase.name, { method, maxGradNorm: values["maxGradNorm"] ?? 0 });
  return {
    method: method as Method,
    numbers: Object.fromEntries(Object.keys(own).map((name) => [name, values[name]!])),
    base: resolvedBase.name,
    group: { ...resolvedBase.numbers, rho: values["rho"] ?? 0, perturb: 1 },
    maxGradNorm: values["maxGradNorm"] ?? 0,
    startStep: values["startStep"] ?? 0,
    sameNoise,
    throwNonFinite: nonFinite === "throw",
  };
}
