import { setImmediate } from "node:timers/promises";
import { SteppeError, expected } from "../errors.js";
import { keepModes } from "../nn/modes.js";
import { Module } from "../nn/module.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { Compiled } from "./compiled.js";
import { dispose, scale, zerosLike } from "./vectors.js";
import type { Vector } from "./vectors.js";

/** The mean loss over the samples of a batch, a scalar: what `optimizer.compile` takes too. */
export type BatchLoss<Batch extends readonly Tensor[]> = (...batch: Batch) => Tensor;

/** The batches of a whole set, to be gone through several times: `data.loader(...)`, or an array of batches. */
export type Batches<Batch extends readonly Tensor[]> = Iterable<Batch> | AsyncIterable<Batch>;

const eagerLosses = new WeakSet<object>();

/**
 * Marks a loss that must be called for every batch: one that depends on more than its batch and the weights, a counter, say.
 * Measures record other losses once for each shape of batches, as `optimizer.compile` does, and run them on the training thread.
 *
 * @returns a function that does the same as `loss`
 */
export function eager<Batch extends readonly Tensor[]>(loss: BatchLoss<Batch>): BatchLoss<Batch> {
  if (typeof loss !== "function") throw expected("a function of a batch", "loss", loss);
  const marked = (...batch: Batch) => loss(...batch);
  eagerLosses.add(marked);
  return marked;
}

/**
 * The mean loss over a whole set as a function of the model's weights, which streams through the set batch by batch: as recorded
 * programs on the training thread, or as it is on this one where it cannot be recorded. Made by {@link measure}.
 */
export class Objective<Batch extends readonly Tensor[]> {
  /** The trainable parameters with their names. */
  readonly parameters: readonly [name: string, parameter: Tensor][];
  /** The weights at which the measurement began. */
  readonly weights: Vector;
  /** The set. */
  batches: Batches<Batch>;
  readonly #loss: BatchLoss<Batch>;
  /** Where the loss is looked at; null: at `weights`. */
  #point: Vector | null = null;
  /** Whether the model's parameters are at that point: programs do not need them to be. */
  #isModelThere = true;
  #wasModelMoved = false;
  readonly #lossProgram: Compiled | null = null;
  readonly #hessianProgram: Compiled | null = null;

  constructor(model: Module, parameters: [string, Tensor][], loss: BatchLoss<Batch>, batches: Batches<Batch>) {
    this.parameters = parameters;
    this.weights = parameters.map(([, parameter]) => torch.noGrad(() => parameter.clone()));
    this.#loss = loss;
    this.batches = batches;
    if (eagerLosses.has(loss)) return;
    const [inputs, buffers] = [this.#inputs, model.buffers()];
    this.#lossProgram = new Compiled((args) => ({ result: this.#batchLoss(args as unknown as Batch), extras: [] }), inputs, buffers);
    this.#hessianProgram = new Compiled(
      (args) => {
        const [batch, v] = args as [Batch, Vector];
        const value = this.#batchLoss(batch);
        const slope = this.#slopeAlong(value, v);
        if (slope === null) throw new SteppeError("RECORD", "The loss has no second derivative.");
        return { result: slope, extras: [value] };
      },
      inputs,
      buffers,
    );
  }

  get #inputs(): Tensor[] {
    return this.parameters.map(([, parameter]) => parameter);
  }

  /** From here on the loss is looked at at `weights + offset`, or at `weights`. */
  moveTo(offset?: Vector): void {
    if (this.#point !== null) dispose(this.#point);
    this.#point = offset === undefined ? null : torch.noGrad(() => this.weights.map((weight, k) => weight.add(offset[k]!)));
    this.#isModelThere = this.#point === null && !this.#wasModelMoved;
  }

  /** The loss there; with `finite`, NaN and infinity throw. */
  value(finite = true): Promise<number> {
    return this.#mean(async (batch) => (await this.#lossProgram?.pass(batch, this.#at))?.[0] ?? this.#here(() => torch.noGrad(() => this.#batchLoss(batch).item() as number)), finite);
  }

  /** The loss and its gradient there. The caller disposes of the gradient. */
  async valueAndGradient(): Promise<{ loss: number; gradient: Vector }> {
    const inputs = this.#inputs;
    return this.#sum(async (batch, size, sum) => {
      const numbers = await this.#lossProgram?.pass(batch, this.#at, sum, size);
      return (
        numbers?.[0] ??
        this.#here(() => {
          const value = this.#batchLoss(batch);
          addAll(sum, torch.autograd.grad([value], inputs, { allowUnused: true }), size);
          return value.item() as number;
        })
      );
    });
  }

  /**
   * `H v` with the loss's Hessian there: the gradient of `⟨∇L, v⟩`, batch by batch. The caller disposes of it.
   *
   * @throws SteppeError `OPERATOR` where an operator of the loss has no second derivative
   */
  async hessianTimes(v: Vector): Promise<Vector> {
    const inputs = this.#inputs;
    const { gradient } = await this.#sum(async (batch, size, sum) => {
      const numbers = await this.#hessianProgram?.pass([batch, v], this.#at, sum, size);
      return (
        numbers?.[1] ??
        this.#here(() => {
          const value = this.#batchLoss(batch);
          const slope = this.#slopeAlong(value, v);
          if (slope !== null) addAll(sum, torch.autograd.grad([slope], inputs, { allowUnused: true }), size);
          return value.item() as number;
        })
      );
    });
    return gradient;
  }

  /** Puts the model's weights back, bit for bit, and lets everything go. */
  end(): void {
    this.moveTo();
    this.#moveModel();
    this.#lossProgram?.dispose();
    this.#hessianProgram?.dispose();
    dispose(this.weights);
  }

  get #at(): Vector {
    return this.#point ?? this.weights;
  }

  #moveModel(): void {
    if (this.#isModelThere) return;
    torch.noGrad(() => this.parameters.forEach(([, parameter], k) => void parameter.copy_(this.#at[k]!)));
    this.#isModelThere = true;
    this.#wasModelMoved = true;
  }

  /** Runs what cannot be recorded, with the model's weights at the point. Other work gets a turn before it, as beside programs. */
  async #here(work: () => number): Promise<number> {
    await setImmediate();
    this.#moveModel();
    return torch.scope(work);
  }

  /** `⟨∇L, v⟩`, to be differentiated; null for a loss that is linear in the weights, which has no second derivative at all. */
  #slopeAlong(value: Tensor, v: Vector): Tensor | null {
    const gradients = torch.autograd.grad([value], this.#inputs, { createGraph: true, allowUnused: true });
    const terms = gradients.flatMap((part, k) => (part?.requiresGrad === true ? [part.mul(v[k]!).sum()] : []));
    return terms.length === 0 ? null : terms.reduce((a, b) => a.add(b));
  }

  /** The mean over the set of the vectors that `work` adds up, each times its batch's size, and of the losses. */
  async #sum(work: (batch: Batch, size: number, sum: Vector) => Promise<number>): Promise<{ loss: number; gradient: Vector }> {
    const gradient = zerosLike(this.weights);
    try {
      let samples = 0;
      const loss = await this.#mean((batch, size) => {
        samples += size;
        return work(batch, size, gradient);
      });
      scale(gradient, 1 / samples);
      return { loss, gradient };
    } catch (error) {
      dispose(gradient);
      throw error;
    }
  }

  /** The mean of what `work` says of each batch, weighted by the batches' sizes. */
  async #mean(work: (batch: Batch, size: number) => Promise<number>, finite = true): Promise<number> {
    let sum = 0;
    let samples = 0;
    for await (const batch of this.batches) {
      const size = sizeOf(batch);
      const value = await work(batch, size);
      if (finite && !Number.isFinite(value)) throw new SteppeError("NON_FINITE", `Expected a finite loss but received ${value}.`);
      sum += size * value;
      samples += size;
    }
    if (samples === 0) throw expected("at least one batch in every pass", "the loader", undefined);
    return sum / samples;
  }

  #batchLoss(batch: Batch): Tensor {
    const loss: unknown = this.#loss(...batch);
    if (!(loss instanceof Tensor) || loss.numel() !== 1) throw expected("one number, the mean over the batch", "the loss", loss);
    return loss;
  }
}

function addAll(sum: Vector, parts: readonly (Tensor | null)[], weight: number): void {
  sum.forEach((part, k) => void (parts[k] && part.add_(parts[k], { alpha: weight })));
}

/**
 * Runs a measurement on a model in evaluation mode, then puts weights and modes back as they were, whatever happened.
 * Until then the weights are elsewhere: nothing else may use the model.
 */
export async function measure<Batch extends readonly Tensor[], T>(
  model: Module,
  loss: BatchLoss<Batch>,
  batches: Batches<Batch>,
  work: (objective: Objective<Batch>) => Promise<T>,
): Promise<T> {
  if (!(model instanceof Module)) throw expected("a module", "model", model);
  if (typeof loss !== "function") throw expected("a function of a batch", "loss", loss);
  const iterable = typeof batches === "object" && batches !== null && (Symbol.iterator in batches || Symbol.asyncIterator in batches);
  if (!iterable) throw expected("an iterable of batches", "the loader", batches);
  if (Symbol.asyncIterator in batches ? isOnceOnly(batches, Symbol.asyncIterator) : isOnceOnly(batches, Symbol.iterator)) {
    throw expected("batches that can be gone through again", "the loader", batches, "A generator runs once: make an array of it.");
  }
  const parameters = model.namedParameters().filter(([, parameter]) => parameter.requiresGrad);
  if (parameters.length === 0) throw expected("at least one trainable parameter", "model", model);
  const restoreModes = keepModes(model);
  const objective = new Objective<Batch>(model, parameters, loss, batches);
  model.eval();
  try {
    return await work(objective);
  } finally {
    objective.end();
    restoreModes();
  }
}

function sizeOf(batch: readonly Tensor[]): number {
  const first: unknown = Array.isArray(batch) ? batch[0] : undefined;
  if (!(first instanceof Tensor) || first.dim() === 0) throw expected("an array of tensors, the samples in the first dimension", "a batch", batch);
  return first.shape[0]!;
}

/** A generator is its own iterator. */
function isOnceOnly(batches: object, symbol: symbol): boolean {
  const iterator: unknown = typeof (batches as Iterator<unknown>).next === "function" ? Reflect.get(batches, symbol) : undefined;
  return typeof iterator === "function" && iterator.call(batches) === batches;
}
