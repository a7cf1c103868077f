import { checkInteger } from "../checks.js";
import { expected } from "../errors.js";
import { torch } from "../torch.js";
import { lanczos, solve } from "./lanczos.js";
import { measure } from "./objective.js";
import { readNumbers } from "./options.js";
import { dispose, dot, normalLike, signsLike } from "./vectors.js";
import type { Module } from "../nn/module.js";
import type { Tensor } from "../tensor.js";
import type { BatchLoss, Batches } from "./objective.js";

/** Keyword arguments of {@link hessianEigenvalues}. */
export interface EigenvalueOptions {
  /** How many; default 1. */
  k?: number;
  /** Lanczos steps at most, each a pass over the set with two backward passes, and a copy of the weights in memory; default max(4 k, 40). */
  maxSteps?: number;
  /** Ends when the eigenvalues are known to this relative error; default 1e-3. */
  tolerance?: number;
  /** Decides the start vector; default 0. */
  seed?: number;
}

/**
 * The `k` largest eigenvalues of the loss's Hessian in the trainable parameters, the largest first, by the Lanczos method with
 * full reorthogonalisation on Hessian-vector products. Fewer come back where the Hessian has fewer that the start vector sees.
 *
 * Model, loss, loader and what holds for them are those of {@link sharpness}: the mean loss over the whole set, in evaluation
 * mode, batch by batch. Every operator of the loss needs a second derivative.
 *
 * @returns exact on quadratics; never above the true ones but for rounding
 * @throws SteppeError `NON_FINITE` for a loss that is NaN or infinite
 * @example const [largest] = await flatness.hessianEigenvalues(model, loss, loader, { k: 5 });
 */
export async function hessianEigenvalues<Batch extends readonly Tensor[]>(
  model: Module,
  loss: BatchLoss<Batch>,
  loader: Batches<Batch>,
  options: EigenvalueOptions = {},
): Promise<number[]> {
  const { k, maxSteps, tolerance, seed } = readNumbers(options, { k: 1, maxSteps: 0, tolerance: 1e-3, seed: 0 });
  checkInteger(k, "k", 1);
  if (options.maxSteps !== undefined) checkInteger(maxSteps, "maxSteps", k);
  checkInteger(seed, "seed", 0);
  if (!(tolerance >= 0)) throw expected("a number of at least 0", "tolerance", tolerance);
  const steps = maxSteps === 0 ? Math.max(4 * k, 40) : maxSteps;
  return measure(model, loss, loader, async (objective) => {
    const start = normalLike(objective.weights, new torch.Generator().manualSeed(seed));
    const found = await lanczos(objective, start, steps, (soFar) => {
      if (soFar.diagonal.length < k) return false;
      const { values, last } = solve(soFar);
      // The residual of a Ritz value bounds its error.
      return values.slice(-k).every((value, i) => soFar.rest * Math.abs(last[values.length - k + i]!) <= tolerance * Math.abs(value));
    });
    return solve(found).values.slice(-k).reverse();
  });
}

/**
 * The trace of the loss's Hessian by Hutchinson's estimator: the mean of `⟨z, H z⟩` over vectors of random signs. Exact after
 * one sample for a diagonal Hessian. Model, loss, loader as for {@link hessianEigenvalues}.
 *
 * @param options `samples`: vectors, each a pass over the set; default 20. `seed`: default 0
 * @returns the estimate, and its standard error (NaN for one sample)
 */
export async function hessianTrace<Batch extends readonly Tensor[]>(
  model: Module,
  loss: BatchLoss<Batch>,
  loader: Batches<Batch>,
  options: { samples?: number; seed?: number } = {},
): Promise<{ trace: number; standardError: number }> {
  const { samples, seed } = readNumbers(options, { samples: 20, seed: 0 });
  checkInteger(samples, "samples", 1);
  checkInteger(seed, "seed", 0);
  return measure(model, loss, loader, async (objective) => {
    const generator = new torch.Generator().manualSeed(seed);
    const values: number[] = [];
    for (let i = 0; i < samples; i++) {
      const z = signsLike(objective.weights, generator);
      const product = await objective.hessianTimes(z);
      values.push(dot(z, product));
      dispose([...z, ...product]);
    }
    const trace = values.reduce((sum, value) => sum + value, 0) / samples;
    const variance = values.reduce((sum, value) => sum + (value - trace) ** 2, 0) / (samples - 1);
    return { trace, standardError: Math.sqrt(variance / samples) };
  });
}

/** Keyword arguments of {@link spectralDensity}. */
export interface DensityOptions {
  /** Lanczos steps for each start vector; default 40. */
  steps?: number;
  /** Start vectors; default 3. */
  samples?: number;
  /** Where the density is told: so many points from the least eigenvalue to the largest, and a little beyond; default 200. */
  points?: number;
  /** Width σ of the bell that stands for an eigenvalue, as a share of the range; default 0.01. */
  width?: number;
  /** Default 0. */
  seed?: number;
}

/** The density of a spectrum: its integral over `eigenvalues` is 1. */
export interface SpectralDensity {
  eigenvalues: number[];
  density: number[];
}

/**
 * The density of the Hessian's eigenvalues by stochastic Lanczos quadrature (arXiv 1901.10159): the eigenvalues of the small
 * tridiagonal matrices, weighted by the squared first components of their vectors, blurred by bells of width σ.
 * Model, loss, loader as for {@link hessianEigenvalues}.
 */
export async function spectralDensity<Batch extends readonly Tensor[]>(
  model: Module,
  loss: BatchLoss<Batch>,
  loader: Batches<Batch>,
  options: DensityOptions = {},
): Promise<SpectralDensity> {
  const { steps, samples, points, width, seed } = readNumbers(options, { steps: 40, samples: 3, points: 200, width: 0.01, seed: 0 });
  for (const [name, value] of Object.entries({ steps, samples })) checkInteger(value, name, 1);
  checkInteger(points, "points", 2);
  checkInteger(seed, "seed", 0);
  if (!(width > 0) || width === Infinity) throw expected("a number above 0", "width", width);
  return measure(model, loss, loader, async (objective) => {
    const generator = new torch.Generator().manualSeed(seed);
    const peaks: [value: number, weight: number][] = [];
    for (let i = 0; i < samples; i++) {
      const { values, first } = solve(await lanczos(objective, normalLike(objective.weights, generator), steps, () => false));
      values.forEach((value, j) => peaks.push([value, first[j]! ** 2 / samples]));
    }
    const [least, largest] = [Math.min(...peaks.map(([value]) => value)), Math.max(...peaks.map(([value]) => value))];
    const range = largest - least || Math.abs(largest) || 1;
    const sigma = width * range;
    const [from, to] = [least - 4 * sigma, largest + 4 * sigma];
    const eigenvalues = Array.from({ length: points }, (_, i) => from + ((to - from) * i) / (points - 1));
    const bell = (x: number) => Math.exp(-0.5 * (x / sigma) ** 2) / (sigma * Math.sqrt(2 * Math.PI));
    return { eigenvalues, density: eigenvalues.map((x) => peaks.reduce((sum, [value, weight]) => sum + weight * bell(x - value), 0)) };
  });
}
