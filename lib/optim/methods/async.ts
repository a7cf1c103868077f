import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/** Async SAM: climbs the last step's direction, one pass; the method's first step is plain. (arXiv 2503.11147) */
export interface AsyncOptions extends CommonOptions {
  method: "async";
}

export const asynchronous: MethodDefinition = { rho: 0.05, fields: {}, parts: () => ({ climb: part("lastDirection") }), acrossSteps: () => true };
