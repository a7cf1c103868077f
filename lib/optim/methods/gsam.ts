import { SteppeError, expected } from "../../errors.js";
import { part } from "./method.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/** GSAM: `d = g_p − α(g − ⟨g,u⟩u)` with `u = g_p/‖g_p‖`, which closes the surrogate gap. (arXiv 2203.08065) */
export interface GsamOptions extends CommonOptions {
  method: "gsam";
  /** Default 0.4. */
  alpha?: number;
  /** A range for ρ, in place of `rho`: it goes from `rhoMin` to `rhoMax` as the learning rate goes from `lrMin` to `lrMax`, and on along the same line outside of them, to 0 at the least. */
  rhoMin?: number;
  rhoMax?: number;
  lrMin?: number;
  lrMax?: number;
}

const range = ["rhoMin", "rhoMax", "lrMin", "lrMax"] as const;

export const gsam: MethodDefinition = {
  rho: 0.05,
  fields: {
    alpha: { default: 0.4, min: 0 },
    ...Object.fromEntries(range.map((name) => [name, { optional: true, min: 0 }])),
  },
  parts: ({ alpha }) => ({ combine: part("surrogateGap", { alpha: alpha! }) }),
  radius({ rhoMin, rhoMax, lrMin, lrMax }, lr) {
    if (rhoMin === undefined || rhoMax === undefined || lrMin === undefined || lrMax === undefined) return undefined;
    if (Number.isNaN(lr)) throw new SteppeError("ARGUMENT", "A relative step has no learning rate for rhoMin and rhoMax to follow: give rho.");
    return lrMin === lrMax ? rhoMax : Math.max(0, rhoMin + ((rhoMax - rhoMin) * (lr - lrMin)) / (lrMax - lrMin));
  },
  check(o, all) {
    const given = range.filter((name) => o[name] !== undefined);
    if (given.length !== 0 && given.length !== range.length) {
      throw new SteppeError("ARGUMENT", `Expected ${range.join(", ")} together in options but received only ${given.join(", ")}.`);
    }
    // A `rho` beside a range is not used.
    if (given.length > 0 && all["rhoSchedule"] !== undefined) throw new SteppeError("ARGUMENT", "A range from rhoMin to rhoMax takes the place of options.rhoSchedule: leave one of them out.");
    for (const [least, most] of [["lrMin", "lrMax"], ["rhoMin", "rhoMax"]] as const) {
      if (o[least] !== undefined && o[most]! < o[least]) throw expected(`at least options.${least} (${o[least]})`, `options.${most}`, o[most]);
    }
  },
};
