import { expected } from "../../errors.js";
import { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, or, read, real } from "../arguments.js";
import type { Rest } from "../arguments.js";

// For training loops of one's own. Optimizers take `maxGradNorm` and `maxGradValue` themselves.

type Parameters = Tensor | Iterable<Tensor>;

function listed(parameters: Parameters, owner: string): Tensor[] {
  const list = parameters instanceof Tensor ? [parameters] : isIterable(parameters) ? [...parameters] : null;
  if (list === null || !list.every((each) => each instanceof Tensor)) throw expected("tensors", `parameters of ${owner}`, parameters, "Of a model: model.parameters().");
  return list;
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.iterator in value;
}

function gradients(parameters: Parameters, owner: string): Tensor[] {
  return listed(parameters, owner).flatMap((parameter) => (parameter.grad === null ? [] : [parameter.grad.detach()]));
}

const normArguments = { normType: or(real, 2) };

/** The norm of several tensors taken together. @param rest `normType` (2, Infinity for the largest value) @returns [] */
export function getTotalNorm(tensors: Parameters, ...rest: Rest<[normType: number], typeof normArguments>): Tensor {
  const owner = "nn.utils.getTotalNorm";
  const { normType } = read(owner, normArguments, rest);
  const list = listed(tensors, owner);
  if (list.length === 0) return torch.zeros([]);
  return torch.noGrad(() => torch.linalgVectorNorm(torch.stack(list.map((tensor) => torch.linalgVectorNorm(tensor, normType))), normType));
}

const clipArguments = { normType: or(real, 2), errorIfNonfinite: or(flag, false) };

/**
 * Scales all gradients so that their norm, taken together, is at most `maxNorm`.
 *
 * @param rest `normType` (2, Infinity for the largest value); `errorIfNonfinite` (false): throw if the norm is NaN or infinite
 * @returns the norm that they had, []
 * @example nn.utils.clipGradNorm_(model.parameters(), 1)
 */
export function clipGradNorm_(
  parameters: Parameters,
  maxNorm: number,
  ...rest: Rest<[normType: number, errorIfNonfinite: boolean], typeof clipArguments>
): Tensor {
  const owner = "nn.utils.clipGradNorm_";
  const { normType, errorIfNonfinite } = read(owner, clipArguments, rest);
  real.read(maxNorm, `maxNorm of ${owner}`);
  const grads = gradients(parameters, owner);
  const total = getTotalNorm(grads, normType);
  if (errorIfNonfinite && !Number.isFinite(total.item())) throw expected("finite gradients", owner, total.item());
  scale(grads, maxNorm, total);
  return total;
}

function scale(grads: Tensor[], maxNorm: number, total: Tensor): void {
  torch.noGrad(() => {
    const factor = total.add(1e-6).reciprocal().mul(maxNorm).clampMax(1);
    for (const grad of grads) grad.mul_(factor.to({ device: grad.device, dtype: grad.dtype }));
  });
}

/** Scales all gradients as `clipGradNorm_` does, by a norm that is known: that of `getTotalNorm`, or one over several models. @param totalNorm [] */
export function clipGradsWithNorm_(parameters: Parameters, maxNorm: number, totalNorm: Tensor): void {
  const owner = "nn.utils.clipGradsWithNorm_";
  real.read(maxNorm, `maxNorm of ${owner}`);
  if (!(totalNorm instanceof Tensor) || totalNorm.numel() !== 1) throw expected("a tensor of one number", `totalNorm of ${owner}`, totalNorm);
  scale(gradients(parameters, owner), maxNorm, totalNorm);
}

/** Clips each value of all gradients to ±clipValue. */
export function clipGradValue_(parameters: Parameters, clipValue: number): void {
  const owner = "nn.utils.clipGradValue_";
  real.read(clipValue, `clipValue of ${owner}`);
  torch.noGrad(() => {
    for (const grad of gradients(parameters, owner)) grad.clamp_(-clipValue, clipValue);
  });
}
