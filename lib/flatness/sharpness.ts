import { checkInteger } from "../checks.js";
import { expected } from "../errors.js";
import { torch } from "../torch.js";
import { measure } from "./objective.js";
import { readOptions } from "./options.js";
import { add, dispose, multiply, norm, normalLike, scale, zerosLike } from "./vectors.js";
import type { Module } from "../nn/module.js";
import type { Tensor } from "../tensor.js";
import type { BatchLoss, Batches, Objective } from "./objective.js";
import type { Vector } from "./vectors.js";

/** Keyword arguments of {@link sharpness}. */
export interface SharpnessOptions {
  /** Radius ρ of the ball. */
  rho: number;
  /** Steps of the ascent; default 20. Each is one pass over the set with gradient. */
  steps?: number;
  /** Measures in ASAM's ball `‖T⁻¹ε‖ ≤ ρ`, with `T = |w|+η` on weights and 1 on the other parameters; default false. */
  adaptive?: boolean;
  /** η of `adaptive`; default 0.01. */
  eta?: number;
  /** Decides the first direction where the gradient is zero; default 0. */
  seed?: number;
}

/**
 * Sharpness at radius ρ: `max over ‖ε‖ ≤ ρ of L(w+ε) − L(w)`, with L the mean loss over the whole set, in evaluation mode
 * (dropout off, batch norm with its running statistics: so that L is one function of w, whatever the batches).
 *
 * The maximum is sought by projected gradient ascent, `ε ← P(ε + η_i n(∇L(w+ε)))` with `η_i = ρ(1 − i/steps)`: the first point
 * is SAM's perturbation, then the steps get shorter. What comes back is the largest rise met, a lower bound that gets better
 * with `steps`, and at least 0.
 *
 * Streams: memory for five copies of the weights and one batch, whatever the size of the set. Weights, modes and the
 * `grad` of parameters are afterwards what they were, bit for bit, also when something throws; until the promise settles the
 * model is in evaluation mode, its weights may be elsewhere, and nothing else may use it. The event loop stays free: the loss is recorded
 * once for each shape of batches, as by `optimizer.compile`, and runs on the training thread, with what it takes from outside its
 * batch as it was ({@link eager} marks a loss that must be called each time); one that cannot be recorded is called between turns of the loop.
 *
 * @param model any module; its trainable parameters are perturbed together
 * @param loss the mean over a batch, as for `optimizer.compile`
 * @param loader the set in batches, to be gone through `steps + 2` times at most; a batch weighs as many samples as its first tensor has rows
 * @throws SteppeError `NON_FINITE` for a loss that is NaN or infinite
 * @example await flatness.sharpness(model, (x, y) => nn.functional.crossEntropy(model.forward(x), y), loader, { rho: 0.05 });
 */
export async function sharpness<Batch extends readonly Tensor[]>(
  model: Module,
  loss: BatchLoss<Batch>,
  loader: Batches<Batch>,
  options: SharpnessOptions,
): Promise<number> {
  const settings = readSharpness(options);
  return measure(model, loss, loader, (objective) => rise(objective, settings));
}

/** The options, checked and complete. */
export function readSharpness(options: SharpnessOptions): Required<SharpnessOptions> {
  const settings = readOptions(options, { steps: 20, adaptive: false, eta: 0.01, seed: 0 });
  checkInteger(settings.steps, "steps", 1);
  checkInteger(settings.seed, "seed", 0);
  if (!(settings.eta >= 0)) throw expected("a number of at least 0", "eta", settings.eta);
  return settings;
}

/** The sharpness of an objective. */
export async function rise<Batch extends readonly Tensor[]>(objective: Objective<Batch>, { rho, steps, adaptive, eta, seed }: Required<SharpnessOptions>): Promise<number> {
  const t = adaptive ? adaptiveScale(objective, eta) : null;
  const u = zerosLike(objective.weights); // ε = T u, so that the ball is round in u
  try {
    objective.moveTo();
    const lossAt = await ascend(objective, u, t, { rho, steps, seed });
    return lossAt.highest - lossAt.start;
  } finally {
    dispose([...u, ...(t ?? [])]);
  }
}

async function ascend<Batch extends readonly Tensor[]>(
  objective: Objective<Batch>,
  u: Vector,
  t: Vector | null,
  { rho, steps, seed }: { rho: number; steps: number; seed: number },
): Promise<{ start: number; highest: number }> {
  let { loss, gradient } = await objective.valueAndGradient();
  const start = loss;
  let highest = loss;
  for (let i = 0; i < steps; i++) {
    if (t !== null) multiply(gradient, t); // the gradient in u
    if (norm(gradient) === 0) {
      dispose(gradient);
      gradient = normalLike(objective.weights, new torch.Generator().manualSeed(seed));
    }
    add(u, gradient, (rho * (1 - i / steps)) / norm(gradient));
    dispose(gradient);
    const length = norm(u);
    if (length > rho) scale(u, rho / length);

    const epsilon = u.map((part, k) => (t === null ? part.clone() : part.mul(t[k]!)));
    objective.moveTo(epsilon);
    dispose(epsilon);
    if (i === steps - 1) loss = await objective.value();
    else ({ loss, gradient } = await objective.valueAndGradient());
    highest = Math.max(highest, loss);
  }
  return { start, highest };
}

/** ASAM's T (arXiv 2102.11600): `|w|+η` on parameters whose own name contains "weight", 1 on the others. */
function adaptiveScale<Batch extends readonly Tensor[]>({ parameters, weights }: Objective<Batch>, eta: number): Vector {
  return weights.map((w, k) => {
    const ownName = parameters[k]![0].split(".").at(-1)!;
    return torch.scope(() => (ownName.includes("weight") ? w.abs().add(eta) : torch.onesLike(w)));
  });
}
