import { SteppeError, describe, expected } from "../errors.js";
import { homeOf } from "../nn/home.js";
import type { Module } from "../nn/module.js";
import { isUninitialized } from "../nn/uninitialized.js";
import { Tensor } from "../tensor.js";
import type { BaseOptions } from "./base-options.js";
import { checkTogether, checkUse, groupFields, pairNames, spellOut, type BaseName } from "./base.js";
import { readField, readFields, readSaved, type Field, type Fields, type Values } from "./fields.js";

type Overrides<Base> = Base extends BaseOptions ? Omit<Base, "name" | "rho"> : never;

/** Parameters with hyperparameters of their own, those of the base optimizer among them: what is left out is as in the optimizer's options. */
export type ParameterGroupOptions = {
  parameters: Iterable<Tensor> | Module;
  /** Radius for these parameters. */
  rho?: number;
  /** false: the perturbation and all norms of the method leave these parameters out. Default true. */
  perturb?: boolean;
  /** Adadelta's own rho. */
  baseRho?: number;
} & Overrides<BaseOptions>;

/** What an optimizer trains: a model, its parameters, or groups of them. */
export type Trained = Module | Iterable<Tensor> | readonly ParameterGroupOptions[];

/** The parameters of an optimizer with their names, buffers and groups. */
export interface Collected {
  parameters: Tensor[];
  /** Paths in the model, where they are known: rules look at them, and messages tell them. */
  names: string[];
  /** Names in the state dict, each once. */
  keys: string[];
  groupOf: number[];
  groups: ParameterGroup[];
  buffers: Tensor[];
  /** The modules among what is trained, and those that bare tensors come from. */
  modules: Module[];
}

/** A group's hyperparameters, to be read and set between steps. */
export class ParameterGroup {
  readonly #base: BaseName;
  readonly #fields: Fields;
  #values: Values;
  readonly #changed: () => void;

  /** @internal */
  constructor(base: BaseName, values: Values, changed: () => void) {
    this.#base = base;
    this.#fields = groupFields(base);
    this.#values = values;
    this.#changed = changed;
  }

  /**
   * A hyperparameter as a number: 0 and 1 for booleans, NaN for null, 1 for `lineSearchFn` "strong_wolfe". Pairs have a name for each number: `betas` is `beta1`
   * and `beta2`, Adafactor's `eps` is `eps1` and `eps2`, `etas` is `etaMinus` and `etaPlus`, `stepSizes` is `stepSizeMin`
   * and `stepSizeMax`. Adadelta's own rho is `baseRho`.
   *
   * @throws SteppeError `ARGUMENT` for a name that this optimizer does not have
   */
  get(name: string): number {
    this.#field(name);
    return this.#values[name]!;
  }

  /**
   * Holds from the next step on; no program is recorded anew.
   *
   * @param value as in the options, pairs under their own name: `set("betas", [0.95, 0.999])`
   * @throws SteppeError `ARGUMENT` for an unknown name, a bad value, or one that does not go with the others
   */
  set(name: string, value: number | boolean | "strong_wolfe" | null | readonly [number | null, number]): void {
    const given = spellOut(this.#base, { [name]: value }, "group");
    this.#replace(Object.fromEntries(Object.entries(given).map(([key, each]) => [key, readField(each, this.#field(key), key)])));
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

  /**
   * Takes over what `toJSON` gave, also after it went through JSON.
   *
   * @throws SteppeError `ARGUMENT` for other names or bad values; nothing changes then
   */
  load(saved: Readonly<Record<string, unknown>>): void {
    this.#replace(this.check(saved));
  }

  /** @throws SteppeError `ARGUMENT` for what `load` would refuse */
  check(saved: Readonly<Record<string, unknown>>): Values {
    const values = Object.fromEntries(Object.entries(saved).map(([name, value]) => [name, readSaved(value, this.#field(name), name)]));
    checkTogether(this.#base, { ...this.#values, ...values }, "group");
    return values;
  }

  #replace(changes: Values): void {
    const values = { ...this.#values, ...changes };
    checkTogether(this.#base, values, "group");
    this.#values = values;
    this.#changed();
  }

  #field(name: string): Field {
    if (!Object.hasOwn(this.#fields, name)) {
      throw new SteppeError("ARGUMENT", `This optimizer has no hyperparameter ${describe(name)}. It has ${Object.keys(this.#fields).join(", ")}.`);
    }
    return this.#fields[name]!;
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
export function collect(trained: Trained, base: BaseName, defaults: Values, changed: () => void): Collected {
  const fields = groupFields(base);
  const specs: ParameterGroupOptions[] = isGroupList(trained) ? [...trained] : [{ parameters: trained as Module | Iterable<Tensor> }];
  checkUse(base, { groups: specs.length });
  const result: Collected = { parameters: [], names: [], keys: [], groupOf: [], groups: [], buffers: [], modules: [] };
  const seen = new Set<Tensor>();
  const modules = new Set<Module>();
  specs.forEach((spec, g) => {
    const { parameters, ...overrides } = spec;
    const where = isGroupList(trained) ? `groups[${g}]` : "parameters";
    const given = spellOut(base, overrides, where);
    const asDefaults = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, { ...field, default: defaults[name]! }]));
    const values = readFields(given, asDefaults, where, ["parameters", ...pairNames(base)]);
    checkTogether(base, values, where);
    result.groups.push(new ParameterGroup(base, values, changed));
    for (const [name, tensor] of named(parameters, where)) {
      if (seen.has(tensor)) {
        if (isGroupList(trained)) throw new SteppeError("ARGUMENT", `Parameter ${name} appears twice among the groups.`);
        continue;
      }
      if (isUninitialized(tensor)) {
        throw expected("a parameter with a shape", `parameter ${name}`, tensor, "Its lazy layer has seen no input: run the model once before its optimizer is made.");
      }
      if (!tensor.isLeaf) throw expected("a leaf tensor, which no operator has made,", `parameter ${name}`, tensor, "Steps would change it and not what it was made of.");
      seen.add(tensor);
      const home = homeOf(tensor);
      result.parameters.push(tensor);
      result.names.push(home?.path ?? name);
      result.keys.push(result.keys.includes(name) ? `groups[${g}].${name}` : name);
      result.groupOf.push(g);
      if (home !== undefined) modules.add(home.module);
    }
    if (isModule(parameters)) modules.add(parameters);
  });
  result.modules = [...modules];
  result.buffers = [...new Set(result.modules.flatMap((module) => module.buffers()))];
  if (result.parameters.length === 0) throw expected("at least one parameter", "parameters", trained);
  return inModelOrder(result);
}

/** Parameters in their models' order, however they were grouped: masks break ties by it, and random numbers are drawn in it. As given where a model is not known. */
function inModelOrder(collected: Collected): Collected {
  const { parameters, names, keys, groupOf, modules } = collected;
  const place = new Map([...new Set<Tensor>(modules.flatMap((module) => module.parameters()))].map((parameter, i) => [parameter, i]));
  if (!parameters.every((parameter) => place.has(parameter))) return collected;
  const order = parameters.map((_, k) => k).sort((a, b) => place.get(parameters[a]!)! - place.get(parameters[b]!)!);
  const sorted = <T>(list: T[]) => order.map((k) => list[k]!);
  return { ...collected, parameters: sorted(parameters), names: sorted(names), keys: sorted(keys), groupOf: sorted(groupOf) };
}

/**
 * The parameters of the normalisation layers (batch, instance, layer, RMS and group norm) within what is trained.
 *
 * @throws SteppeError `ARGUMENT` if there are none
 */
export function normalizationParameters({ modules, parameters }: Collected): Set<Tensor> {
  const layers = modules.flatMap((module) => module.modules()).filter((module) => module.isNormalization);
  const found = new Set<Tensor>(layers.flatMap((layer) => layer.parameters({ recurse: false })).filter((parameter) => parameters.includes(parameter)));
  if (found.size === 0) throw new SteppeError("ARGUMENT", "Expected a model with normalisation layers that have weights for method norm-only, but found none.");
  return found;
}
