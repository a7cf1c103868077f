import { setImmediate } from "node:timers/promises";
import { SteppeError, expected } from "../errors.js";
import { keepModes } from "../nn/modes.js";
import { Module } from "../nn/module.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { add, dispose, scale, zerosLike } from "./vectors.js";
import type { Vector } from "./vectors.js";

/** The mean loss over the samples of a batch, a scalar: what `optimizer.compile` takes too. */
export type BatchLoss<Batch extends readonly Tensor[]> = (...batch: Batch) => Tensor;

/** The batches of a whole set, to be gone through several times: `data.loader(...)`, or an array of batches. */
export type Batches<Batch extends readonly Tensor[]> = Iterable<Batch> | AsyncIterable<Batch>;

/**
 * The mean loss over a whole set as a function of the model's weights, which streams through the set batch by batch.
 * Made by {@link measure}.
 */
export class Objective<Batch extends readonly Tensor[]> {
  /** The trainable parameters with their names. */
  readonly parameters: readonly [name: string, parameter: Tensor][];
  /** The weights at which the measurement began. */
  readonly weights: Vector;
  readonly #loss: BatchLoss<Batch>;
  readonly #batches: Batches<Batch>;

  constructor(parameters: [string, Tensor][], loss: BatchLoss<Batch>, batches: Batches<Batch>) {
    this.parameters = parameters;
    this.weights = parameters.map(([, parameter]) => torch.noGrad(() => parameter.clone()));
    this.#loss = loss;
    this.#batches = batches;
  }

  /** Sets the parameters to `weights + offset`, or back to `weights`, bit for bit. */
  moveTo(offset?: Vector): void {
    torch.noGrad(() => {
      this.parameters.forEach(([, parameter], k) => {
        parameter.copy_(this.weights[k]!);
        if (offset !== undefined) parameter.add_(offset[k]!);
      });
    });
  }

  /** The loss where the parameters are; with `finite`, NaN and infinity throw. */
  value(finite = true): Promise<number> {
    return this.#mean((batch) => torch.noGrad(() => this.#batchLoss(batch).item() as number), finite);
  }

  /** The loss and its gradient where the parameters are. The caller disposes of the gradient. */
  async valueAndGradient(): Promise<{ loss: number; gradient: Vector }> {
    const inputs = this.parameters.map(([, parameter]) => parameter);
    const gradient = zerosLike(inputs);
    try {
      let samples = 0;
      const loss = await this.#mean((batch, size) => {
        const value = this.#batchLoss(batch);
        const gradients = torch.autograd.grad([value], inputs, { allowUnused: true });
        gradient.forEach((sum, k) => {
          const part = gradients[k];
          if (part) sum.add_(part, { alpha: size });
        });
        samples += size;
        return value.item() as number;
      });
      scale(gradient, 1 / samples);
      return { loss, gradient };
    } catch (error) {
      dispose(gradient);
      throw error;
    }
  }

  /**
   * `H v` with the loss's Hessian where the parameters are: the gradient of `⟨∇L, v⟩`, batch by batch. The caller disposes of it.
   *
   * @throws SteppeError `OPERATOR` where an operator of the loss has no second derivative
   */
  async hessianTimes(v: Vector): Promise<Vector> {
    const inputs = this.parameters.map(([, parameter]) => parameter);
    const product = zerosLike(inputs);
    try {
      let samples = 0;
      await this.#mean((batch, size) => {
        const value = this.#batchLoss(batch);
        const gradients = torch.autograd.grad([value], inputs, { createGraph: true, allowUnused: true });
        const terms = gradients.flatMap((part, k) => (part?.requiresGrad === true ? [part.mul(v[k]!).sum()] : []));
        // A loss that is linear in the weights has no second derivative at all.
        if (terms.length > 0) {
          const parts = torch.autograd.grad([terms.reduce((a, b) => a.add(b))], inputs, { allowUnused: true });
          product.forEach((sum, k) => void (parts[k] && sum.add_(parts[k], { alpha: size })));
        }
        samples += size;
        return value.item() as number;
      });
      scale(product, 1 / samples);
      return product;
    } catch (error) {
      dispose(product);
      throw error;
    }
  }

  /** The mean of what `work` says of each batch, weighted by the batches' sizes. Other work gets a turn between batches. */
  async #mean(work: (batch: Batch, size: number) => number, finite = true): Promise<number> {
    let sum = 0;
    let samples = 0;
    for await (const batch of this.#batches) {
      const size = sizeOf(batch);
      const value = torch.scope(() => work(batch, size));
      if (finite && !Number.isFinite(value)) throw new SteppeError("NON_FINITE", `Expected a finite loss but received ${value}.`);
      sum += size * value;
      samples += size;
      await setImmediate();
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
  const objective = new Objective<Batch>(parameters, loss, batches);
  model.eval();
  try {
    return await work(objective);
  } finally {
    objective.moveTo();
    restoreModes();
    dispose(objective.weights);
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
