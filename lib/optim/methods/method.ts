import type { BaseOptions } from "../base-options.js";
import type { LrScheduleOptions, RhoScheduleOptions } from "../schedule-options.js";
import type { Fields, Values } from "../fields.js";
import type { Tensor } from "../../tensor.js";

/** What every method takes. */
export interface CommonOptions {
  /** The optimizer that takes the step in the end. */
  base: BaseOptions;
  /** Radius ρ of the perturbation, at least 0; 0 is the base optimizer's own step. Default 0.05 unless the method says otherwise. */
  rho?: number;
  /** A schedule of the learning rate over the optimizer's steps; the base's and the groups' `lr` are what it starts from. */
  lrSchedule?: LrScheduleOptions;
  /** A schedule of ρ, or one that follows the learning rate's: `{ name: "proportional" }`. */
  rhoSchedule?: RhoScheduleOptions;
  /** Late phase: that many steps of the base optimizer come first. Default 0. (arXiv 2410.10373) */
  startStep?: number;
  /** Only every k-th step of the method perturbs, the first one among them; the others are the base optimizer's. Default 1. */
  every?: number;
  /** A step perturbs with this probability, else it is the base optimizer's. Default 1. (arXiv 2203.09962) */
  probability?: number;
  /** Every pass of a step sees the same dropout masks. Default true. */
  sameNoise?: boolean;
  /**
   * What a NaN or an infinity in a gradient does: "throw" an error or "skip" the step. Weights, buffers and state stay what
   * they were either way. Default "throw".
   */
  nonFinite?: "throw" | "skip";
  /**
   * Gradient accumulation: a step is over that many micro-batches, one per call of the compiled step; the last of them takes
   * it. Each counts by its number of samples (the size of the first tensor with a dimension; all alike where there is none).
   * Schedules, `startStep` and `every` count steps. NaN or infinity in one micro-batch is that of the whole step. Default 1.
   */
  accumulationSteps?: number;
  /**
   * Over several micro-batches: "full" perturbs once, by the gradient of all of them, as if they were one batch (only batch norm
   * sees each by itself); "shard" perturbs in each by its own gradient, which is mSAM with the micro-batches as shards. Not every
   * method can do both. Default "full".
   */
  accumulate?: "full" | "shard";
  /** Clips the gradient handed to the base optimizer to this norm, as torch.nn.utils.clip_grad_norm_. Default: no clipping. */
  maxGradNorm?: number;
  /** Clips its elements to ± this value, before the norm, as torch.nn.utils.clip_grad_value_. Default: no clipping. */
  maxGradValue?: number;
  /**
   * Scales the loss, so that gradients in float16 do not vanish: a number that stays, or "dynamic" as torch.amp.GradScaler
   * (or its settings): steps that meet infinity are skipped and shrink the scale. Gradients are unscaled before anything is
   * done with them. Default 1.
   */
  lossScale?: number | "dynamic" | LossScaleOptions;
}

/** Dynamic loss scaling, as torch.amp.GradScaler. */
export interface LossScaleOptions {
  /** Default 65536. */
  initial?: number;
  /** What the scale is multiplied by after `interval` good steps in a row; default 2. */
  growth?: number;
  /** What it is multiplied by after a step that met infinity; default 0.5. */
  backoff?: number;
  /** Default 2000. */
  interval?: number;
}

/** A part of the engine with its numbers; see native/sam/parts.h for the places and their parts. */
export interface Part {
  readonly name: string;
  readonly numbers: Values;
}

export type Place = "when" | "split" | "climb" | "direction" | "ascent" | "descend" | "combine" | "rule";

/** A method's list of parts. A place that it does not name holds SAM's choice. */
export type Parts = Readonly<Partial<Record<Place, Part>>>;

/** What the loss function of a method with `withLogits` returns. */
export interface LossWithLogits {
  /** The mean loss over the batch. */
  loss: Tensor;
  /** [N, classes] */
  logits: Tensor;
  /** Class indices, int64 [N]. */
  target: Tensor;
}

/** One method of the family: its numbers, and the parts that it is made of. */
export interface MethodDefinition {
  /** Default radius; null where the method has none. */
  readonly rho: number | null;
  /** Its options besides the common ones. */
  readonly fields: Fields;
  readonly parts: (options: Values) => Parts;
  /** The compiled function returns the losses of the samples, or the logits, too. Default: the mean loss. */
  readonly lossForm?: "perSample" | "withLogits";
  /** The objective that is climbed in place of the loss. */
  readonly climbed?: (result: LossWithLogits, options: Values) => Tensor;
  /** Passes run over parts of the batch, or over an earlier one: a closure cannot give that. */
  readonly cutsBatch?: (options: Values) => boolean;
  /** It keeps something from step to step, or moves w past the base optimizer: a step has one direction, not one per micro-batch. */
  readonly acrossSteps?: (options: Values) => boolean;
  /** Only parameters of normalisation layers are perturbed. */
  readonly normalizationOnly?: true;
  /** A radius that follows the learning rate; undefined: `rho` as it is. */
  readonly radius?: (options: Values, lr: number) => number | undefined;
  /** Refuses options that make no sense together. `given` holds all that the user gave. */
  readonly check?: (options: Values, given: Readonly<Record<string, unknown>>) => void;
  /** Refuses a base optimizer that the method cannot work with. Asked for the hyperparameters of every group, in every step that changes them. */
  readonly checkBase?: (base: string, values: Values) => void;
  /** The base optimizer gets no gradient: there is nothing to clip. */
  readonly movesWeightsItself?: true;
}

/** Spells a part. */
export function part(name: string, numbers: Values = {}): Part {
  return { name, numbers };
}
