import type { Module } from "./module.js";
import { isParameter, parameter } from "./parameter.js";

/** Gives a module made on the "meta" device copies of another's parameters, which is built alike. No random number is drawn. */
export function takeCopies<M extends Module>(target: M, source: M): M {
  const from = new Map(source.namedModules());
  for (const [path, module] of target.namedModules()) {
    const original = from.get(path)!;
    for (const [name, value] of Object.entries(original)) {
      if (isParameter(value)) Reflect.set(module, name, parameter(value.detach().clone(), value.requiresGrad));
    }
    module.training = original.training;
  }
  return target;
}
