import { SteppeError, describe, expected, suggest } from "../errors.js";
import { readFields, type Field, type Fields, type Values } from "./fields.js";
import type { LrScheduleOptions, RhoScheduleOptions } from "./schedule-options.js";

/** A learning rate and what it was before any schedule. */
export interface Rate {
  value: number;
  initial: number;
}

/** What a plateau schedule keeps between steps. */
export interface PlateauState {
  /** The best metric so far; null before the first. */
  best: number | null;
  /** Reports since then. */
  badReports: number;
  /** Reports that still do not count. */
  cooldown: number;
  reductions: number;
}

/** A schedule whose options were checked. All but "plateau" depend on the step alone. */
export interface Schedule {
  readonly name: RhoScheduleOptions["name"];
  /**
   * The value that a step uses.
   *
   * @param step the number of steps before it
   * @param initial the value without a schedule
   * @param lr the same step's learning rate, for "proportional"
   * @throws SteppeError `ARGUMENT` for what is no number of steps, or no number
   */
  valueAt(step: number, initial: number, lr?: Rate): number;
  /**
   * Takes a metric, once an epoch or so.
   *
   * @throws SteppeError `ARGUMENT` for schedules other than "plateau", which need none
   */
  report(metric: number): void;
  /** What a state dict must hold; null for schedules without state. */
  state(): PlateauState | null;
  /** @throws SteppeError `ARGUMENT` for what is no such state */
  load(state: PlateauState | null): void;
}

type ValueAt = Schedule["valueAt"];

const count: Field = { min: 0, integer: true };
const warmup: Fields = { warmupSteps: { ...count, default: 0 } };
const decay: Fields = { ...warmup, totalSteps: { min: 1, integer: true }, min: { default: 0, min: 0 } };
const anneals = ["cos", "linear"] as const, modes = ["min", "max"] as const, thresholds = ["rel", "abs"] as const;

/** The options of each schedule; "step" takes `milestones`, too. */
export const scheduleFields: Record<RhoScheduleOptions["name"], Fields> = {
  constant: warmup,
  linear: decay,
  cosine: { ...decay, cycles: { default: 0.5, above: 0 } },
  polynomial: { ...decay, power: { default: 1, min: 0 } },
  step: { ...warmup, gamma: { default: 0.1, above: 0 }, stepSize: { default: 0, min: 1, integer: true } },
  exponential: { ...warmup, gamma: { above: 0 } },
  oneCycle: {
    totalSteps: { min: 1, integer: true },
    pctStart: { default: 0.3, above: 0, below: 1 },
    annealStrategy: { default: 0, choices: anneals },
    divFactor: { default: 25, above: 0 },
    finalDivFactor: { default: 1e4, above: 0 },
    threePhase: { default: 0, boolean: true },
  },
  plateau: {
    mode: { default: 0, choices: modes },
    factor: { default: 0.1, above: 0, below: 1 },
    patience: { ...count, default: 10 },
    threshold: { default: 1e-4, min: 0 },
    thresholdMode: { default: 0, choices: thresholds },
    cooldown: { ...count, default: 0 },
    min: { default: 0, min: 0 },
    eps: { default: 1e-8, min: 0 },
  },
  proportional: { min: { default: 0, min: 0 } },
};

/**
 * Makes a schedule of its options: a function of the step. `optim.create` takes the same options as `lrSchedule` and
 * `rhoSchedule`; on its own it is for loops that set `optimizer.lr` themselves.
 *
 * @param name what the options are called in messages
 * @throws SteppeError `ARGUMENT` for unknown, misspelled, missing or bad options
 * @example
 * const cosine = optim.schedule({ name: "cosine", warmupSteps: 100, totalSteps: 1000 });
 * cosine.valueAt(550, 0.1); // 0.05
 */
export function schedule(options: RhoScheduleOptions, name = "schedule"): Schedule {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw expected('an object such as { name: "cosine", totalSteps: 1000 }', name, options);
  }
  const { name: kind, milestones, ...given } = options as unknown as Record<string, unknown>;
  if (typeof kind !== "string" || !Object.hasOwn(scheduleFields, kind)) {
    const known = Object.keys(scheduleFields);
    const hint = typeof kind === "string" ? suggest(kind, known) : "";
    throw new SteppeError("ARGUMENT", `Expected one of ${known.join(", ")} for ${name}.name but received ${describe(kind)}.${hint}`);
  }
  if (milestones !== undefined && kind !== "step") given["milestones"] = milestones;
  const values = readFields(given, scheduleFields[kind as RhoScheduleOptions["name"]], name, ["name", ...(kind === "step" ? ["milestones"] : [])]);
  const { warmupSteps = 0, totalSteps } = values;
  if (totalSteps !== undefined && warmupSteps > totalSteps) throw expected(`at most totalSteps, ${totalSteps},`, `${name}.warmupSteps`, warmupSteps);
  if (kind === "plateau") return plateau(values, name);
  const drops = kind === "step" ? readDrops(values["stepSize"]!, milestones, name) : [];
  const afterWarmup = shapes[kind as keyof typeof shapes](values, drops);
  return {
    name: kind as RhoScheduleOptions["name"],
    valueAt: (step, initial, lr) => {
      checkMoment(step, initial);
      return step < warmupSteps ? (initial * step) / warmupSteps : afterWarmup(step - warmupSteps, initial, lr);
    },
    report: () => {
      throw new SteppeError("ARGUMENT", `A ${kind} schedule takes no metric: only "plateau" does.`);
    },
    state: () => null,
    load: (state) => {
      if (state !== null) throw expected("null", `state of ${name}`, state);
    },
  };
}

/** The schedules of an optimizer. */
export interface Schedules {
  lr: Schedule | null;
  rho: Schedule | null;
}

/**
 * Makes an optimizer's schedules of its options.
 *
 * @throws SteppeError `ARGUMENT` for bad options, or a learning rate that follows itself
 */
export function readSchedules(lrSchedule?: LrScheduleOptions, rhoSchedule?: RhoScheduleOptions): Schedules {
  const lr = lrSchedule === undefined ? null : schedule(lrSchedule, "options.lrSchedule");
  if (lr?.name === "proportional") throw new SteppeError("ARGUMENT", 'options.lrSchedule cannot be "proportional": it is for options.rhoSchedule, which follows the learning rate.');
  return { lr, rho: rhoSchedule === undefined ? null : schedule(rhoSchedule, "options.rhoSchedule") };
}

/**
 * A group's hyperparameters in a step.
 *
 * @param values without schedules
 * @param step the number of steps before it, skipped ones not counted
 * @throws SteppeError `ARGUMENT` for the schedule of a learning rate that the base optimizer does not have (Adafactor's relative step)
 */
export function scheduled({ lr, rho }: Schedules, values: Values, step: number): Values {
  if (lr === null && rho === null) return values;
  const initial = values["lr"]!;
  if (Number.isNaN(initial) && (lr !== null || rho?.name === "proportional")) {
    throw new SteppeError("ARGUMENT", "A relative step has no learning rate: leave options.lrSchedule out, and rhoSchedule must not be proportional to it.");
  }
  const rate = { initial, value: lr?.valueAt(step, initial) ?? initial };
  return { ...values, lr: rate.value, ...(rho !== null && { rho: rho.valueAt(step, values["rho"]!, rate) }) };
}

/** The steps at which a step schedule drops: all multiples of a number, or a list. */
function readDrops(stepSize: number, milestones: unknown, name: string): number | readonly number[] {
  if (milestones === undefined) {
    if (stepSize === 0) throw new SteppeError("ARGUMENT", `Missing option ${name}.stepSize: expected an integer of at least 1, or ${name}.milestones.`);
    return stepSize;
  }
  if (stepSize !== 0) throw new SteppeError("ARGUMENT", `Expected one of ${name}.stepSize and ${name}.milestones but received both.`);
  if (!Array.isArray(milestones) || milestones.some((step) => !Number.isSafeInteger(step) || step < 0)) {
    throw expected("an array of step numbers", `${name}.milestones`, milestones);
  }
  return milestones as number[];
}

/** The values after the warm-up, whose end is their step 0. */
const shapes: Record<Exclude<RhoScheduleOptions["name"], "plateau">, (values: Values, drops: number | readonly number[]) => ValueAt> = {
  constant: () => (_step, initial) => initial,
  linear: (values) => descend(values, (progress) => 1 - progress),
  cosine: (values) => descend(values, (progress) => (1 + Math.cos(2 * Math.PI * values["cycles"]! * progress)) / 2),
  polynomial: (values) => descend(values, (progress) => (1 - progress) ** values["power"]!),
  step: (values, drops) => {
    const dropped = (step: number) => (typeof drops === "number" ? Math.floor(step / drops) : drops.filter((at) => at <= step).length);
    return (step, initial) => initial * values["gamma"]! ** dropped(step);
  },
  exponential: (values) => (step, initial) => initial * values["gamma"]! ** step,
  oneCycle,
  proportional: (values) => (_step, initial, lr) => {
    if (lr === undefined) throw expected("the learning rate", "lr", lr);
    const min = values["min"]!;
    return lr.initial === 0 ? min : min + (initial - min) * (lr.value / lr.initial);
  },
};

/** From `initial` at progress 0 to `min` at progress 1. */
function descend(values: Values, share: (progress: number) => number): ValueAt {
  const { totalSteps, warmupSteps, min } = values as { totalSteps: number; warmupSteps: number; min: number };
  const steps = Math.max(1, totalSteps - warmupSteps);
  return (step, initial) => min + (initial - min) * share(Math.min(1, step / steps));
}

function oneCycle(values: Values): ValueAt {
  const { totalSteps, pctStart, divFactor, finalDivFactor, threePhase } = values as Record<string, number>;
  const anneal = anneals[values["annealStrategy"]!] === "cos" ? (progress: number) => (1 - Math.cos(Math.PI * progress)) / 2 : (progress: number) => progress;
  const start = 1 / divFactor!, end = start / finalDivFactor!;
  const turn = pctStart! * totalSteps! - 1, last = totalSteps! - 1;
  const corners: [step: number, share: number][] = threePhase === 1 ? [[0, start], [turn, 1], [2 * turn, start], [last, end]] : [[0, start], [turn, 1], [last, end]];
  return (step, initial) => {
    let i = 1;
    while (i < corners.length - 1 && step > corners[i]![0]) i++;
    const [from, a] = corners[i - 1]!, [to, b] = corners[i]!;
    const progress = to > from ? Math.min(1, (step - from) / (to - from)) : 1;
    return initial * (a + (b - a) * anneal(progress));
  };
}

function checkMoment(step: number, initial: number): void {
  if (!Number.isInteger(step) || step < 0) throw expected("an integer of at least 0", "step", step);
  if (typeof initial !== "number" || Number.isNaN(initial)) throw expected("a number", "initial", initial);
}

function plateau(values: Values, name: string): Schedule {
  const { factor, patience, threshold, cooldown, min, eps } = values as Record<string, number>;
  const sign = modes[values["mode"]!] === "min" ? 1 : -1;
  const relative = thresholds[values["thresholdMode"]!] === "rel";
  let now: PlateauState = { best: null, badReports: 0, cooldown: 0, reductions: 0 };
  const isBetter = (metric: number) => {
    const best = now.best ?? sign * Infinity;
    return sign * metric < sign * (relative ? best * (1 - sign * threshold!) : best - sign * threshold!);
  };
  return {
    name: "plateau",
    valueAt(step, initial) {
      checkMoment(step, initial);
      let value = initial;
      for (let i = 0; i < now.reductions; i++) {
        const next = Math.max(value * factor!, min!);
        if (value - next <= eps!) break;
        value = next;
      }
      return value;
    },
    report(metric) {
      if (typeof metric !== "number") throw expected("a number", "metric", metric);
      if (isBetter(metric)) now = { ...now, best: metric, badReports: 0 };
      else now.badReports++;
      if (now.cooldown > 0) {
        now.cooldown--;
        now.badReports = 0;
      }
      if (now.badReports > patience!) now = { ...now, badReports: 0, cooldown: cooldown!, reductions: now.reductions + 1 };
    },
    state: () => ({ ...now }),
    load(state) {
      const counts = [state?.badReports, state?.cooldown, state?.reductions];
      if (state == null || (state.best !== null && typeof state.best !== "number") || counts.some((each) => !Number.isSafeInteger(each))) {
        throw expected("a plateau schedule's state", `state of ${name}`, state);
      }
      now = { ...state };
    },
  };
}
