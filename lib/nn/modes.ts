import type { Module } from "./module.js";

/**
 * `version` grows whenever any module changes between training and evaluation, or `structure` does: compiled steps then look for another
 * program. `read` is told of modes that are looked at. `structure` grows when a module that was recorded gets other parts or hooks.
 */
export const modes: { version: number; structure: number; read: ((module: Module, training: boolean) => void) | null } = { version: 0, structure: 0, read: null };

/** Modules that programs were recorded of. */
const recorded = new WeakSet<object>();

export function noteRecorded(modules: Iterable<Module>): void {
  for (const module of modules) recorded.add(module);
}

/** A module has got other parts or hooks: what was recorded of it is of another model. */
export function noteOtherParts(module: object): void {
  if (!recorded.has(module)) return;
  modes.structure++;
  modes.version++;
}

/** Runs something, and tells of the modes that it looks at, before it goes on. */
export function notingModes<T>(read: (module: Module, training: boolean) => void, body: () => T): T {
  const before = modes.read;
  modes.read = read;
  try {
    return body();
  } finally {
    modes.read = before;
  }
}

/** Remembers which modules are in training mode. @returns puts them all back */
export function keepModes(model: Module): () => void {
  const modes = model.modules().map((module) => [module, module.training] as const);
  return () => {
    for (const [module, training] of modes) module.training = training;
  };
}

/** Runs a synchronous function with the model in evaluation mode; the modes are afterwards what they were. */
export function inEvaluation<T>(model: Module, body: () => T): T {
  const restore = keepModes(model);
  model.eval();
  try {
    return body();
  } finally {
    restore();
  }
}
