import { SteppeError, describe, expected } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";

/** A parameter or persistent buffer with its path in the state dict. */
export interface State {
  name: string;
  tensor: Tensor;
  mayBeMissing: boolean;
}

/** What a state dict and a module did not have in common. */
export interface LoadResult {
  missingKeys: string[];
  unexpectedKeys: string[];
}

/**
 * Copies the tensors of a state dict into a module's states.
 *
 * @throws SteppeError `ARGUMENT` that lists everything wrong at once; nothing is copied then
 */
export function loadStates(owner: string, states: State[], dict: Record<string, Tensor>, strict: boolean): LoadResult {
  if (typeof dict !== "object" || dict === null || dict instanceof Tensor || Array.isArray(dict)) {
    throw expected("an object of tensors by name", "the state dict", dict);
  }
  const known = new Set(states.map(({ name }) => name));
  const present = states.filter(({ name }) => Object.hasOwn(dict, name));
  // Files of models with shared weights may hold these under one of their names.
  const covered = new Set(present.map(({ tensor }) => tensor));
  const missingKeys = states.filter(({ tensor, mayBeMissing }) => !mayBeMissing && !covered.has(tensor)).map(({ name }) => name);
  const unexpectedKeys = Object.keys(dict).filter((name) => !known.has(name));

  const problems = present.flatMap(({ name, tensor }) => mismatch(name, tensor, dict[name]));
  if (problems.length === 0) problems.push(...contradictions(present, dict));
  if (strict && unexpectedKeys.length > 0) problems.unshift(`unexpected: ${quoted(unexpectedKeys)}`);
  if (strict && missingKeys.length > 0) problems.unshift(`missing: ${quoted(missingKeys)}`);
  if (problems.length > 0) {
    throw new SteppeError("ARGUMENT", `The state dict does not fit ${owner}.\n  ${problems.join("\n  ")}`);
  }

  torch.noGrad(() => {
    for (const { name, tensor } of present) tensor.copy_(dict[name]!.reshape([...tensor.shape]));
  });
  return { missingKeys, unexpectedKeys };
}

function mismatch(name: string, target: Tensor, source: unknown): string[] {
  if (!(source instanceof Tensor)) return [`"${name}": expected a tensor but received ${describe(source)}`];
  // LibTorch would copy nothing to there, and say nothing.
  const empty = [target, source].find(({ device }) => device === "meta");
  if (empty !== undefined) return [`"${name}": ${empty === target ? "this module's" : "the given"} tensor is on the device "meta", which holds no values`];
  // Very old files keep a single number as a vector of one.
  const fits = String(source.shape) === String(target.shape) || (target.dim() === 0 && String(source.shape) === "1");
  return fits ? [] : [`"${name}": expected shape [${target.shape.join(", ")}] but received [${source.shape.join(", ")}]`];
}

/** Names of one and the same tensor under which the dict holds different values: only the last of them would remain. */
function contradictions(present: State[], dict: Record<string, Tensor>): string[] {
  const first = new Map<Tensor, string>();
  return present.flatMap(({ name, tensor }) => {
    const other = first.get(tensor);
    if (other === undefined) first.set(tensor, name);
    if (other === undefined || dict[other] === dict[name] || torch.equal(dict[other]!, dict[name]!)) return [];
    return [`"${other}" and "${name}" are one tensor here but hold different values`];
  });
}

function quoted(names: string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}
