import type { Tensor } from "../tensor.js";
import type { Module } from "./module.js";

/** A module that holds a parameter, and the parameter's path in it. */
export interface Home {
  module: Module;
  path: string;
}

const homes = new WeakMap<Tensor, Home>();

/** Where a parameter was found by the outermost module whose `parameters()` or `namedParameters()` gave it, if any did. */
export function homeOf(parameter: Tensor): Home | undefined {
  return homes.get(parameter);
}

/** Notes that a module has found the parameter. The longest path is the outermost module's. */
export function noteHome(parameter: Tensor, module: Module, path: string): void {
  const known = homes.get(parameter);
  if (known === undefined || path.length >= known.path.length) homes.set(parameter, { module, path });
}
