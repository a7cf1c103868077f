import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/** StableSAM: SAM's direction with the length of ∇L(w), `d = g_p ‖g‖/‖g_p‖`. (arXiv 2401.07250) */
export interface StableOptions extends CommonOptions {
  method: "stable";
}

export const stable: MethodDefinition = { rho: 0.05, fields: {}, parts: () => ({ combine: part("renormalised") }) };
