import { SteppeError, expected } from "../errors.js";
import { enableGrad, noGrad } from "../autograd.js";
import { native } from "../native.js";
import { clearGradients, type ClearingOptions } from "../nn/clear-gradients.js";
import { keep, scope } from "../scope.js";
import type { Tensor } from "../tensor.js";
import { compileStep } from "./compile.js";
import type { CompileOptions, CompiledStep, StepReport } from "./compiled-step.js";
import { collect, normalizationParameters, type Collected, type ParameterGroup, type Trained } from "./groups.js";
import { outcomeOf } from "./loss-form.js";
import type { Method, OptimizerOptions } from "./methods/index.js";
import type { LossWithLogits } from "./methods/method.js";
import { resolve, type Resolved } from "./options.js";
import type { Values } from "./fields.js";
import { scheduled } from "./schedules.js";
import { loadState, readState, scheduleStates, type OptimizerState } from "./state.js";
import { ForeignBuffers } from "./foreign-buffers.js";
import { Window } from "./window.js";

/** What the loss function of a method returns: the mean loss; for `k-sam` and `efficient` one loss per sample; for `bilevel` the logits, too. */
export type LossOf<M extends Method> = M extends "bilevel" ? LossWithLogits : Tensor;

const discarded = new FinalizationRegistry<number>((engine) => native.freeEngine(engine));

/** A method of the SAM family over a base optimizer, for one set of parameters. Made by {@link create}. */
export class Optimizer<M extends Method = Method> {
  readonly #id: number;
  #isDisposed = false;
  readonly #freePrograms: (() => void)[] = [];
  readonly #collected: Collected;
  readonly #resolved: Resolved;
  readonly #window: Window;
  /** What it was made with: plain JSON. */
  readonly options: Readonly<OptimizerOptions>;
  #stale = true;
  #loadedBatch: readonly Tensor[] = [];
  /** Steps that were taken, and steps that were asked for and may yet be skipped. */
  #taken = 0;
  #pending = 0;
  /** Of those, steps whose loss function is still to be recorded. */
  #queued = 0;

  /** @internal */
  constructor(trained: Trained, options: OptimizerOptions) {
    this.#resolved = resolve(options);
    this.options = structuredClone(options);
    this.#window = new Window(this.#resolved.accumulationSteps);
    this.#collected = collect(trained, this.#resolved.base, this.#resolved.group, () => {
      this.#stale = true;
    });
    this.#valuesAt(0); // what cannot be is refused now, not by the first step
    const { parameters, buffers, names, groupOf } = this.#collected;
    const { definition, parts, base, maxGradNorm, maxGradValue, startStep, sameNoise, throwNonFinite, lossScale, accumulationSteps, accumulate } = this.#resolved;
    const normalization = definition.normalizationOnly === true ? normalizationParameters(this.#collected) : null;
    this.#id = native.engineCreate(
      {
        method: parts,
        perturbs: definition.rho !== null,
        base,
        maxGradNorm,
        maxGradValue,
        startStep,
        sameNoise,
        throwNonFinite,
        lossScale,
        accumulationSteps,
        perturbsPerMicro: accumulate === "shard",
        names,
        groupOf,
        inSubset: parameters.map((parameter) => normalization === null || normalization.has(parameter)),
      },
      parameters.map((parameter) => parameter.handle),
      buffers.map((buffer) => buffer.handle),
      this,
    );
    discarded.register(this, this.#id, this);
  }

  get #engine(): number {
    if (this.#isDisposed) throw new SteppeError("DISPOSED", "This optimizer was disposed of.");
    return this.#id;
  }

  /**
   * Frees its state and the programs of its compiled steps now, after the steps under way. Left to itself that happens some time after nobody holds
   * it any more. Model and weights stay. May be called twice.
   *
   * @throws SteppeError `ARGUMENT` while a step is still to be recorded
   */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#requireRecorded("dispose()");
    native.drain();
    this.#isDisposed = true;
    discarded.unregister(this);
    for (const free of this.#freePrograms) free();
    native.freeEngine(this.#id);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The method's id. */
  get method(): Method {
    return this.#resolved.method as Method;
  }

  /** Values of each parameter group; they can be set between steps. */
  get groups(): readonly ParameterGroup[] {
    return this.#collected.groups;
  }

  /** Learning rate of the first group; setting it sets all groups'. */
  get lr(): number {
    return this.groups[0]!.lr;
  }
  set lr(value: number) {
    for (const group of this.groups) group.lr = value;
  }

  /** Radius ρ of the first group; setting it sets all groups'. */
  get rho(): number {
    return this.groups[0]!.rho;
  }
  set rho(value: number) {
    for (const group of this.groups) group.rho = value;
  }

  /** Values of each group in the next step, with the schedules'. */
  get scheduled(): Values[] {
    return this.#valuesAt(this.#taken);
  }

  /** Whether one of its schedules is a "plateau", which takes a metric. */
  get takesMetric(): boolean {
    const { lr, rho } = this.#resolved.schedules;
    return lr?.name === "plateau" || rho?.name === "plateau";
  }

  /**
   * Gives a "plateau" schedule the metric that it watches, once an epoch or so.
   *
   * @throws SteppeError `ARGUMENT` if this optimizer has no such schedule
   */
  reportMetric(metric: number): void {
    const { lr, rho } = this.#resolved.schedules;
    const watching = [lr, rho].filter((schedule) => schedule?.name === "plateau");
    if (watching.length === 0) throw new SteppeError("ARGUMENT", "No schedule of this optimizer takes a metric: only \"plateau\" does.");
    for (const schedule of watching) schedule!.report(metric);
    this.#stale = true;
  }

  /**
   * Makes a training step of a loss function. The first call with a new signature (shapes, dtypes and devices of its
   * tensors, its other arguments, training or evaluation mode) runs the function once and records what LibTorch does, forward
   * and backward; from then on a step is one native call that runs no JavaScript.
   *
   * What the function takes from outside its arguments (numbers, tensors other than the model's) is recorded as it was, and so is the
   * model: {@link CompiledStep.reset} has it recorded anew. Gradients that it takes itself (`autograd.grad` with `createGraph`, for a
   * penalty on them) are recorded, too. Tensors that it makes are freed behind it, as in `torch.scope`: one that is to outlive it (a mask
   * that a module keeps for later) is given to `torch.keep`.
   *
   * @param loss returns the mean loss over the batch, a floating-point tensor of one element; reads no values
   * @returns the step; it throws, or rejects with, `SteppeError` `RECORD` where the function cannot be recorded,
   * `NON_FINITE` for NaN or infinity in a gradient (or skips the step)
   * @example
   * const step = optimizer.compile((x, y) => nn.functional.crossEntropy(model.forward(x), y));
   * const { loss } = await step(x, y);
   */
  compile<Args extends unknown[] = Tensor[]>(loss: (...args: Args) => LossOf<M>, options: CompileOptions = {}): CompiledStep<Args> {
    const engine = () => this.#engine;
    engine();
    const context = {
      get engine() {
        return engine();
      },
      compiled: (free: () => void) => void this.#freePrograms.push(free),
      collected: this.#collected,
      resolved: this.#resolved,
      window: this.#window,
      loadedBatch: () => this.#loadedBatch,
      configure: (groups?: readonly Values[]) => this.#configure(groups),
      hyperparameters: () => this.groups.map((group) => group.toJSON()),
      begun: () => void this.#pending++,
      queued: (change: 1 | -1 | 0 = 0) => (this.#queued += change) > 0,
      ended: (taken: boolean) => this.#ended(taken),
    };
    return compileStep(loss, context, options);
  }

  /**
   * One step with an ordinary closure, on this thread: for what cannot be recorded. The closure computes the loss anew at
   * each call; it is called once per pass, with the model's parameters set to where the pass is taken.
   *
   * @throws SteppeError `ARGUMENT` for methods that run over parts of the batch (`msam`, `ascentFraction` below 1, `k-sam`,
   * `efficient`) or over an earlier one (`parallel`), and with `accumulationSteps` above 1: a closure cannot give these
   * @example optimizer.step(() => nn.functional.mseLoss(model.forward(x), y));
   */
  step(closure: () => LossOf<M>): StepReport;
  /**
   * One step over the gradients that `backward()` has left in the parameters' `grad`, with method `none` alone and on this thread: PyTorch's own loop.
   * The gradients stay as they are, and a parameter that has none is left alone. Clipping, `nonFinite`, schedules and groups apply as in every step;
   * buffers that the forward has moved (batch norm's statistics) stay so, also where the step is skipped. With a loss scale what is differentiated is
   * the loss times {@link lossScale}, and the step divides by the scale of the moment. The report's `loss` is NaN: it is not known here.
   *
   * @throws SteppeError `ARGUMENT` for every other method, for L-BFGS, with `accumulationSteps` above 1, and where no parameter has a gradient
   * @example
   * optimizer.zeroGrad();
   * nn.functional.mseLoss(model.forward(x), y).backward();
   * optimizer.step();
   */
  step(this: [M] extends ["none"] ? Optimizer<M> : never): StepReport;
  step(closure?: () => LossOf<M>): StepReport {
    if (closure === undefined) return this.#stepStored();
    if (typeof closure !== "function") throw expected("a function", "closure", closure);
    const { method, definition, numbers, accumulationSteps } = this.#resolved;
    if (accumulationSteps > 1) {
      throw new SteppeError("ARGUMENT", "An accumulated step needs its earlier micro-batches again, which a closure cannot give: use compile(), or leave options.accumulationSteps out.");
    }
    if (definition.cutsBatch?.(numbers) === true) {
      throw new SteppeError("ARGUMENT", `A closure gives the loss of one batch as a whole, and method ${method} with these options needs parts of it or an earlier one: use compile().`);
    }
    this.#requireRecorded("step(closure)");
    this.#configure();
    const foreign = new ForeignBuffers(this.#collected);
    const evaluate = (climbed: boolean) => outcomeOf(closure(), definition, numbers, climbed, -1, "the closure's result");
    let report: StepReport | undefined;
    try {
      report = scope(() =>
        native.engineStepClosure(this.#engine, (climbed) =>
          enableGrad(() => {
            const { objective, extras } = foreign.watch(() => evaluate(climbed));
            return [objective.handle, (extras[0] ?? objective).handle];
          }),
        ),
      );
    } catch (error) {
      if (!(error instanceof SteppeError) || !/backward through the graph a second time/.test(error.message)) throw error;
      throw new SteppeError(error.code, "The graph of the closure's result, or a part of it, is gone: leave backward() out of the closure, since the step takes the gradient of what it returns, and detach() what it keeps from the step before.", { cause: error });
    } finally {
      if (report?.updated === true) foreign.settle();
      else foreign.putBack();
      foreign.addTo(this.#engine);
    }
    if (report.updated) this.#taken++;
    return report;
  }

  #stepStored(): StepReport {
    const { method, base, accumulationSteps } = this.#resolved;
    const asksForOthers = (who: string) => new SteppeError("ARGUMENT", `A step without a closure goes by the gradients that backward() left, and ${who} asks for others: give step(closure) or compile() the loss function.`);
    if (method !== "none") throw asksForOthers(`method ${method}`);
    if (base === "lbfgs") throw asksForOthers(base);
    if (accumulationSteps > 1) throw new SteppeError("ARGUMENT", "A step without a closure goes by the gradients that backward() left, which add up by themselves: leave options.accumulationSteps out, or use compile().");
    this.#requireRecorded("step()");
    this.#configure();
    const report = native.engineStepStored(this.#engine);
    if (report === undefined) throw new SteppeError("ARGUMENT", "Expected a gradient of one parameter at least for step() but received none: call backward() on the loss first, or give step() a closure.");
    if (report.updated) this.#taken++;
    return report;
  }

  /** Drops the gradients of its parameters, which only steps without a closure look at. `setToNone: false` fills them with zeros instead. */
  zeroGrad(options: ClearingOptions = {}): void {
    clearGradients(this.#collected.parameters, options);
  }

  /** Whether the loss scale is dynamic or not: what the loss is multiplied by at present. Waits for the steps that are under way. */
  get lossScale(): number {
    this.#requireRecorded("lossScale");
    return native.engineLossScale(this.#engine);
  }

  /** State to save, and to go on from, bit for bit. Its tensors are copies. */
  stateDict(): OptimizerState {
    this.#requireRecorded("stateDict()");
    return { method: this.#resolved.method, base: this.#resolved.base, ...readState(this.#engine, this.#collected, this.#window), schedules: scheduleStates(this.#resolved.schedules) };
  }

  /**
   * Goes on from a saved state. Nothing changes unless all of it fits.
   *
   * @throws SteppeError `ARGUMENT` for the state of another method or base optimizer, other groups, unknown parameters, wrong shapes
   */
  loadStateDict(state: OptimizerState): void {
    if (this.#pending > 0) throw new SteppeError("ARGUMENT", "Await the steps that are under way before loadStateDict().");
    if (typeof state !== "object" || state === null) throw expected("what stateDict() of an optimizer gave", "state", state);
    for (const key of ["method", "base"] as const) {
      if (state[key] !== this.#resolved[key]) throw expected(JSON.stringify(this.#resolved[key]), `state.${key}`, state[key]);
    }
    loadState(this.#engine, state, this.#collected, this.#resolved.schedules, this.#window);
    this.#loadedBatch = noGrad(() => (state.batch ?? []).map((tensor) => keep(tensor.detach().clone())));
    this.#taken = state.steps;
    this.#stale = true;
  }

  #ended(taken: boolean): void {
    this.#pending--;
    if (!taken) return;
    this.#taken++;
    this.#loadedBatch = [];
  }

  /** What waits for the steps under way cannot wait for one that is still to be recorded, which takes this thread. */
  #requireRecorded(what: string): void {
    if (this.#queued > 0) throw new SteppeError("ARGUMENT", `Await the steps that are under way before ${what}: one is still to be recorded.`);
  }

  #valuesAt(step: number, groups: readonly Values[] = this.groups.map((group) => group.toJSON())): Values[] {
    const { definition, numbers, base, schedules } = this.#resolved;
    return groups.map((group) => {
      const values = scheduled(schedules, group, step);
      definition.checkBase?.(base, values);
      return { ...values, rho: definition.radius?.(numbers, values["lr"]!) ?? values["rho"]! };
    });
  }

  /** A step that is asked for now may be any of several, as those before it may be skipped. */
  #configure(groups?: readonly Values[]): void {
    const { lr, rho } = this.#resolved.schedules;
    const moving = lr !== null || rho !== null;
    if (!moving && !this.#stale && groups === undefined) return;
    const candidates = moving ? this.#pending + 1 : 1;
    native.engineConfigure(
      this.#engine,
      this.#taken,
      Array.from({ length: candidates }, (_, i) => this.#valuesAt(this.#taken + i, groups)),
    );
    this.#stale = groups !== undefined; // the next step goes by the present ones
  }
}

/**
 * An optimizer of the SAM family.
 *
 * @param trained a model, its parameters, or parameter groups. Of a model, and of parameters that its `parameters()` or
 * `namedParameters()` gave, the optimizer knows names, normalisation buffers and mode (training or evaluation), too.
 * Other modules that the loss function goes through (a body, under the head that is trained) are met when it first runs: their
 * statistics, too, move once a step.
 * @param options plain JSON: `method` and its options, and the base optimizer
 * @throws SteppeError `ARGUMENT` for unknown, misspelled, missing or bad options
 * @example
 * optim.create(model, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.1, momentum: 0.9 } });
 */
export function create<M extends Method>(trained: Trained, options: OptimizerOptions & { method: M }): Optimizer<M> {
  return new Optimizer<M>(trained, options);
}
