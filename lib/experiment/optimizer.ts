import { SteppeError } from "../errors.js";
import { resolve } from "../optim/options.js";
import type { OptimizerOptions } from "../optim/index.js";
import type { MethodDefinition } from "../optim/methods/method.js";
import type { OptimizerConfig } from "./config.js";
import { briefly, hinted } from "./wording.js";

/** Schedules that have an end. */
const ending = ["linear", "cosine", "polynomial", "oneCycle"];

type Schedule = { name?: unknown; totalSteps?: unknown } | undefined;

/** The optimizer's options with schedules that end with the run where they do not say when. */
export function withTotalSteps(config: OptimizerConfig, totalSteps: number): OptimizerOptions {
  const complete = (schedule: Schedule) => (ending.includes(schedule?.name as string) && schedule!.totalSteps === undefined ? { ...schedule, totalSteps } : schedule);
  const { lrSchedule, rhoSchedule } = config as { lrSchedule?: Schedule; rhoSchedule?: Schedule };
  return { ...config, ...(lrSchedule && { lrSchedule: complete(lrSchedule) }), ...(rhoSchedule && { rhoSchedule: complete(rhoSchedule) }) } as OptimizerOptions;
}

/**
 * Checks the options as `optim.create` does, before anything is loaded.
 *
 * @returns what is wrong, in the words of a configuration's check; null if nothing is
 */
export function optimizerProblem(config: OptimizerConfig, place: string): string | null {
  try {
    resolve(withTotalSteps(config, 2 ** 31));
    return null;
  } catch (error) {
    if (!(error instanceof SteppeError)) throw error;
    return relocated(error.message, place);
  }
}

/** "Expected X for options.lr but received Y." as "optimizer.lr: expected X, received Y". */
export function relocated(message: string, place: string): string {
  const [, what, key, received, hint = ""] = /^Expected (.+?) for options(\.\S+)? but received (.+?)\.((?: Did you mean| ).*)?$/s.exec(message) ?? [];
  if (what !== undefined) return hinted(`${place}${key ?? ""}: expected ${what}, received ${briefly(received!)}`, hint);
  const [, name, inside, more = ""] = /^Unknown option "(.+?)" in options(\.\S+?)?\.(?= |$)(.*)$/s.exec(message) ?? [];
  if (name !== undefined) return `${place}${inside ?? ""}.${name}: there is no such key.${more}`;
  const [, missing, wanted] = /^Missing option options(\.\S+): expected (.+?)\.?$/s.exec(message) ?? [];
  if (missing !== undefined) return `${place}${missing}: missing; expected ${wanted}`;
  return `${place}: ${message.replaceAll(/\boptions\./g, `${place}.`)}`;
}

/** The form in which the method needs the loss. */
export function lossForm(config: OptimizerConfig): MethodDefinition["lossForm"] {
  return resolve(withTotalSteps(config, 2 ** 31)).definition.lossForm;
}
