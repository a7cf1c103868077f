import { SteppeError } from "../errors.js";
import type { LoadResult } from "../nn/index.js";
import type { Tensor } from "../tensor.js";
import type { Architecture, Shapes } from "./architecture.js";
import type { PretrainedModel } from "./pretrained-model.js";

/** Which tensor of the files goes where. */
export interface Assignment extends LoadResult {
  /** A tensor of the model, and the name in the files of what it gets. In the order of the files. */
  pairs: { tensor: Tensor; source: string }[];
}

/**
 * Finds for each state of a model its tensor in the files.
 *
 * @param shapes of the files' tensors
 * @throws SteppeError `ARGUMENT` that lists everything wrong at once
 */
export function assign(model: PretrainedModel, architecture: Architecture, shapes: Shapes, strict: boolean): Assignment {
  const states = model.states();
  const known = new Map(states.map((state) => [state.name, state.tensor]));
  const problems: string[] = [];
  const sources = new Map<string, string>(); // the file's name, by the model's
  const unexpectedKeys: string[] = [];
  for (const [source, name] of translate([...shapes.keys()], known, architecture)) {
    const twice = sources.get(name);
    if (twice !== undefined) problems.push(`"${name}" twice: as "${twice}" and as "${source}"`);
    else if (known.has(name)) sources.set(name, source);
    else if (architecture.ignored?.test(name) !== true) unexpectedKeys.push(source);
  }

  const loaded = new Map<Tensor, string>(); // tied weights once: the first of their names that the files have
  for (const { name, tensor } of states) if (sources.has(name) && !loaded.has(tensor)) loaded.set(tensor, sources.get(name)!);
  const missingKeys = states.filter(({ tensor, mayBeMissing }) => !mayBeMissing && !loaded.has(tensor)).map(({ name }) => name);
  for (const [name, source] of sources) {
    const [wanted, found] = [known.get(name)!.shape, shapes.get(source)!].map((shape) => `[${shape.join(", ")}]`) as [string, string];
    if (!fits(known.get(name)!.shape, shapes.get(source)!)) problems.push(`"${source}": expected shape ${wanted} but received ${found}`);
  }

  if (strict && unexpectedKeys.length > 0) problems.unshift(`unexpected: ${quoted(unexpectedKeys)}`);
  if (strict && missingKeys.length > 0) problems.unshift(`missing: ${quoted(missingKeys)}`);
  if (problems.length > 0) {
    const hint = strict && missingKeys.length + unexpectedKeys.length > 0 ? "\nWith { strict: false } what is missing stays random, and what is unexpected is left out." : "";
    throw new SteppeError("ARGUMENT", `The weights do not fit ${model.constructor.name}.\n  ${problems.join("\n  ")}${hint}`);
  }
  const order = new Map([...shapes.keys()].map((name, i) => [name, i]));
  const pairs = [...loaded].map(([tensor, source]) => ({ tensor, source }));
  pairs.sort((a, b) => order.get(a.source)! - order.get(b.source)!);
  return { pairs, missingKeys, unexpectedKeys };
}

/** Names in files, each with the model's name for it. */
function translate(sources: string[], known: ReadonlyMap<string, Tensor>, { rename, prefix }: Architecture): [string, string][] {
  const named = sources.map((source): [string, string] => [source, rename?.(source) ?? source]);
  const current = (name: string) => (known.has(name) ? name : modern(name));
  const based = prefix === undefined ? (name: string) => name : base(prefix, named, known);
  return named.map(([source, name]) => [source, current(based(name))]);
}

/** Layer normalisation's names before 2019. */
function modern(name: string): string {
  return name.replace(/(^|\.)gamma$/, "$1weight").replace(/(^|\.)beta$/, "$1bias");
}

/** Adds the base model's prefix where the files have none, or takes it off where the model has none. */
function base(prefix: string, named: [string, string][], known: ReadonlyMap<string, Tensor>): (name: string) => string {
  const dotted = `${prefix}.`;
  const inModel = [...known.keys()].some((name) => name.startsWith(dotted));
  const inFiles = named.some(([, name]) => name.startsWith(dotted));
  if (inModel && !inFiles) return (name) => (known.has(name) ? name : dotted + name);
  if (inFiles && !inModel) return (name) => (name.startsWith(dotted) ? name.slice(dotted.length) : name);
  return (name) => name;
}

function fits(wanted: readonly number[], found: readonly number[]): boolean {
  // Very old files keep a single number as a vector of one.
  return String(wanted) === String(found) || (wanted.length === 0 && String(found) === "1");
}

function quoted(names: string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}
