import { baseNumbers, checkUse, type BaseName } from "./base.js";
import { SteppeError, describe, expected, suggest } from "../errors.js";
import { readFields, type Fields, type Values } from "./fields.js";
import type { LrScheduleOptions, RhoScheduleOptions } from "./schedule-options.js";
import { readSchedules, type Schedules } from "./schedules.js";
import { methods, type Method, type OptimizerOptions } from "./methods/index.js";
import { part, type MethodDefinition, type Parts } from "./methods/method.js";

const common: Fields = {
  maxGradNorm: { default: 0, above: 0 },
  maxGradValue: { default: 0, above: 0 },
  accumulationSteps: { default: 1, min: 1, integer: true },
};
/** About the perturbation: of all methods, `none` among them. */
const perturbing: Fields = {
  startStep: { default: 0, min: 0, integer: true },
};
/** Which steps perturb: for methods that do not decide that themselves. */
const choosing: Fields = {
  every: { default: 1, min: 1, integer: true },
  probability: { default: 1, min: 0, max: 1 },
};
const scaling: Fields = {
  initial: { default: 65536, above: 0 },
  growth: { default: 2, min: 1 },
  backoff: { default: 0.5, above: 0, below: 1 },
  interval: { default: 2000, min: 1, integer: true },
};

/** Options that are no plain numbers. */
export const flags = ["sameNoise", "nonFinite", "lossScale", "accumulate", "lrSchedule", "rhoSchedule"] as const;

/** Options that were checked, with all defaults filled in. */
export interface Resolved {
  method: Method;
  definition: MethodDefinition;
  /** The method's own numbers. */
  numbers: Values;
  parts: Parts;
  base: BaseName;
  /** Hyperparameters of a parameter group, ρ among them. */
  group: Values;
  maxGradNorm: number;
  maxGradValue: number;
  accumulationSteps: number;
  accumulate: "full" | "shard";
  startStep: number;
  sameNoise: boolean;
  throwNonFinite: boolean;
  /** `interval` 0: the scale stays as it is. */
  lossScale: { initial: number; growth: number; backoff: number; interval: number };
  schedules: Schedules;
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
  const definition = methods[method as Method];
  const { sameNoise = true, nonFinite = "throw", lossScale = 1, accumulate, lrSchedule, rhoSchedule, ...given } = rest;
  if (typeof sameNoise !== "boolean") throw expected("a boolean", "options.sameNoise", sameNoise);
  if (nonFinite !== "throw" && nonFinite !== "skip") throw expected('"throw" or "skip"', "options.nonFinite", nonFinite);

  const perturbs = definition.rho !== null;
  if (!perturbs && rhoSchedule !== undefined) throw new SteppeError("ARGUMENT", `Method ${method} has no radius: leave options.rhoSchedule out.`);
  const values = readFields(given, fieldsOf(definition), "options", ["method", "base", ...flags]);
  const own = Object.fromEntries(Object.keys(definition.fields).flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]]])));
  const resolvedBase = baseNumbers(base);
  const accumulationSteps = values["accumulationSteps"]!;
  checkUse(resolvedBase.name, { method, maxGradNorm: Math.max(values["maxGradNorm"]!, values["maxGradValue"]!), accumulationSteps });
  definition.check?.(own, rest);
  if (definition.movesWeightsItself === true) {
    for (const name of ["maxGradNorm", "maxGradValue"] as const) {
      if (values[name] !== 0) throw new SteppeError("ARGUMENT", `Method ${method} moves the weights by its own rule and hands the base optimizer no gradient to clip: leave options.${name} out.`);
    }
  }
  return {
    method: method as Method,
    definition,
    numbers: own,
    parts: { ...definition.parts(own), ...chosenSteps(values) },
    base: resolvedBase.name,
    group: { ...resolvedBase.numbers, rho: values["rho"] ?? 0, perturb: 1 },
    maxGradNorm: values["maxGradNorm"]!,
    maxGradValue: values["maxGradValue"]!,
    accumulationSteps,
    accumulate: readAccumulate(accumulate, accumulationSteps, method as Method, own),
    startStep: values["startStep"] ?? 0,
    sameNoise,
    throwNonFinite: nonFinite === "throw",
    lossScale: readLossScale(lossScale),
    schedules: readSchedules(lrSchedule as LrScheduleOptions | undefined, rhoSchedule as RhoScheduleOptions | undefined),
  };
}

/** The numbers among a method's options. */
export function fieldsOf(definition: MethodDefinition): Fields {
  return {
    ...common,
    rho: { default: definition.rho ?? 0, min: 0 },
    ...perturbing,
    ...(decides(definition) ? {} : choosing),
    ...definition.fields,
  };
}

/** How a step over several micro-batches perturbs. */
function readAccumulate(given: unknown, steps: number, method: Method, numbers: Values): Resolved["accumulate"] {
  if (given !== undefined && given !== "full" && given !== "shard") throw expected('"full" or "shard"', "options.accumulate", given);
  const accumulate = given ?? "full";
  if (steps === 1) {
    if (given !== undefined) throw new SteppeError("ARGUMENT", "options.accumulate needs options.accumulationSteps of at least 2.");
    return accumulate;
  }
  const definition = methods[method];
  const refused = (why: string, instead: string) =>
    new SteppeError("ARGUMENT", `Method ${method} with these options cannot take options.accumulate "${accumulate}", as it ${why}: ${instead}.`);
  if (accumulate === "shard" && definition.acrossSteps?.(numbers) === true) {
    throw refused("keeps something from step to step, or moves the weights past the base optimizer, for which a step needs one direction", 'use "full"');
  }
  // parallel needs an earlier batch, but all of it
  if (accumulate === "full" && definition.cutsBatch?.(numbers) === true && definition.parts(numbers).rule === undefined) {
    throw refused("runs over parts of the batch, whose samples are in several micro-batches", 'use "shard", which takes parts of each micro-batch');
  }
  return accumulate;
}

/** Whether a method has its own answer to which steps perturb, or nothing to choose from. */
function decides(definition: MethodDefinition): boolean {
  if (definition.rho === null) return true;
  const defaults = Object.fromEntries(Object.entries(definition.fields).map(([name, field]) => [name, field.default ?? 1]));
  const parts = definition.parts(defaults);
  return parts.when !== undefined || parts.rule !== undefined;
}

/** `every` and `probability` as the engine's part. */
function chosenSteps({ every = 1, probability = 1 }: Values): Parts {
  if (every !== 1 && probability !== 1) {
    throw new SteppeError("ARGUMENT", "Expected options.every or options.probability but received both: each says which steps perturb.");
  }
  if (every !== 1) return { when: part("every", { k: every }) };
  return probability === 1 ? {} : { when: part("probability", { p: probability }) };
}

function readLossScale(value: unknown): Resolved["lossScale"] {
  if (typeof value === "number") {
    if (!(value > 0) || !Number.isFinite(value)) throw expected("a positive number", "options.lossScale", value);
    return { initial: value, growth: 1, backoff: 1, interval: 0 };
  }
  const given = value === "dynamic" ? {} : value;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw expected('a positive number, "dynamic" or an object of its settings', "options.lossScale", value);
  }
  const { initial, growth, backoff, interval } = readFields(given as Record<string, unknown>, scaling, "options.lossScale");
  return { initial: initial!, growth: growth!, backoff: backoff!, interval: interval! };
}
