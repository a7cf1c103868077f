// Schedules of the learning rate and of ρ, as plain JSON. They count the optimizer's own steps: the first step is step 0, a
// skipped step does not count. `initial` is the value in the optimizer's or the group's options.

interface WarmUp {
  /** The value first grows linearly from 0 to `initial` over that many steps; the first of them has 0. Default 0. */
  warmupSteps?: number;
}

interface Decay extends WarmUp {
  /** The step at which the value arrives at `min`, to stay there; warm-up counts. */
  totalSteps: number;
  /** Where the value ends. Default 0. */
  min?: number;
}

/** `initial`, after the warm-up. */
export interface ConstantSchedule extends WarmUp {
  name: "constant";
}

/** A straight line from `initial` to `min`. */
export interface LinearSchedule extends Decay {
  name: "linear";
}

/** From `initial` to `min` along a cosine (arXiv 1608.03983). */
export interface CosineSchedule extends Decay {
  name: "cosine";
  /** Waves until `totalSteps`; ½ is one way down. Default 0.5. */
  cycles?: number;
}

/** `min + (initial − min)·(1 − progress)^power`. */
export interface PolynomialSchedule extends Decay {
  name: "polynomial";
  /** Default 1. */
  power?: number;
}

/** Times `gamma` every `stepSize` steps, or at each of the `milestones`, counted from the end of the warm-up. */
export type StepSchedule = WarmUp & {
  name: "step";
  /** Default 0.1. */
  gamma?: number;
} & ({ stepSize: number; milestones?: undefined } | { milestones: readonly number[]; stepSize?: undefined });

/** Times `gamma` in every step, counted from the end of the warm-up. */
export interface ExponentialSchedule extends WarmUp {
  name: "exponential";
  gamma: number;
}

/** Up to `initial` and down to almost nothing, as torch.optim.lr_scheduler.OneCycleLR (arXiv 1708.07120); momentum stays. */
export interface OneCycleSchedule {
  name: "oneCycle";
  /** The steps of the cycle. */
  totalSteps: number;
  /** The part of the cycle that climbs, in (0, 1). Default 0.3. */
  pctStart?: number;
  /** Default "cos". */
  annealStrategy?: "cos" | "linear";
  /** The cycle begins at `initial`/divFactor. Default 25. */
  divFactor?: number;
  /** It ends at that divided by this. Default 1e4. */
  finalDivFactor?: number;
  /** Back to where it began first, then on to the end. Default false. */
  threePhase?: boolean;
}

/** Times `factor` when a reported metric has stopped improving, as torch.optim.lr_scheduler.ReduceLROnPlateau. */
export interface PlateauSchedule {
  name: "plateau";
  /** Whether smaller or larger metrics are better. Default "min". */
  mode?: "min" | "max";
  /** In (0, 1). Default 0.1. */
  factor?: number;
  /** That many reports in a row may bring nothing better. Default 10. */
  patience?: number;
  /** By how much a metric must be better to count. Default 1e-4. */
  threshold?: number;
  /** The threshold is a share of the best metric ("rel") or a difference ("abs"). Default "rel". */
  thresholdMode?: "rel" | "abs";
  /** That many reports after a reduction do not count. Default 0. */
  cooldown?: number;
  /** The value does not fall below it. Default 0. */
  min?: number;
  /** A smaller change is not made. Default 1e-8. */
  eps?: number;
}

/** For ρ: `min + (initial − min)·lr/(initial lr)`, it follows the learning rate's schedule. */
export interface ProportionalSchedule {
  name: "proportional";
  /** What is left at learning rate 0. Default 0. */
  min?: number;
}

/** What `lrSchedule` takes. */
export type LrScheduleOptions =
  | ConstantSchedule
  | LinearSchedule
  | CosineSchedule
  | PolynomialSchedule
  | StepSchedule
  | ExponentialSchedule
  | OneCycleSchedule
  | PlateauSchedule;

/** What `rhoSchedule` takes. */
export type RhoScheduleOptions = LrScheduleOptions | ProportionalSchedule;
