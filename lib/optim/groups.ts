import { SteppeError, describe, expected } from "../errors.js";
import type { Module } from "../nn/module.js";
import { Tensor } from "../tensor.js";
import type { BaseOptions } from "./base.js";
import { groupFields, spellOutBetas } from "./base.js";
import { readField, readFields, type Fields, type Values } from "./fields.js";

/** Parameters with hyperparameters of their own: what is left out is as in the optimizer's options. */
export interface ParameterGroupOptions {
  parameters: Iterable<Tensor> | Module;
  lr?: number;
  momentum?: number;
  dampening?: number;
  weightDecay?: number;
  nesterov?: boolean;
  betas?: readonly [number, number];
  eps?: number;
  amsgrad?: boolean;
  maximize?: boolean;
  /** Radius for these parameters. */
  rho?: number;
  /** false: the perturbation and its norm leave these parameters out. Default true. */
  perturb?: boolean;
}

/** What an optimizer trains: a model, its parameters, or groups of them. */
export type Trained = Module | Iterable<Tensor> | readonly ParameterGroupOptions[];

/** The parameters of an optimizer with their names, buffers and groups. */
export interface Collected {
  parameters: Tensor[];
  names: string[];
  groupOf: number[];
  groups: ParameterGroup[];
  buffers: Tensor[];
  module: Module | null;
}

/** A group's hyperparameters, to be read and set between steps. */
export class ParameterGroup {
  readonly #fields: Fields;
  readonly #values: Values;
  readonly #changed: () => void;

  /** @internal */
  constructor(values: Values, fields: Fields, changed: () => void) {
    this.#values = values;
    this.#fields = fields;
    this.#changed = changed;
  }

  /** @throws SteppeError `ARGUMENT` for a name that this optimizer does not have */
  get(name: string): number {
    this.#field(name);
    return this.#values[name]!;
  }

  /** Holds from the next step on; no program is recorded anew. */
  set(name: string, value: number | boolean): void {
    this.#values[name] = readField(value, this.#field(name), name);
    this.#changed();
  }

  get lr(): number {
    return this.get("lr");
  }
  set lr(value: number) {
    this.set("lr", value);
  }

  get rho(): number {
    return this.get("rho");
  }
  set rho(value: number) {
    this.set("rho", value);
  }

  get weightDecay(): number {
    return this.get("weightDecay");
  }
  set weightDecay(value: number) {
    this.set("weightDecay", value);
  }

  /** All hyperparameters, as numbers. */
  toJSON(): Values {
    return { ...this.#values };
  }

  #field(name: string): Fields[string] & object {
    const field = this.#fields[name];
    if (field === undefined) throw new SteppeError("ARGUMENT", `This optimizer has no hyperparameter ${describe(name)}. It has ${Object.keys(this.#fields).join(", ")}.`);
    return field;
  }
}

function isModule(value: unknown): value is Module {
  return typeof (value as Partial<Module> | null)?.namedParameters === "function";
}

function isGroupList(value: unknown): value is readonly ParameterGroupOptions[] {
  return Array.isArray(value) && value.length > 0 && !(value[0] instanceof Tensor) && typeof value[0] === "object" && value[0] !== null && "parameters" in value[0];
}

function named(source: Module | Iterable<Tensor>, where: string): [string, Tensor][] {
  if (isModule(source)) return source.namedParameters();
  if (typeof (source as Partial<Iterable<Tensor>> | null)?.[Symbol.iterator] !== "function" || typeof source === "string") {
    throw expected("a module, tensors or parameter groups", where, source);
  }
  return [...source].map((tensor, i) => {
    if (!(tensor instanceof Tensor)) throw expected("a Tensor", `${where}[${i}]`, tensor);
    return [`${where}[${i}]`, tensor];
  });
}

/** Gathers what is to be trained, each parameter once. */
export function collect(trained: Trained, base: BaseOptions["name"], defaults: Values, changed: () => void): Collected {
  const fields = groupFields(base);
  const specs: ParameterGroupOptions[] = isGroupList(trained) ? [...trained] : [{ parameters: trained as Module | Iterable<Tensor> }];
  const result: Collected = { parameters: [], names: [], groupOf: [], groups: [], buffers: [], module: isModule(trained) ? trained : null };
  const seen = new Set<Tensor>();
  specs.forEach((spec, g) => {
    const { parameters, ...overrides } = spec;
    const where = isGroupList(trained) ? `groups[${g}]` : "parameters";
    const given = spellOutBetas(overrides as Record<string, unknown>, where);
    const asDefaults = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, { ...field, default: defaults[name]! }]));
    result.groups.push(new ParameterGroup(readFields(given, asDefaults, where, ["parameters", "betas"]), fields, changed));
    for (const [name, tensor] of named(parameters, where)) {
      if (seen.has(tensor)) {
        if (isGroupList(trained)) throw new SteppeError("ARGUMENT", `Parameter ${name} appears twice among the groups.`);
        continue;
      }
      seen.add(tensor);
      result.parameters.push(tensor);
      result.names.push(name);
      result.groupOf.push(g);
    }
    if (isModule(parameters)) result.buffers.push(...parameters.buffers().filter((buffer) => !result.buffers.includes(buffer)));
  });
  if (result.parameters.length === 0) throw expected("at least one parameter", "parameters", trained);
  return result;
}
