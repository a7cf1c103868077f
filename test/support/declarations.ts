// Reads the call signatures of lib/ops.generated.ts, and makes arguments that fit them.
import { Generator, torch } from "../../lib/index.js";

export interface Declaration {
  name: string;
  /** Types of the positional arguments. */
  positional: { type: string; optional: boolean }[];
  /** The options object, if there is one: its possible types, each a list of members. */
  options: { optional: boolean; types: Member[][] } | null;
  returns: string;
  text: string;
}

interface Member {
  name: string;
  type: string;
  optional: boolean;
}

/** Splits at a separator that stands outside of all brackets. */
function split(text: string, separator: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if ("([{<".includes(text[i]!)) depth++;
    if (")]}>".includes(text[i]!)) depth--;
    if (depth > 0 || !text.startsWith(separator, i)) continue;
    parts.push(text.slice(start, i));
    start = i + separator.length;
  }
  return [...parts, text.slice(start)].filter((part) => part !== "");
}

function field(text: string): Member {
  const match = /^(\w+)(\??): (.*)$/.exec(text);
  if (match === null) throw new Error(`Not a parameter: ${text}`);
  return { name: match[1]!, optional: match[2] === "?", type: match[3]! };
}

const factory = ["dtype?: DType | null", "layout?: Layout | null", "device?: Device | null", "pinMemory?: boolean | null", "requiresGrad?: boolean"].map(field);

function members(text: string): Member[] {
  return split(text.replace(/^\{ | \}$/g, ""), "; ").map(field);
}

/** The lists of members that one of an options type's alternatives stands for. */
function alternatives(type: string): Member[][] {
  return split(type, " & ").reduce<Member[][]>(
    (all, part) => {
      const allOrNone = /^AllOrNone<(.*)>$/.exec(part);
      if (allOrNone !== null) return [...all, ...all.map((list) => [...list, ...members(allOrNone[1]!)])];
      const more = part === "FactoryOptions" ? factory : members(part.replace(/^Named<(.*)>$/, "$1"));
      return all.map((list) => [...list, ...more]);
    },
    [[]],
  );
}

/** All call signatures of one of the file's interfaces. */
export function declarations(source: string, name: string): Declaration[] {
  const start = source.indexOf(`export interface ${name} {`);
  const body = source.slice(start, source.indexOf("\n}", start)).split("\n").slice(1);
  return body.filter((line) => !/^ +(\/\*\*| \*)/.test(line)).map((line) => {
    const match = /^ {2}(\w+)\((.*)\): (.+);$/.exec(line);
    if (match === null) throw new Error(`Not a call signature: ${line}`);
    const parameters = split(match[2]!, ", ").map(field);
    const last = parameters.at(-1)?.name === "options" ? parameters.pop()! : null;
    return {
      name: match[1]!,
      positional: parameters,
      options: last && { optional: last.optional, types: split(last.type, " | ").flatMap(alternatives) },
      returns: match[3]!,
      text: line.trim(),
    };
  });
}

/** JavaScript's own generators: the library has another class of that name. */
type Sequence<T> = globalThis.Generator<T>;

const tensor = torch.zeros([]);

const values: Record<string, unknown[]> = {
  Tensor: [tensor],
  "readonly Tensor[]": [[tensor]],
  "readonly (Tensor | null)[]": [[tensor, null]],
  Int: [2, 2n],
  Ints: [[2n], [], new BigInt64Array(1)],
  number: [0.5, 2],
  Floats: [[0.5], new Float64Array(1)],
  boolean: [true],
  "readonly boolean[]": [[true]],
  Scalar: [0.5, 2, 2n, true, { re: 0, im: 1 }],
  "readonly Scalar[]": [[0.5, 2n]],
  string: ["mean"],
  DType: ["float32"],
  Layout: ["strided"],
  Device: ["cpu"],
  MemoryFormat: ["preserve"],
  Generator: [new Generator()],
  null: [null],
};

function valuesOf(type: string): unknown[] {
  return split(type, " | ").flatMap((one) => {
    const found = values[one];
    if (found === undefined) throw new Error(`No values for the type ${one}`);
    return found;
  });
}

/** Every value of every argument at least once, the others at their first; undefined stands for an optional one's default. */
function* combinations(parameters: readonly { type: string; optional: boolean }[]): Sequence<unknown[]> {
  const all = parameters.map(({ type, optional }) => [...valuesOf(type), ...(optional ? [undefined] : [])]);
  const first = all.map((list) => list[0]);
  yield first;
  for (const [i, list] of all.entries()) for (const value of list.slice(1)) yield first.map((other, j) => (i === j ? value : other));
}

/** Arguments that fit a call signature. */
export function* argumentsFor({ positional, options }: Declaration): Sequence<unknown[]> {
  const least = positional.filter(({ optional }) => !optional).length;
  for (let count = least; count <= positional.length; count++) {
    const parameters = positional.slice(0, count);
    if (options === null || options.optional) yield* combinations(parameters);
    if (options === null || count < positional.length) continue;
    const given = parameters.map(({ type }) => valuesOf(type)[0]);
    for (const list of options.types) {
      for (const chosen of [list, list.filter(({ optional }) => !optional)]) {
        for (const named of combinations(chosen)) {
          yield [...given, Object.fromEntries(chosen.map(({ name }, i) => [name, named[i]]))];
        }
      }
    }
  }
}
