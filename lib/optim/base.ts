import { SteppeError, describe, suggest } from "../errors.js";
import { readField, readFields, type Fields, type Values } from "./fields.js";

/** Stochastic gradient descent, as torch.optim.SGD. */
export interface SgdOptions {
  name: "sgd";
  /** Learning rate; default 1e-3. */
  lr?: number;
  /** Default 0. */
  momentum?: number;
  /** Damps what the momentum buffer takes in; default 0. */
  dampening?: number;
  /** L2 penalty; default 0. */
  weightDecay?: number;
  /** Nesterov momentum: needs momentum and no dampening; default false. */
  nesterov?: boolean;
  /** Climb instead; default false. */
  maximize?: boolean;
}

interface AdamFields {
  /** Learning rate; default 1e-3. */
  lr?: number;
  /** Decay rates of the two moments; default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the denominator; default 1e-8. */
  eps?: number;
  /** Keep the maximum of the second moment; default false. */
  amsgrad?: boolean;
  /** Climb instead; default false. */
  maximize?: boolean;
}

/** Adam (arXiv 1412.6980), as torch.optim.Adam. */
export interface AdamOptions extends AdamFields {
  name: "adam";
  /** L2 penalty; default 0. */
  weightDecay?: number;
}

/** Adam with decoupled weight decay (arXiv 1711.05101), as torch.optim.AdamW. */
export interface AdamWOptions extends AdamFields {
  name: "adamw";
  /** Decoupled weight decay; default 1e-2. */
  weightDecay?: number;
}

/** The optimizer that takes the step with the method's gradient. Weight decay belongs to it and acts at w. */
export type BaseOptions = SgdOptions | AdamOptions | AdamWOptions;

const lr = { default: 1e-3, min: 0 };
const weightDecay = { default: 0, min: 0 };
const flag = { default: 0, boolean: true as const };
const adam: Fields = {
  lr,
  beta1: { default: 0.9, min: 0, below: 1 },
  beta2: { default: 0.999, min: 0, below: 1 },
  eps: { default: 1e-8, min: 0 },
  weightDecay,
  amsgrad: flag,
  maximize: flag,
};

const bases: Record<BaseOptions["name"], Fields> = {
  sgd: { lr, momentum: { default: 0, min: 0 }, dampening: { default: 0 }, weightDecay, nesterov: flag, maximize: flag },
  adam,
  adamw: { ...adam, weightDecay: { default: 1e-2, min: 0 } },
};

/** The fields that a parameter group of a base optimizer can set for itself. */
export function groupFields(name: BaseOptions["name"]): Fields {
  return { ...bases[name], rho: { min: 0 }, perturb: { boolean: true } };
}

/** `betas: [a, b]` as the two numbers that the engine knows. */
export function spellOutBetas(given: Record<string, unknown>, name: string): Record<string, unknown> {
  if (!("betas" in given) || given["betas"] === undefined) return given;
  const { betas, ...rest } = given;
  if (!Array.isArray(betas) || betas.length !== 2) throw new SteppeError("ARGUMENT", `Expected two numbers for ${name}.betas but received ${describe(betas)}.`);
  return {
    ...rest,
    beta1: readField(betas[0], adam["beta1"]!, `${name}.betas[0]`),
    beta2: readField(betas[1], adam["beta2"]!, `${name}.betas[1]`),
  };
}

/** Checks a base optimizer's options and fills in torch.optim's defaults. */
export function baseNumbers(base: unknown): { name: BaseOptions["name"]; numbers: Values } {
  if (typeof base !== "object" || base === null) {
    throw new SteppeError("ARGUMENT", `Expected an object such as { name: "sgd", lr: 0.1 } for options.base but received ${describe(base)}.`);
  }
  const { name, ...rest } = base as Record<string, unknown>;
  if (typeof name !== "string" || !Object.hasOwn(bases, name)) {
    const known = Object.keys(bases);
    const hint = typeof name === "string" ? suggest(name, known) : "";
    throw new SteppeError("ARGUMENT", `Expected one of ${known.join(", ")} for options.base.name but received ${describe(name)}.${hint}`);
  }
  for (const key of ["beta1", "beta2"]) {
    if (key in rest) throw new SteppeError("ARGUMENT", `Unknown option "${key}" in options.base. Did you mean "betas"?`);
  }
  const numbers = readFields(spellOutBetas(rest, "options.base"), bases[name as BaseOptions["name"]], "options.base", ["name", "betas"]);
  if (numbers["nesterov"] === 1 && (numbers["momentum"] === 0 || numbers["dampening"] !== 0)) {
    throw new SteppeError("ARGUMENT", "Nesterov momentum needs options.base.momentum above 0 and options.base.dampening 0.");
  }
  return { name: name as BaseOptions["name"], numbers };
}
