import type { AutocastOptions } from "../autocast.js";

/**
 * What one step reports. With `accumulationSteps` above 1: each call but the last reports its own micro-batch; the last one, with
 * `accumulate: "full"`, the whole batch, and with `"shard"` its own micro-batch, too.
 */
export interface StepReport {
  /** The loss at w, before the step; NaN for a step over gradients that `backward()` left. */
  loss: number;
  /** The loss at w + ε; undefined if the step took no pass at a perturbed point. */
  perturbedLoss: number | undefined;
  /** ‖∇L(w)‖ over the perturbed parameters (all but those of groups with `perturb: false`; with method `none` over all), unclipped. NaN for a micro-batch whose gradient the method does not take at w. */
  gradNorm: number;
  /** The step met NaN or infinity and changed nothing (`nonFinite: "skip"`); of several micro-batches the last one tells. */
  skipped: boolean;
  /** The base optimizer took its step: false for a skipped one, and for a micro-batch after which more are to come. */
  updated: boolean;
}

/** A loss function that has become a training step: one native call. */
export interface CompiledStep<Args extends unknown[]> {
  /** Takes one step on the training thread. Steps run in the order in which they were asked for. The arguments may be disposed of meanwhile, but not changed. */
  (...args: Args): Promise<StepReport>;
  /** The same, here and now, after all steps that are under way. Throws `ARGUMENT` while one of them is still to be recorded: await it first. */
  sync(...args: Args): StepReport;
  /**
   * Forgets what was recorded: the next call records the loss function anew. For what a program cannot know: parts of the model that were
   * replaced (`net.head = new nn.Linear(8, 2)`, `registerBuffer`, `setSubmodule`), hooks, a number that `forward` reads (`dropout.p = 0`), a
   * variable of the loss function. Changed values, other modes, frozen parameters are seen without. Throws `ARGUMENT` while a step is still to
   * be recorded.
   */
  reset(): void;
  /** The recorded programs, to look at: one per signature and number of samples. */
  readonly programs: readonly ProgramInfo[];
  /** In words: what was recorded, and where autograd runs the backward, and why; with `graphs`, why steps are not captured. */
  explain(): string;
}

/** A recorded program. */
export interface ProgramInfo {
  /** What it was recorded for. */
  readonly signature: string;
  /** Number of samples; -1 where the arguments have no dimension of samples. */
  readonly samples: number;
  /** It is of the objective that the method climbs, not of the loss. */
  readonly climbed: boolean;
  /** Number of operators. */
  readonly instructions: number;
  /** Why autograd runs its backward, or null if that is recorded, too. */
  readonly backwardObstacle: string | null;
  /** One line per operator. */
  readonly text: string;
  /** Recording it computed the loss; false for a promise step whose loss function ran on shapes alone. */
  readonly computed: boolean;
  /** @internal the addon's number of it */
  readonly program: number;
}

/** Keyword arguments of {@link Optimizer.compile}. */
export interface CompileOptions {
  /** Runs the loss function in mixed precision, as torch.autocast; {} for bfloat16 on the CPU. */
  autocast?: AutocastOptions;
  /**
   * Takes steps without a wait for the GPU between the passes, captured in a CUDA graph and replayed as one launch: those of most
   * methods and base optimizers; see docs/cuda.md for what that wants. What cannot be taken so is taken as always, and
   * {@link CompiledStep.explain} says why. "uncaptured": the same work call by call, to compare with. Default false.
   */
  graphs?: boolean | "uncaptured";
}

/**
 * See {@link CompiledStep.explain}.
 *
 * @param obstacle where steps are to be taken as `graphs` says: why those over a program are not, or ""
 */
export function explain(programs: readonly ProgramInfo[], obstacle?: (program: number) => string): string {
  if (programs.length === 0) return "Nothing is recorded yet: the first call records the loss function.";
  const lines = programs.map(({ samples, climbed, instructions, backwardObstacle }, i) => {
    const what = `${samples < 0 ? "no batch dimension" : samples === 1 ? "1 sample" : `${samples} samples`}${climbed ? ", the objective that is climbed" : ""}`;
    const how = backwardObstacle === null ? "forward and backward are replayed" : `the forward is replayed, autograd runs the backward: ${backwardObstacle}`;
    return `${i + 1}. ${what}: ${instructions} operators; ${how}.`;
  });
  const reasons = obstacle === undefined ? [] : [...new Set(programs.map(({ program }) => obstacle(program)))].filter((reason) => reason !== "");
  const graph = obstacle === undefined ? [] : [reasons.length === 0 ? "Steps are taken as `graphs` says." : `Steps are not captured in a CUDA graph: ${reasons.join("; ")}.`];
  return [`${programs.length} ${programs.length === 1 ? "program" : "programs"}, with no JavaScript in a step:`, ...lines, ...graph].join("\n");
}
