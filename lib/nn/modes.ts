import type { Module } from "./module.js";

/** `version` grows whenever any module changes between training and evaluation: compiled steps then look for another program. `read` is told of modes that are looked at. */
export const modes: { version: number; read: ((module: Module, training: boolean) => void) | null } = { version: 0, read: null };

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
