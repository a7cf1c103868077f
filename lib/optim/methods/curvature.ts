import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/** CR-SAM: with `g± = ∇L(w±ε)`, `d = g₊ + γ(g₊+g₋−2g) + β(g₊−g₋)`; three passes. (arXiv 2312.13555) */
export interface CurvatureOptions extends CommonOptions {
  method: "curvature";
  /** Default 0.1. */
  gamma?: number;
  /** Default 0.01. */
  beta?: number;
}

export const curvature: MethodDefinition = {
  rho: 0.05,
  fields: { gamma: { default: 0.1 }, beta: { default: 0.01 } },
  parts: (o) => ({ combine: part("curvature", o) }),
};
