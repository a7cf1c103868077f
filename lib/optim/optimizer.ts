import { SteppeError, describe, expected } from "../errors.js";
import { enableGrad } from "../autograd.js";
import { adopt } from "../dispatch.js";
import { native } from "../native.js";
import { scope } from "../scope.js";
import { Tensor } from "../tensor.js";
import { expectedShape } from "./base-state.js";
import { closureLoss, compileStep, type CompiledStep, type StepReport } from "./compile.js";
import type { Values } from "./fields.js";
import { collect, type Collected, type ParameterGroup, type Trained } from "./groups.js";
import { resolve, type OptimizerOptions, type Resolved } from "./options.js";

/** Everything that a later run needs to go on as if nothing had happened, besides the model's own state dict. */
export interface OptimizerState {
  method: string;
  base: string;
  /** Steps taken, skipped ones not counted. */
  steps: number;
  /** Hyperparameters per group. */
  groups: Values[];
  /** Tensors of the base optimizer, as "parameter/name": "fc.weight/momentum_buffer". */
  tensors: Record<string, Tensor>;
  /** Numbers that the method keeps. */
  numbers: Record<string, number[]>;
}

const discarded = new FinalizationRegistry<number>((engine) => native.freeEngine(engine));

/** A method of the SAM family over a base optimizer, for one set of parameters. Made by {@link create}. */
export class Optimizer {
  readonly #engine: number;
  readonly #collected: Collected;
  readonly #resolved: Resolved;
  #stale = true;

  /** @internal */
  constructor(trained: Trained, options: OptimizerOptions) {
    this.#resolved = resolve(options);
    this.#collected = collect(trained, this.#resolved.base, this.#resolved.group, () => {
      this.#stale = true;
    });
    const { parameters, buffers, names, groupOf } = this.#collected;
    const { method, base, numbers, maxGradNorm, startStep, sameNoise, throwNonFinite } = this.#resolved;
    this.#engine = native.engineCreate(
      { method, base, options: numbers, maxGradNorm, startStep, sameNoise, throwNonFinite, names, groupOf },
      parameters.map((parameter) => parameter.handle),
      buffers.map((buffer) => buffer.handle),
    );
    discarded.register(this, this.#engine);
  }

  /** Hyperparameters of each parameter group; they can be set between steps. */
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

  /**
   * Makes a training step of a loss function. The first call with a new signature (shapes, dtypes and devices of its
   * tensors, its other arguments, training or evaluation mode) runs the function once and records what LibTorch does, forward
   * and backward; from then on a step is one native call that runs no JavaScript.
   *
   * What the function takes from outside its arguments (numbers, tensors other than the model's) is recorded as it was.
   *
   * @param loss returns the mean loss over the batch, a floating-point tensor of one element; reads no values
   * @returns the step; it throws, or rejects with, `SteppeError` `RECORD` where the function cannot be recorded,
   * `NON_FINITE` for NaN or infinity in a gradient (or skips the step)
   * @example
   * const step = optimizer.compile((x, y) => nn.functional.crossEntropy(model.forward(x), y));
   * const { loss } = await step(x, y);
   */
  compile<Args extends unknown[] = Tensor[]>(loss: (...args: Args) => Tensor): CompiledStep<Args> {
    return compileStep(loss, { engine: this.#engine, collected: this.#collected, configure: () => this.#configure() });
  }

  /**
   * One step with an ordinary closure, on this thread: for what cannot be recorded. The closure computes the loss anew at
   * each call; it is called once per pass, with the model's parameters set to where the pass is taken.
   *
   * @throws SteppeError `ARGUMENT` for methods that cut the batch (`msam`, `ascentFraction` below 1): a closure's batch cannot be cut
   * @example optimizer.step(() => nn.functional.mseLoss(model.forward(x), y));
   */
  step(closure: () => Tensor): StepReport {
    if (typeof closure !== "function") throw expected("a function", "closure", closure);
    const { shards = 1, ascentFraction = 1 } = this.#resolved.numbers;
    if (shards > 1 || ascentFraction < 1) {
      throw new SteppeError("ARGUMENT", `The batch of a closure cannot be cut, as ${shards > 1 ? `shards: ${shards}` : `ascentFraction: ${ascentFraction}`} wants: use compile().`);
    }
    this.#configure();
    return scope(() => native.engineStepClosure(this.#engine, () => enableGrad(() => closureLoss(closure())).handle));
  }

  /** State to save, and to go on from, bit for bit. Its tensors are copies. */
  stateDict(): OptimizerState {
    const { steps, base, method } = native.engineState(this.#engine);
    const tensors: Record<string, Tensor> = {};
    for (const [name, handles] of Object.entries(base)) {
      handles.forEach((handle, k) => {
        const tensor = adopt(handle);
        if (tensor !== null) tensors[`${this.#collected.names[k]!}/${name}`] = tensor;
      });
    }
    return { method: this.#resolved.method, base: this.#resolved.base, steps, groups: this.groups.map((group) => group.toJSON()), tensors, numbers: method };
  }

  /**
   * Goes on from a saved state. Nothing changes unless all of it fits.
   *
   * @throws SteppeError `ARGUMENT` for the state of another method or base optimizer, other groups, unknown parameters, wrong shapes
   */
  loadStateDict(state: OptimizerState): void {
    for (const key of ["method", "base"] as const) {
      if (state[key] !== this.#resolved[key]) throw expected(`${JSON.stringify(this.#resolved[key])}`, `state.${key}`, state[key]);
    }
    if (!Array.isArray(state.groups) || state.groups.length !== this.groups.length) throw expected(`${this.groups.length} groups`, "state.groups", state.groups);
    if (!Number.isInteger(state.steps) || state.steps < 0) throw expected("a number of steps", "state.steps", state.steps);
    const empty = native.engineState(this.#engine);
    const base: Record<string, (number | null)[]> = {};
    for (const [name, handles] of Object.entries(empty.base)) {
      base[name] = handles.map(() => null);
      for (const handle of handles) if (handle !== null) native.release(handle);
    }
    const elements = this.#collected.parameters.reduce((sum, parameter) => sum + parameter.numel(), 0);
    for (const [key, tensor] of Object.entries(state.tensors)) {
      const cut = key.lastIndexOf("/");
      const index = this.#collected.names.indexOf(key.slice(0, cut));
      const list = base[key.slice(cut + 1)];
      if (index < 0 || list === undefined) throw new SteppeError("ARGUMENT", `Expected the state of this optimizer's parameters but received ${describe(key)}.`);
      if (!(tensor instanceof Tensor)) throw expected("a Tensor", `state.tensors[${JSON.stringify(key)}]`, tensor);
      const shape = expectedShape(key.slice(cut + 1), tensor.shape, this.#collected.parameters[index]!.shape, elements);
      if (shape !== null) throw new SteppeError("ARGUMENT", `Expected shape ${shape} for ${key} but received [${tensor.shape.join(", ")}].`);
      list[index] = tensor.handle;
    }
    for (const name of Object.keys(empty.method)) {
      if (!Array.isArray(state.numbers?.[name])) throw expected("an array of numbers", `state.numbers.${name}`, state.numbers?.[name]);
    }
    state.groups.forEach((values, g) => this.groups[g]!.check(values));
    native.engineLoadState(this.#engine, state.steps, base, state.numbers);
    state.groups.forEach((values, g) => this.groups[g]!.load(values));
  }

  #configure(): void {
    if (!this.#stale) return;
    native.engineConfigure(
      this.#engine,
      this.groups.map((group) => group.toJSON()),
    );
    this.#stale = false;
  }
}

/**
 * An optimizer of the SAM family.
 *
 * @param trained a model, its parameters, or parameter groups. With a model the optimizer knows its normalisation buffers and
 * its mode (training or evaluation), too.
 * @param options plain JSON: `method` and its options, and the base optimizer
 * @throws SteppeError `ARGUMENT` for unknown, misspelled, missing or bad options
 * @example
 * optim.create(model, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.1, momentum: 0.9 } });
 */
export function create(trained: Trained, options: OptimizerOptions): Optimizer {
  return new Optimizer(trained, options);
}
