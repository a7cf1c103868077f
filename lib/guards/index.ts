/**
 * What LibTorch takes on trust. Nearly all of its operators check their arguments; for some arguments these read or write
 * beyond their memory, divide by zero or never end, and would take the process down: test/fuzz finds them. Programs that were
 * recorded call their operators directly: they repeat calls that went well.
 */
import { SteppeError, describe } from "../errors.js";
import type { NativeReturn } from "../native.js";
import { backward } from "./backward.js";
import { bags } from "./bags.js";
import { forward } from "./forward.js";
import { gradients } from "./gradients.js";
import { layouts } from "./layouts.js";
import { groups, parts } from "./parts.js";
import type { PartOf, Rule } from "./rules.js";

/** Throws where arguments, given in the schema's order, would bring LibTorch down. */
export type Guard = (values: readonly unknown[]) => void;

/** Operators: an overload, or all of a name. */
export const guards: Readonly<Record<string, readonly Rule[] | PartOf>> = { ...forward, ...layouts, ...backward, ...bags, ...gradients, ...parts };

interface Operator {
  readonly name: string;
  readonly arguments: readonly { readonly name: string; readonly camel: string }[];
  readonly returns: readonly NativeReturn[];
}

/** The guard of an operator, or null if LibTorch checks by itself. */
export function guardOf(overload: Operator): Guard | null {
  const { name } = overload;
  // Objects of LibTorch's own, packed weights for one: to make them would be for nothing, and who makes them checks little.
  if (overload.returns.some(({ kind }) => kind === "unsupported")) return refuse(`What ${name} gives has no JavaScript form: it cannot be called.`);
  const family = name.split(".")[0]!;
  const rules = guards[name] ?? guards[family] ?? groups.find(([names]) => names.test(family))?.[1];
  if (rules === undefined) return null;
  if ("partOf" in rules) return refuse(`${name} is a part of ${rules.partOf} and checks nothing by itself: it cannot be called alone.`);
  const at = new Map(overload.arguments.map((argument, i) => [argument.name, i]));
  const own = rules.filter(({ argument }) => at.has(argument));
  return (values) => {
    for (const { argument, what, holds } of own) {
      const index = at.get(argument)!;
      if (holds(values[index], (other) => values[at.get(other)!])) continue;
      const { camel } = overload.arguments[index]!;
      throw new SteppeError("ARGUMENT", `Expected ${what} for ${camel} of ${name} but received ${describe(values[index])}. LibTorch would not check it.`);
    }
  };
}

function refuse(message: string): Guard {
  return () => {
    throw new SteppeError("ARGUMENT", message);
  };
}
