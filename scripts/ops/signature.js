// What an operator's schema means as a TypeScript call: arguments by position, then by name, then what comes back.

/**
 * @typedef {object} Parameter
 * @property {string} name in camelCase
 * @property {string[]} types the members of its union
 * @property {boolean} optional may be left out
 *
 * @typedef {object} Signature
 * @property {string[]} schemas the overloads that it stands for
 * @property {Parameter[]} positional in the schema's order; each may be given by name, too
 * @property {Parameter[]} named by name only
 * @property {Parameter[]} outs by name only: where the results go, all of them or none
 * @property {boolean} outsAlone whether outs exclude dtype, layout, device and pinMemory
 * @property {boolean} factory takes dtype, layout, device and pinMemory, and so requiresGrad
 * @property {string} returns
 */

/** As in lib/dispatch.ts: a trailing or leading underscore stays. */
export function camelCase(name) {
  return name.replace(/(?<=[a-zA-Z0-9])_([a-zA-Z0-9])/g, (_, letter) => letter.toUpperCase());
}

const single = {
  Tensor: "Tensor",
  int: "Int",
  float: "number",
  bool: "boolean",
  Scalar: "Scalar",
  str: "string",
  ScalarType: "DType",
  Layout: "Layout",
  Device: "Device",
  MemoryFormat: "MemoryFormat",
  Generator: "Generator",
};

const lists = { int: "Ints", float: "Floats" };

function typesOf(argument) {
  const one = single[argument.kind];
  if (!argument.list) return argument.optional ? [one, "null"] : [one];
  const list = lists[argument.kind] ?? (argument.optionalElements ? `readonly (${one} | null)[]` : `readonly ${one}[]`);
  // int[2]: a single number stands for two.
  const types = argument.size > 0 && argument.kind !== "Tensor" ? [one, list] : [list];
  return argument.optional ? [...types, "null"] : types;
}

/** The names of an operator's results, "" where it has none; the addon tells their types only. */
function resultNames(overload) {
  const text = overload.schema.slice(overload.schema.lastIndexOf(" -> ") + 4).replace(/^\(|\)$/g, "");
  return text.split(", ").map((part) => / ([A-Za-z]\w*)$/.exec(part)?.[1] ?? "");
}

function returnsOf(overload, asMethod) {
  const { returns } = overload;
  const types = returns.map(({ kind, list, sameAs }) => {
    if (asMethod && sameAs === 0) return "this";
    const one = kind === "int" ? "number" : single[kind];
    return list ? `${one}[]` : one;
  });
  if (types.length === 0) return "void";
  if (types.length === 1) return types[0];
  const names = resultNames(overload);
  return names.every((name) => name !== "") ? `[${types.map((type, i) => `${camelCase(names[i])}: ${type}`).join(", ")}]` : `[${types.join(", ")}]`;
}

/** Whether values of JavaScript stand for all its arguments and results. */
export function isCallable(overload) {
  return [...overload.arguments, ...overload.returns].every(({ kind }) => kind !== "unsupported");
}

const FACTORY = ["dtype", "layout", "device", "pinMemory"];

/** @returns {Signature} of one overload, as a function or (without `self`) as a method */
function signatureOf(overload, asMethod) {
  const parameters = overload.arguments.slice(asMethod ? 1 : 0).map((argument) => ({
    name: camelCase(argument.name),
    types: typesOf(argument),
    // As lib/dispatch.ts has it: what can be null and is given by name can be left out.
    optional: argument.hasDefault || (argument.keywordOnly && argument.optional),
    keywordOnly: argument.keywordOnly,
    out: argument.out,
  }));
  const named = parameters.filter(({ keywordOnly, out }) => keywordOnly && !out);
  return {
    schemas: [overload.schema],
    positional: parameters.filter(({ keywordOnly }) => !keywordOnly),
    named,
    outs: parameters.filter(({ out }) => out),
    outsAlone: false,
    factory: FACTORY.every((name) => named.some((parameter) => parameter.name === name && parameter.optional)),
    returns: returnsOf(overload, asMethod),
  };
}

const sameTypes = (a, b) => a.types.join() === b.types.join();
const sameParameter = (a, b) => a.name === b.name && a.optional === b.optional && sameTypes(a, b);

const sameParameters = (a, b) => a.length === b.length && a.every((parameter, i) => sameParameter(parameter, b[i]));

/** `extra` says what `base` says and takes more by name, all of it optional: one signature then does for both. */
function extend(base, extra) {
  const fits =
    base.returns === extra.returns &&
    base.factory === extra.factory &&
    base.outsAlone === extra.outsAlone &&
    sameParameters(base.outs, extra.outs) &&
    sameParameters(base.positional, extra.positional) &&
    base.named.every((parameter) => extra.named.some((other) => sameParameter(parameter, other))) &&
    extra.named.every((parameter) => parameter.optional || base.named.some(({ name }) => name === parameter.name));
  return fits ? { ...extra, schemas: [...base.schemas, ...extra.schemas] } : undefined;
}

/** An `out` variant is its functional form and says where the results go. */
function extendByOuts(base, variant) {
  if (base.outs.length > 0 || base.returns !== variant.returns || !sameParameters(base.positional, variant.positional)) return undefined;
  if (sameParameters(base.named, variant.named)) return { ...base, outs: variant.outs };
  const outsAlone = base.factory && sameParameters(base.named.filter(({ name }) => !FACTORY.includes(name)), variant.named);
  return outsAlone ? { ...base, outs: variant.outs, outsAlone } : undefined;
}

const wider = { number: ["Int", "Scalar"], Int: ["Scalar"], boolean: ["Scalar"] };

function unite(a, b) {
  const all = [...new Set([...a, ...b])].filter((type) => type !== "null");
  const types = all.filter((type) => !(wider[type] ?? []).some((other) => all.includes(other)));
  return a.includes("null") || b.includes("null") ? [...types, "null"] : types;
}

/** Signatures that differ in the type of one parameter are one with a union there. */
function uniteTypes(a, b) {
  const ours = [...a.positional, ...a.named];
  const theirs = [...b.positional, ...b.named];
  const alike = a.returns === b.returns && a.factory === b.factory && a.outsAlone === b.outsAlone && sameParameters(a.outs, b.outs);
  if (!alike || a.positional.length !== b.positional.length || ours.length !== theirs.length) return undefined;
  if (!ours.every(({ name, optional }, i) => name === theirs[i].name && optional === theirs[i].optional)) return undefined;
  const differing = ours.filter((parameter, i) => !sameTypes(parameter, theirs[i]));
  if (differing.length !== 1) return undefined;
  const [at] = differing;
  const other = theirs[ours.indexOf(at)];
  const replace = (parameter) => (parameter === at ? { ...at, types: unite(at.types, other.types) } : parameter);
  return { ...a, schemas: [...a.schemas, ...b.schemas], positional: a.positional.map(replace), named: a.named.map(replace) };
}

/** Merges what can be merged. What stands between two merged signatures returns the same: the order then does not matter. */
function merge(signatures, join) {
  const result = [...signatures];
  for (let i = 0; i < result.length; i++) {
    for (let j = i + 1; j < result.length && result[j].returns === result[i].returns; j++) {
      const joined = join(result[i], result[j]) ?? join(result[j], result[i]);
      if (joined === undefined) continue;
      result.splice(j, 1);
      result[i] = joined;
      j = i;
    }
  }
  return result;
}

/** As lib/dispatch.ts has it. */
const secondary = new Set(["aten::stft"]);

/** The order in which lib/dispatch.ts tries overloads. */
function rank(overload) {
  return overload.arguments.filter(({ out }) => out).length * 1000 + (secondary.has(overload.name) ? 500 : 0) + overload.arguments.length;
}

/**
 * The signatures of an operator, in the order in which its overloads are tried.
 *
 * @param {object[]} overloads all of one name, as the addon describes them
 * @param {boolean} asMethod without `self` and without `out`, as methods are in PyTorch
 * @returns {Signature[]}
 */
export function signaturesOf(overloads, asMethod) {
  const callable = overloads.filter(isCallable).sort((a, b) => rank(a) - rank(b));
  const isOut = (overload) => overload.arguments.some(({ out }) => out);
  const functional = callable.filter((overload) => !isOut(overload) && (!asMethod || isMethod(overload)));
  let signatures = functional.map((overload) => signatureOf(overload, asMethod));
  if (!asMethod) {
    for (const overload of callable.filter(isOut)) {
      const variant = signatureOf(overload, false);
      const base = signatures.findIndex((signature) => extendByOuts(signature, variant) !== undefined);
      if (base < 0) signatures.push({ ...variant, named: [...variant.named, ...variant.outs], outs: [] });
      else signatures[base] = extendByOuts(signatures[base], variant);
    }
  }
  for (let before = Infinity; signatures.length < before; ) {
    before = signatures.length;
    signatures = merge(merge(signatures, extend), uniteTypes);
  }
  return signatures;
}

/** Whether an overload can be called on a tensor. */
export function isMethod(overload) {
  const [first] = overload.arguments;
  return first !== undefined && first.name === "self" && first.kind === "Tensor" && !first.list;
}
