import type { BaseOptions, LbfgsOptions } from "../base-options.js";
import type { CommonOptions, MethodDefinition } from "./method.js";

/** The base optimizer alone. `rho` and `startStep`, which all methods share, change nothing here. */
export interface NoneOptions extends Omit<CommonOptions, "base" | "rhoSchedule" | "every" | "probability"> {
  method: "none";
  /** The optimizer that takes the step. L-BFGS stands here only. */
  base: BaseOptions | LbfgsOptions;
}

export const none: MethodDefinition = { rho: null, fields: {}, parts: () => ({}) };
