import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

interface MaskOptions extends CommonOptions {
  /** A new mask every that many steps. Default 100. */
  refresh?: number;
}

/** Sparse SAM: `ε = ρ g/‖g‖ ⊙ mask`; the mask keeps the top share of the squared gradients' sum over all steps. (arXiv 2210.05177) */
export interface SparseOptions extends MaskOptions {
  method: "sparse";
  /** Share of the elements that is perturbed, in (0, 1]. Default 0.5. */
  keep?: number;
}

/** As Sparse SAM with the squared gradient of the refresh step alone, the empirical Fisher information. (arXiv 2210.05497) */
export interface FisherMaskOptions extends MaskOptions {
  method: "fisher-mask";
  /** Share of the elements that is perturbed, in (0, 1]. Default 0.1. */
  keep?: number;
}

function masked(keep: number, accumulate: 0 | 1): MethodDefinition {
  return {
    rho: 0.05,
    fields: { keep: { default: keep, above: 0, max: 1 }, refresh: { default: 100, min: 1, integer: true } },
    parts: (o) => ({ direction: part("mask", { ...o, accumulate }) }),
    acrossSteps: () => true,
  };
}

export const sparse = masked(0.5, 1);
export const fisherMask = masked(0.1, 0);
