import { setImmediate } from "node:timers/promises";
import { noGrad } from "../autograd.js";
import { callByName } from "../dispatch.js";
import { dtypes } from "../dtype.js";
import { SteppeError, describe, expected, suggest } from "../errors.js";
import { native } from "../native.js";
import { keepModes } from "../nn/modes.js";
import { Module } from "../nn/module.js";
import { keep, scope } from "../scope.js";
import { Tensor } from "../tensor.js";
import { readAverageOptions, type AverageOptions, type AverageState, type ReadAverageOptions } from "./averaging-options.js";

/** A batch-norm layer, seen from here. */
interface Normalisation extends Module {
  momentum: number | null;
  running_mean: Tensor | null;
  resetRunningStats(): void;
}

/**
 * A running average of a model's weights, as torch.optim.swa_utils.AveragedModel, but for weights of half precision: their
 * average is in float32, where a small share is not lost to rounding. Made by {@link average}.
 */
export class Average {
  readonly kind: AverageOptions["kind"];
  readonly #options: ReadAverageOptions;
  readonly #model: Module | null;
  readonly #names: string[];
  /** The model's own tensors: parameters, then buffers. */
  readonly #own: Tensor[];
  readonly #parameters: number;
  /** As #own. */
  readonly #average: Tensor[];
  #steps = 0;
  #averaged = 0;
  #applied = false;
  /** Layers whose statistics updateBn finds. */
  readonly #normalisations: Normalisation[];
  /** Whether their statistics in the average are those of the averaged weights. */
  #bnUpdated = false;

  /** @internal */
  constructor(trained: Module | Iterable<Tensor>, options: AverageOptions) {
    this.#options = readAverageOptions(options);
    this.kind = this.#options.kind;
    this.#model = trained instanceof Module ? trained : null;
    const parameters = trained instanceof Module ? trained.namedParameters() : named(trained);
    if (parameters.length === 0) throw expected("at least one parameter", "model", trained);
    const all: [string, Tensor][] = [...parameters, ...(trained instanceof Module ? trained.namedBuffers() : [])];
    this.#normalisations = (this.#model?.modules() ?? []).filter((module): module is Normalisation => "resetRunningStats" in module);
    this.#parameters = parameters.length;
    this.#names = all.map(([name]) => name);
    this.#own = all.map(([, tensor]) => tensor);
    this.#average = copies(this.#own, /*wide=*/ true);
  }

  /** How many weights are in the average. */
  get averaged(): number {
    return this.#averaged;
  }

  /**
   * Whether {@link updateBn} is due: the model has batch norm, and its statistics here are copies of the model's, which belong to
   * other weights. Of an exponential mean, whose weights are near the model's, and with `useBuffers` it is never due.
   */
  get needsUpdateBn(): boolean {
    const tracked = this.#normalisations.some((layer) => layer.running_mean !== null);
    return this.kind === "swa" && !this.#options.useBuffers && this.#averaged > 0 && tracked && !this.#bnUpdated;
  }

  /**
   * Takes the model's present weights into the average: to be called after each optimizer step.
   *
   * @param report of the step: one that was skipped does not count, nor a micro-batch that took no step
   * @throws SteppeError `ARGUMENT` while the average is in the model
   * @example average.update(await step(x, y));
   */
  update(report?: { skipped: boolean; updated?: boolean }): void {
    this.#requireOut("update()");
    if (report?.skipped === true || report?.updated === false) return;
    const { startStep, every } = this.#options;
    const step = this.#steps++ - startStep;
    if (step < 0 || step % every !== 0) return;
    native.drain();
    noGrad(() =>
      scope(() => {
        if (this.#averaged === 0) copyAll(this.#average, this.#own);
        else this.#take(this.kind === "ema" ? 1 - this.#options.decay : 1 / (this.#averaged + 1));
      }),
    );
    this.#averaged++;
    this.#bnUpdated = false;
  }

  /** a ← a + share·(w − a). */
  #take(share: number): void {
    const isMixed = (i: number) => dtypes[this.#own[i]!.dtype]!.floating && (i < this.#parameters || this.#options.useBuffers);
    const places = this.#own.map((_, i) => i);
    const [mixed, copied] = [places.filter(isMixed), places.filter((i) => !isMixed(i))];
    const own = mixed.map((i) => this.#own[i]!.detach().to({ dtype: this.#average[i]!.dtype, device: this.#average[i]!.device }));
    callByName("aten::_foreach_lerp_.Scalar", mixed.map((i) => this.#average[i]!), own, share);
    copyAll(copied.map((i) => this.#average[i]!), copied.map((i) => this.#own[i]!));
  }

  /**
   * Runs `body` with the averaged weights in the model, then puts the model's own back, bit for bit, whatever `body` did and
   * also if it throws. With no average yet the model stays as it is.
   *
   * @param body may be asynchronous: the model's own weights return when its promise settles
   * @returns what `body` returns
   * @throws SteppeError `ARGUMENT` while the average is in the model already
   * @example const accuracy = average.apply(() => evaluate(model));
   */
  apply<T>(body: () => T): T {
    this.#requireOut("apply()");
    if (this.#averaged === 0) return body();
    native.drain();
    const own = copies(this.#own);
    const restore = (): void => {
      native.drain();
      noGrad(() => copyAll(this.#own, own));
      for (const tensor of own) tensor.dispose();
      this.#applied = false;
    };
    noGrad(() => copyAll(this.#own, this.#average));
    this.#applied = true;
    let result: T;
    try {
      result = body();
    } catch (error) {
      restore();
      throw error;
    }
    if (typeof (result as { then?: unknown } | null | undefined)?.then === "function") return Promise.resolve(result).finally(restore) as T;
    restore();
    return result;
  }

  /**
   * Puts the averaged weights into the model for good: the end of training.
   *
   * @throws SteppeError `ARGUMENT` if there is no average yet
   */
  copyToModel(): void {
    this.#requireOut("copyToModel()");
    if (this.#averaged === 0) throw new SteppeError("ARGUMENT", "There is no average yet: call update() first.");
    native.drain();
    noGrad(() => copyAll(this.#own, this.#average));
  }

  /**
   * Batch-norm statistics for the averaged weights: one pass over the data in training mode, without gradients; every
   * layer's mean and variance become the means over the batches. As torch.optim.swa_utils.update_bn. The model's own
   * statistics and modes stay what they were. Other work gets a turn between batches.
   *
   * @param batches tensors, or arrays that begin with one: the model's input
   * @param forward runs the model on a batch; by default `model.forward(input)`
   * @throws SteppeError `ARGUMENT` for an average of bare tensors, for no batches, or if there is no average yet
   * @example await average.updateBn(trainLoader);
   */
  async updateBn<Batch = Tensor | readonly [Tensor, ...unknown[]]>(
    batches: Iterable<Batch> | AsyncIterable<Batch>,
    forward?: (batch: Batch) => unknown,
  ): Promise<void> {
    const model = this.#model;
    if (model === null) throw new SteppeError("ARGUMENT", "An average of bare tensors knows no batch-norm layers: make it of the model.");
    if (this.#averaged === 0) throw new SteppeError("ARGUMENT", "There is no average yet: call update() first.");
    const run = forward ?? ((batch: Batch) => (model as Module & { forward(x: Tensor): unknown }).forward(inputOf(batch)));
    const layers = this.#normalisations;
    if (layers.length === 0) return;
    await this.apply(async () => {
      const momenta = layers.map((layer) => layer.momentum);
      const restoreModes = keepModes(model);
      try {
        for (const layer of layers) {
          noGrad(() => layer.resetRunningStats());
          layer.momentum = null; // a plain mean over the batches
        }
        model.train();
        let count = 0;
        for await (const batch of batches) {
          noGrad(() => scope(() => void run(batch)));
          count++;
          await setImmediate();
        }
        if (count === 0) throw expected("at least one batch", "batches", batches);
        noGrad(() => copyAll(this.#average.slice(this.#parameters), this.#own.slice(this.#parameters)));
        this.#bnUpdated = true;
      } finally {
        layers.forEach((layer, i) => (layer.momentum = momenta[i]!));
        restoreModes();
      }
    });
  }

  /** State to save, and to go on from, bit for bit. Its tensors are copies. */
  stateDict(): AverageState {
    const tensors = this.#average.map((tensor) => tensor.clone());
    return { kind: this.kind, steps: this.#steps, averaged: this.#averaged, bnUpdated: this.#bnUpdated, tensors: Object.fromEntries(tensors.map((tensor, i) => [this.#names[i]!, tensor])) };
  }

  /**
   * Goes on from a saved state. Nothing changes unless all of it fits.
   *
   * @throws SteppeError `ARGUMENT` for the state of another kind or model
   */
  loadStateDict(state: AverageState): void {
    this.#requireOut("loadStateDict()");
    if (state?.kind !== this.kind) throw expected(JSON.stringify(this.kind), "state.kind", state?.kind);
    for (const key of ["steps", "averaged"] as const) {
      if (!Number.isSafeInteger(state[key]) || state[key] < 0) throw expected("a count", `state.${key}`, state[key]);
    }
    const unknown = Object.keys(state.tensors).find((name) => !this.#names.includes(name));
    if (unknown !== undefined) throw new SteppeError("ARGUMENT", `Expected the state of this model but received ${describe(unknown)}.${suggest(unknown, this.#names)}`);
    const tensors = this.#names.map((name, i) => {
      const tensor = state.tensors[name];
      if (!(tensor instanceof Tensor)) throw expected("a Tensor", `state.tensors[${JSON.stringify(name)}]`, tensor);
      const shape = this.#average[i]!.shape;
      if (String(tensor.shape) !== String(shape)) {
        throw new SteppeError("ARGUMENT", `Expected shape [${shape.join(", ")}] for ${name} but received [${tensor.shape.join(", ")}].`);
      }
      return tensor;
    });
    noGrad(() => copyAll(this.#average, tensors));
    [this.#steps, this.#averaged, this.#bnUpdated] = [state.steps, state.averaged, state.bnUpdated === true];
  }

  #requireOut(caller: string): void {
    if (this.#applied) throw new SteppeError("ARGUMENT", `${caller} cannot be called while the average is in the model, inside apply().`);
  }
}

/**
 * A running average of a model's weights, which generalises better than the last weights do. It lies beside the model and
 * changes neither it nor the training.
 *
 * @param trained a model (its buffers are kept with the average), or tensors
 * @param options `kind` "ema" or "swa", and which updates count
 * @throws SteppeError `ARGUMENT` for unknown, misspelled or bad options
 * @example
 * const average = optim.average(model, { kind: "ema", decay: 0.999 });
 * for (const [x, y] of loader) average.update(await step(x, y));
 * const accuracy = average.apply(() => evaluate(model));
 * @example
 * const average = optim.average(model, { kind: "swa", startStep: 160 * loader.length, every: loader.length });
 * await average.updateBn(loader); // after training
 * average.copyToModel();
 */
export function average(trained: Module | Iterable<Tensor>, options: AverageOptions): Average {
  return new Average(trained, options);
}

function named(tensors: Iterable<Tensor>): [string, Tensor][] {
  if (typeof (tensors as Partial<Iterable<Tensor>> | null)?.[Symbol.iterator] !== "function" || typeof tensors === "string") {
    throw expected("a module or tensors", "model", tensors);
  }
  return [...tensors].map((tensor, i) => {
    if (!(tensor instanceof Tensor)) throw expected("a Tensor", `model[${i}]`, tensor);
    return [`${i}`, tensor];
  });
}

function inputOf(batch: unknown): Tensor {
  const input: unknown = Array.isArray(batch) ? batch[0] : batch;
  if (!(input instanceof Tensor)) throw expected("a tensor, or an array that begins with one,", "a batch", batch, "Give updateBn a function that runs the model on it.");
  return input;
}

/** Copies that no scope frees; `wide`: of half precision in float32. */
function copies(tensors: readonly Tensor[], wide = false): Tensor[] {
  const half = (tensor: Tensor) => tensor.dtype === "bfloat16" || tensor.dtype === "float16";
  return noGrad(() => tensors.map((tensor) => keep(wide && half(tensor) ? tensor.detach().to("float32") : tensor.detach().clone())));
}

/** In place: whoever holds the tensors sees the new values. Gradient mode is off. */
function copyAll(to: readonly Tensor[], from: readonly Tensor[]): void {
  if (to.length > 0) callByName("aten::_foreach_copy_", to, from);
}
