/**
 * Gives Tensor its operator methods and collects the operator functions. Their types, overload by overload, are in
 * ops.generated.ts; their bodies are all the same: choose the overload, call it.
 */
import { call, family, type Family } from "./dispatch.js";
import { functionFamilies, methodFamilies } from "./ops.generated.js";
import { installShorthands } from "./shorthands.js";
import { Tensor } from "./tensor.js";

/** Looked up at the first call: an operator that the LibTorch in use does not have is an error only for who calls it. */
function lazily(name: string): () => Family {
  let found: Family | undefined;
  return () => (found ??= family(name));
}

/** The functions of `torch.*` that are operators, by their names in JavaScript. */
export const operatorFunctions: Record<string, (...args: unknown[]) => unknown> = {};

for (const [name, operator] of Object.entries(functionFamilies)) {
  const find = lazily(operator);
  operatorFunctions[name] = { [name]: (...args: unknown[]) => call(find(), args) }[name]!;
}

for (const [name, operator] of Object.entries(methodFamilies)) {
  const find = lazily(operator);
  const method = {
    [name](this: Tensor, a?: unknown, b?: unknown, ...rest: unknown[]): unknown {
      const given = arguments.length;
      if (given === 1) return call(find(), [this, a]);
      if (given === 0) return call(find(), [this]);
      return call(find(), given === 2 ? [this, a, b] : [this, a, b, ...rest]);
    },
  }[name]!;
  Object.defineProperty(Tensor.prototype, name, { value: method, writable: true, configurable: true, enumerable: false });
}

installShorthands();
