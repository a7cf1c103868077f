import { SteppeError, describe, expected, suggest } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { readFields, type Fields } from "./fields.js";

interface CommonAverageOptions {
  /** The first update that counts; the updates before it leave no trace. Default 0. */
  startStep?: number;
  /** Every how many updates one counts. Default 1. */
  every?: number;
  /** Average the floating-point buffers (batch-norm statistics), too, instead of copying them. Default false. */
  useBuffers?: boolean;
}

/** Exponential moving average: the first update copies the weights, later ones are `a ← decay·a + (1 − decay)·w`. */
export interface EmaOptions extends CommonAverageOptions {
  kind: "ema";
  /** In [0, 1]. Default 0.999. */
  decay?: number;
}

/** Stochastic weight averaging (arXiv 1803.05407): the plain mean of the weights at all updates that count. */
export interface SwaOptions extends CommonAverageOptions {
  kind: "swa";
}

/** What {@link average} takes, told apart by `kind`. */
export type AverageOptions = EmaOptions | SwaOptions;

/** Everything that a later run needs to go on averaging as if nothing had happened. */
export interface AverageState {
  kind: AverageOptions["kind"];
  /** Updates, counted or not. */
  steps: number;
  /** Weights in the average. */
  averaged: number;
  /** Whether `updateBn` was called since the last weights came in; default false. */
  bnUpdated?: boolean;
  /** The average, by the names of the model's state dict. */
  tensors: Record<string, Tensor>;
}

const common: Fields = {
  startStep: { default: 0, min: 0, integer: true },
  every: { default: 1, min: 1, integer: true },
  useBuffers: { default: 0, boolean: true },
};
const kinds: Record<AverageOptions["kind"], Fields> = { ema: { ...common, decay: { default: 0.999, min: 0, max: 1 } }, swa: common };

/** Options that were checked, with all defaults filled in. */
export interface ReadAverageOptions {
  kind: AverageOptions["kind"];
  startStep: number;
  every: number;
  useBuffers: boolean;
  decay: number;
}

/** @throws SteppeError `ARGUMENT` for unknown, misspelled or bad options */
export function readAverageOptions(options: AverageOptions): ReadAverageOptions {
  if (typeof options !== "object" || options === null) throw expected('an object such as { kind: "ema", decay: 0.999 }', "options", options);
  const { kind, ...given } = options as unknown as Record<string, unknown>;
  if (typeof kind !== "string" || !Object.hasOwn(kinds, kind)) {
    const hint = typeof kind === "string" ? suggest(kind, Object.keys(kinds)) : "";
    throw new SteppeError("ARGUMENT", `Expected one of ${Object.keys(kinds).join(", ")} for options.kind but received ${describe(kind)}.${hint}`);
  }
  const { startStep, every, useBuffers, decay = 0 } = readFields(given, kinds[kind as AverageOptions["kind"]], "options", ["kind"]);
  return { kind: kind as AverageOptions["kind"], startStep: startStep!, every: every!, useBuffers: useBuffers === 1, decay };
}
