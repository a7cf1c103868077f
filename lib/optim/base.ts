import { SteppeError, describe, suggest } from "../errors.js";
import type { BaseOptions, LbfgsOptions } from "./base-options.js";
import { readField, readFields, type Field, type Fields, type Values } from "./fields.js";

export type BaseName = (BaseOptions | LbfgsOptions)["name"];

/** What is known of a base optimizer: its numbers as native/optim calls them, with torch.optim's defaults. */
interface Base {
  fields: Fields;
  /** Options that are two numbers: `betas` is `beta1` and `beta2`. */
  pairs?: Readonly<Record<string, readonly [string, string]>>;
  /** Options that are called otherwise here than in `options.base`, where a parameter group has another meaning for the name. */
  renamed?: Readonly<Record<string, string>>;
  /** What is wrong with these values together, if anything; `where` is the name of the options. */
  conflict?: (values: Values, where: string) => string | null;
}

const flag: Field = { default: 0, boolean: true };
const count = (value: number): Field => ({ default: value, min: 1, integer: true });
const positive = (value: number): Field => ({ default: value, min: 0 });
const share = (value: number): Field => ({ default: value, min: 0, below: 1 });
const common = (lr: number): Fields => ({ lr: positive(lr), weightDecay: positive(0), maximize: flag });
const moments: Fields = { beta1: share(0.9), beta2: share(0.999), eps: positive(1e-8) };
const betas = { betas: ["beta1", "beta2"] } as const;
const eps = { eps: ["eps1", "eps2"] } as const;

const bases: Record<BaseName, Base> = {
  sgd: {
    fields: { ...common(1e-3), momentum: positive(0), dampening: { default: 0 }, nesterov: flag },
    conflict: ({ nesterov, momentum, dampening }, where) =>
      nesterov === 1 && (momentum === 0 || dampening !== 0) ? `Nesterov momentum needs ${where}.momentum above 0 and ${where}.dampening 0.` : null,
  },
  adam: { fields: { ...common(1e-3), ...moments, amsgrad: flag, decoupledWeightDecay: flag }, pairs: betas },
  adamw: { fields: { ...common(1e-3), ...moments, weightDecay: positive(1e-2), amsgrad: flag }, pairs: betas },
  adafactor: {
    fields: {
      ...common(1e-2),
      beta2Decay: { default: -0.8, max: 0 },
      eps1: { default: NaN, min: 0, nullable: true },
      eps2: positive(1e-3),
      d: { default: 1, min: 1 },
    },
    pairs: eps,
  },
  "adafactor-t5": {
    fields: {
      lr: { default: NaN, min: 0, nullable: true },
      eps1: positive(1e-30),
      eps2: positive(1e-3),
      clipThreshold: { default: 1, above: 0 },
      decayRate: { default: -0.8, max: 0 },
      beta1: { default: NaN, min: 0, below: 1, nullable: true },
      weightDecay: positive(0),
      scaleParameter: { default: 1, boolean: true },
      relativeStep: { default: 1, boolean: true },
      warmupInit: flag,
      maximize: flag,
    },
    pairs: eps,
    conflict: ({ lr, relativeStep, warmupInit }, where) => {
      if (relativeStep === 1 && !Number.isNaN(lr)) return `A relative step has no learning rate: leave ${where}.lr out, or set ${where}.relativeStep to false.`;
      if (relativeStep === 0 && Number.isNaN(lr)) return `Without ${where}.relativeStep a learning rate is needed: set ${where}.lr.`;
      return relativeStep === 0 && warmupInit === 1 ? `${where}.warmupInit needs ${where}.relativeStep.` : null;
    },
  },
  adagrad: { fields: { ...common(1e-2), lrDecay: positive(0), initialAccumulatorValue: positive(0), eps: positive(1e-10) } },
  adadelta: { fields: { ...common(1), baseRho: { default: 0.9, min: 0, max: 1 }, eps: positive(1e-6) }, renamed: { rho: "baseRho" } },
  adamax: { fields: { ...common(2e-3), ...moments }, pairs: betas },
  asgd: { fields: { ...common(1e-2), lambd: { default: 1e-4 }, alpha: { default: 0.75 }, t0: { default: 1e6 } } },
  nadam: { fields: { ...common(2e-3), ...moments, momentumDecay: positive(4e-3), decoupledWeightDecay: flag }, pairs: betas },
  radam: { fields: { ...common(1e-3), ...moments, decoupledWeightDecay: flag }, pairs: betas },
  rmsprop: { fields: { ...common(1e-2), alpha: positive(0.99), eps: positive(1e-8), momentum: positive(0), centered: flag } },
  rprop: {
    fields: {
      lr: positive(1e-2),
      etaMinus: { default: 0.5, above: 0, below: 1 },
      etaPlus: { default: 1.2, above: 1 },
      stepSizeMin: positive(1e-6),
      stepSizeMax: positive(50),
      maximize: flag,
    },
    pairs: { etas: ["etaMinus", "etaPlus"], stepSizes: ["stepSizeMin", "stepSizeMax"] },
    conflict: ({ stepSizeMin, stepSizeMax }, where) => (stepSizeMin! > stepSizeMax! ? `${where}.stepSizes: the smallest is above the largest.` : null),
  },
  lion: { fields: { ...common(1e-4), beta1: share(0.9), beta2: share(0.99) }, pairs: betas },
  lbfgs: {
    fields: {
      lr: positive(1),
      maxIter: count(20),
      maxEval: { default: NaN, min: 1, integer: true, nullable: true },
      toleranceGrad: positive(1e-7),
      toleranceChange: positive(1e-9),
      historySize: count(100),
      lineSearchFn: { default: 0, choices: [null, "strong_wolfe"] },
    },
  },
  lamb: { fields: { ...common(1e-3), ...moments, eps: positive(1e-6), weightDecay: positive(1e-2) }, pairs: betas },
};

/** The options of every base optimizer as they are given: under their own names, pairs told apart. */
export function baseSchemas(): Record<string, { fields: Fields; pairs: Readonly<Record<string, readonly [string, string]>> }> {
  return Object.fromEntries(
    Object.entries(bases).map(([name, { fields, pairs = {}, renamed = {} }]) => {
      const given = new Map(Object.entries(renamed).map(([outside, inside]) => [inside, outside]));
      return [name, { fields: Object.fromEntries(Object.entries(fields).map(([key, field]) => [given.get(key) ?? key, field])), pairs }];
    }),
  );
}

/** The fields that a parameter group of a base optimizer can set for itself. */
export function groupFields(name: BaseName): Fields {
  return { ...bases[name].fields, rho: { min: 0 }, perturb: { boolean: true } };
}

/**
 * Options with each pair as the two numbers that the engine knows.
 *
 * @throws SteppeError `ARGUMENT` for a pair that is none
 */
export function spellOut(base: BaseName, given: Record<string, unknown>, where: string): Record<string, unknown> {
  const { fields, pairs = {} } = bases[base];
  const result = { ...given };
  for (const [name, parts] of Object.entries(pairs)) {
    const pair = given[name];
    delete result[name];
    if (pair === undefined) continue;
    if (!Array.isArray(pair) || pair.length !== 2) throw new SteppeError("ARGUMENT", `Expected two numbers for ${where}.${name} but received ${describe(pair)}.`);
    parts.forEach((part, i) => {
      readField(pair[i], fields[part]!, `${where}.${name}[${i}]`);
      result[part] = pair[i] as unknown;
    });
  }
  return result;
}

/** The names of a base's pairs, to be known in messages. */
export function pairNames(base: BaseName): string[] {
  return Object.keys(bases[base].pairs ?? {});
}

/** @throws SteppeError `ARGUMENT` for values of a base optimizer that do not go together */
export function checkTogether(base: BaseName, values: Values, where: string): void {
  const conflict = bases[base].conflict?.(values, where);
  if (conflict != null) throw new SteppeError("ARGUMENT", conflict);
}

/**
 * Checks that a base optimizer can be used that way.
 *
 * @throws SteppeError `ARGUMENT` for L-BFGS with a method, clipping, accumulation or several groups
 */
export function checkUse(base: BaseName, use: { method?: string; maxGradNorm?: number; accumulationSteps?: number; groups?: number }): void {
  if (base !== "lbfgs") return;
  const { method = "none", maxGradNorm = 0, accumulationSteps = 1, groups = 1 } = use;
  if (method !== "none") throw new SteppeError("ARGUMENT", `L-BFGS takes its gradients itself: use it with method: "none", not ${JSON.stringify(method)}.`);
  if (maxGradNorm !== 0) throw new SteppeError("ARGUMENT", "L-BFGS cannot clip: leave options.maxGradNorm out.");
  if (accumulationSteps !== 1) throw new SteppeError("ARGUMENT", "L-BFGS needs its whole batch in one call: leave options.accumulationSteps out.");
  if (groups !== 1) throw new SteppeError("ARGUMENT", `L-BFGS moves all parameters together: expected one parameter group but received ${groups}.`);
}

/** Checks a base optimizer's options and fills in torch.optim's defaults. */
export function baseNumbers(base: unknown): { name: BaseName; numbers: Values } {
  if (typeof base !== "object" || base === null) {
    throw new SteppeError("ARGUMENT", `Expected an object such as { name: "sgd", lr: 0.1 } for options.base but received ${describe(base)}.`);
  }
  const { name, ...rest } = base as Record<string, unknown>;
  if (typeof name !== "string" || !Object.hasOwn(bases, name)) {
    const known = Object.keys(bases);
    const hint = typeof name === "string" ? suggest(name, known) : "";
    throw new SteppeError("ARGUMENT", `Expected one of ${known.join(", ")} for options.base.name but received ${describe(name)}.${hint}`);
  }
  return { name: name as BaseName, numbers: readBase(name as BaseName, rest) };
}

function readBase(name: BaseName, given: Record<string, unknown>): Values {
  const { fields, pairs = {}, renamed = {} } = bases[name];
  // The names that users write: a pair's own, not its halves'.
  const spelled = { ...pairs, ...Object.fromEntries(Object.entries(renamed).map(([outside, inside]) => [outside, [inside]])) };
  const hidden = Object.values(spelled).flat();
  const known = ["name", ...Object.keys(fields).filter((field) => !hidden.includes(field)), ...Object.keys(spelled)];
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue;
    const whole = Object.keys(spelled).find((outside) => spelled[outside]!.includes(key));
    const hint = whole === undefined ? suggest(key, known) : ` Did you mean ${JSON.stringify(whole)}?`;
    throw new SteppeError("ARGUMENT", `Unknown option ${JSON.stringify(key)} in options.base.${hint} Known here: ${known.join(", ")}.`);
  }
  for (const [outside, field] of Object.entries(renamed)) {
    if (given[outside] !== undefined) readField(given[outside], fields[field]!, `options.base.${outside}`);
  }
  const inside = Object.fromEntries(Object.entries(spellOut(name, given, "options.base")).map(([key, value]) => [renamed[key] ?? key, value]));
  const numbers = readFields(inside, fields, "options.base");
  checkTogether(name, numbers, "options.base");
  return numbers;
}
