/**
 * Operator calls: which overload is meant, which value goes to which argument, and what comes back. The addon converts
 * and calls; see native/dispatch.cc.
 */
import { SteppeError, describe, foreign, isForeignTensor, suggest } from "./errors.js";
import { guardOf, type Guard } from "./guards/index.js";
import { native, type Handle, type NativeArgument, type NativeOverload } from "./native.js";
import { matches, mismatch, typeName } from "./dispatch-types.js";
import { Generator } from "./random.js";
import { followContext } from "./scope.js";
import { Tensor } from "./tensor.js";

interface Argument extends NativeArgument {
  /** The name in JavaScript: `nonBlocking` for `non_blocking`. */
  readonly camel: string;
}

interface Overload extends Omit<NativeOverload, "arguments"> {
  readonly arguments: readonly Argument[];
  readonly positional: number;
  /** Exactly one tensor comes back, a fresh one: the fast way. */
  readonly givesTensor: boolean;
  readonly guard: Guard | null;
}

/** All overloads of one operator name. */
export interface Family {
  readonly name: string;
  readonly overloads: readonly Overload[];
  /** Overloads by the types of positional arguments that are tensors, numbers and booleans only. */
  readonly known: Map<number, Overload>;
  /** Makes tensors from sizes: takes `requiresGrad` besides its schema's arguments. */
  readonly factory: boolean;
}

const families = new Map<string, Family>();

/** snake_case to camelCase; a trailing or leading underscore stays. */
export function camelCase(name: string): string {
  return name.replace(/(?<=[a-zA-Z0-9])_([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function prepare(overload: NativeOverload): Overload {
  const args = overload.arguments.map((argument) => ({ ...argument, camel: camelCase(argument.name) }));
  const first = overload.returns[0];
  return {
    ...overload,
    arguments: args,
    positional: args.filter((argument) => !argument.keywordOnly).length,
    givesTensor: overload.returns.length === 1 && first!.kind === "Tensor" && !first!.list && first!.sameAs < 0,
    guard: guardOf({ name: overload.name, arguments: args, returns: overload.returns }),
  };
}

/** What PyTorch's function of that name never calls: its stft centres unless it is told otherwise. */
const secondary: ReadonlySet<string> = new Set(["aten::stft"]);

/** Overloads without `out` first, then those with fewer arguments: the first that fits is the one that PyTorch means. */
function rank(overload: Overload): number {
  const outs = overload.arguments.filter((argument) => argument.out).length;
  return outs * 1000 + (secondary.has(overload.name) ? 500 : 0) + overload.arguments.length;
}

/**
 * The family of an operator name such as "aten::add".
 *
 * @throws SteppeError `ARGUMENT` if LibTorch has no operator of that name
 */
export function family(name: string): Family {
  let found = families.get(name);
  if (found !== undefined) return found;
  const overloads = native.family(name).map(prepare).sort((a, b) => rank(a) - rank(b));
  if (overloads.length === 0) {
    const names = [...new Set(native.operatorNames().map((operator) => operator.split(".")[0]!))];
    throw new SteppeError("ARGUMENT", `LibTorch has no operator ${JSON.stringify(name)}.${suggest(name, names)}`);
  }
  const factory = overloads.some((overload) => ["dtype", "layout", "device", "pin_memory"].every((key) => overload.arguments.some((a) => a.name === key)));
  found = { name, overloads, known: new Map(), factory };
  families.set(name, found);
  return found;
}

const FAST_ARGUMENTS = 8;

/**
 * Calls the overload of a family that the arguments mean.
 *
 * @param args positional arguments in the schema's order; the last may be an object that names any remaining ones
 */
export function call(family: Family, args: readonly unknown[]): unknown {
  followContext();
  const count = args.length;
  if (count <= FAST_ARGUMENTS) {
    const values = new Array<unknown>(count);
    let signature = 1;
    let i = 0;
    for (; i < count; i++) {
      const value = args[i];
      let code: number;
      if (value instanceof Tensor) {
        values[i] = value.handle;
        code = 1;
      } else {
        values[i] = value;
        if (typeof value === "number") code = Number.isInteger(value) ? 2 : 3;
        else if (typeof value === "boolean") code = 4;
        else break;
      }
      signature = signature * 8 + code;
    }
    if (i === count) {
      let overload = family.known.get(signature);
      if (overload === undefined) {
        overload = choose(family, args, undefined).overload;
        family.known.set(signature, overload);
      }
      return run(overload, values, args);
    }
  }
  return callNamed(family, args);
}

/** The general way: options, lists, strings, missing values. */
function callNamed(family: Family, args: readonly unknown[]): unknown {
  let options = isOptions(args[args.length - 1]) ? (args[args.length - 1] as Record<string, unknown>) : undefined;
  const positional = options === undefined ? args : args.slice(0, -1);
  let requiresGrad = false;
  if (options !== undefined && family.factory && "requiresGrad" in options) {
    const { requiresGrad: wanted, ...rest } = options;
    if (wanted !== undefined && typeof wanted !== "boolean") {
      throw new SteppeError("ARGUMENT", `Expected a boolean for requiresGrad of ${family.name} but received ${describe(wanted)}.`);
    }
    requiresGrad = wanted === true;
    options = rest;
  }
  const { overload, originals } = choose(family, positional, options);
  const result = run(overload, originals.map(unwrap), originals);
  if (requiresGrad) (result as Tensor).requiresGrad = true;
  return result;
}

/** An object that names arguments, as opposed to one that is an argument. */
function isOptions(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && !("re" in value && "im" in value);
}

/** What the addon takes for a value: tensors and generators by number. */
function unwrap(value: unknown): unknown {
  if (value instanceof Tensor) return value.handle;
  if (value instanceof Generator) return value.id;
  if (Array.isArray(value)) return value.map(unwrap);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as unknown as ArrayLike<unknown>);
  return value;
}

interface Choice {
  overload: Overload;
  /** One value per argument of the schema; undefined where the default is meant. */
  originals: unknown[];
}

function choose(family: Family, positional: readonly unknown[], options: Record<string, unknown> | undefined): Choice {
  let best = { matched: -1, reason: "" };
  for (const overload of family.overloads) {
    const originals = bind(overload, positional, options);
    if (Array.isArray(originals)) return { overload, originals };
    if (originals.matched > best.matched) best = originals;
  }
  for (const value of [...positional, ...positional.filter(Array.isArray).flat(), options, ...Object.values(options ?? {})]) {
    if (!(value instanceof Tensor) && isForeignTensor(value)) throw foreign(family.name);
  }
  const schemas = family.overloads.map((overload) => `  ${overload.schema}`).join("\n");
  throw new SteppeError("ARGUMENT", `${best.reason}\n${family.overloads.length === 1 ? "The schema is:" : "The overloads are:"}\n${schemas}`);
}

/**
 * Lays the given values out by the overload's schema, or tells how far they fitted and why no further: a name that is known
 * fits better than one that is nearly known.
 */
function bind(
  overload: Overload,
  positional: readonly unknown[],
  options: Record<string, unknown> | undefined,
): unknown[] | { matched: number; reason: string } {
  const { arguments: args, name } = overload;
  if (positional.length > overload.positional) {
    return { matched: 0, reason: `${name} takes at most ${overload.positional} positional arguments but received ${positional.length}.` };
  }
  const originals = new Array<unknown>(args.length);
  let matched = 0;
  for (let i = 0; i < positional.length; i++) {
    const argument = args[i]!;
    if (!matches(argument, positional[i])) {
      return { matched, reason: mismatch(argument, argument.camel, name, positional[i]) };
    }
    originals[i] = positional[i];
    matched++;
  }
  for (const key in options) {
    const index = args.findIndex((argument) => argument.camel === key || argument.name === key);
    if (index < 0) {
      // Not given, as PyTorch's `out=None`: an overload without `out` may be the one that is meant.
      if (options[key] === undefined) continue;
      const hint = suggest(key, args.map((argument) => argument.camel));
      return { matched: hint === "" ? matched : matched + 0.25, reason: `${name} has no argument ${JSON.stringify(key)}.${hint}` };
    }
    if (index < positional.length) return { matched, reason: `Argument ${key} of ${name} was given twice, by position and by name.` };
    if (!matches(args[index]!, options[key])) {
      return { matched: matched + 0.5, reason: mismatch(args[index]!, key, name, options[key]) };
    }
    originals[index] = options[key];
    matched++;
  }
  const missing = args.find((argument, i) => originals[i] === undefined && !argument.hasDefault && !(argument.keywordOnly && argument.optional));
  if (missing !== undefined) {
    // Explicitly undefined or null stands for none where none is allowed.
    const index = args.indexOf(missing);
    const given = index < positional.length || (options !== undefined && (missing.camel in options || missing.name in options));
    if (!given || !missing.optional) return { matched, reason: `Missing argument ${missing.camel} of ${name}: expected ${typeName(missing)}.` };
  }
  return originals;
}

/**
 * Calls one overload.
 *
 * @param values what the addon takes, in the schema's order
 * @param originals the same as the user gave them: an argument that an operator changes comes back as itself
 */
function run(overload: Overload, values: readonly unknown[], originals: readonly unknown[]): unknown {
  if (overload.guard !== null) overload.guard(originals);
  if (overload.givesTensor) {
    return adopt(invokeTensor(overload.op, values));
  }
  const raw = native.invoke(overload.op, ...values);
  if (overload.returns.length === 0) return undefined;
  if (overload.returns.length === 1) return wrap(overload, 0, raw, originals);
  return (raw as unknown[]).map((value, i) => wrap(overload, i, value, originals));
}

/** Spreading costs more than the call of a small operator. */
function invokeTensor(op: number, values: readonly unknown[]): Handle {
  switch (values.length) {
    case 1:
      return native.invokeTensor(op, values[0]);
    case 2:
      return native.invokeTensor(op, values[0], values[1]);
    case 3:
      return native.invokeTensor(op, values[0], values[1], values[2]);
    default:
      return native.invokeTensor(op, ...values);
  }
}

function wrap(overload: Overload, index: number, raw: unknown, originals: readonly unknown[]): unknown {
  const { kind, list, sameAs } = overload.returns[index]!;
  if (sameAs >= 0) return originals[sameAs];
  if (kind !== "Tensor") return raw;
  return list ? (raw as Handle[]).map(adopt) : adopt(raw as Handle | null);
}

/** The object for a handle that the addon has just made. */
export function adopt(handle: Handle | null): Tensor | null {
  if (handle === null || handle === 0) return null;
  return new Tensor(handle);
}

/**
 * Any registered operator by its schema's name, "aten::add.Tensor", or by its family's, "aten::add": then the overload is
 * chosen from the arguments.
 *
 * @throws SteppeError `ARGUMENT` for an unknown operator or arguments that do not fit, `OPERATOR` if LibTorch refuses them
 */
export function callByName(name: string, ...args: unknown[]): unknown {
  if (typeof name !== "string") throw new SteppeError("ARGUMENT", `Expected an operator's name for name but received ${describe(name)}.`);
  const dot = name.indexOf(".");
  if (dot < 0) return callNamed(checked(family(name)), args);
  const all = family(name.slice(0, dot));
  const exact = all.overloads.filter((overload) => overload.name === name);
  if (exact.length === 0) {
    throw new SteppeError("ARGUMENT", `LibTorch has no operator ${JSON.stringify(name)}.${suggest(name, all.overloads.map((overload) => overload.name))}`);
  }
  return callNamed(checked({ ...all, overloads: exact }), args);
}

function checked(family: Family): Family {
  followContext();
  return family;
}

let schemaList: string[] | undefined;

/** The schemas of all registered operators, sorted: "aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor". */
export function schemas(): string[] {
  schemaList ??= [...new Set(native.operatorNames().map((name) => name.split(".")[0]!))]
    .flatMap((name) => native.family(name).map((overload) => overload.schema))
    .sort();
  return [...schemaList];
}
