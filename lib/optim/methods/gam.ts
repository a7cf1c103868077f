import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/**
 * GAM: first-order flatness, four passes. `h = g_r − g` with `g_r = ∇L(w + r n(g))`, `w₁ = w + r' n(h)`, `g₂ = ∇L(w₁)`,
 * `g₃ = ∇L(w₁ + r n(g₂))`, `P = g + β₂g₂`, `G = β₁g_r + β₃g₃`, `d = G − γ(P − ⟨P,n(G)⟩n(G))`. (arXiv 2303.03108)
 */
export interface GamOptions extends CommonOptions {
  method: "gam";
  /** r. Default 0.02. */
  rho?: number;
  /** r'. Default 0.2. */
  normRho?: number;
  /** Default 1, each. */
  beta1?: number;
  beta2?: number;
  beta3?: number;
  /** Default 0.03. */
  gamma?: number;
}

export const gam: MethodDefinition = {
  rho: 0.02,
  fields: {
    normRho: { default: 0.2, min: 0 },
    beta1: { default: 1 },
    beta2: { default: 1 },
    beta3: { default: 1 },
    gamma: { default: 0.03 },
  },
  parts: (o) => ({ combine: part("firstOrderFlatness", o) }),
};
