import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import type { DType } from "../../types.js";
import { dtype, flag, integer, or, orNull, read, real, requireTensors } from "../arguments.js";
import type { Rest } from "../arguments.js";

const softmaxArguments = { dim: integer, dtype: orNull(dtype) };
type SoftmaxRest = [dim: number, dtype?: DType | null] | [dim: number, options: { dtype?: DType | null }] | [options: { dim: number; dtype?: DType | null }];

/** exp(x) divided by its sum over `dim`. @param rest `dim`, and the dtype to compute in */
export function softmax(input: Tensor, ...rest: SoftmaxRest): Tensor {
  const { dim, dtype } = read("nn.functional.softmax", softmaxArguments, rest);
  requireTensors("nn.functional.softmax", { input });
  return input.softmax(dim, dtype);
}

/** The softmax of -x: exp(-x) divided by its sum over `dim`. @param rest `dim`, and the dtype to compute in */
export function softmin(input: Tensor, ...rest: SoftmaxRest): Tensor {
  const { dim, dtype } = read("nn.functional.softmin", softmaxArguments, rest);
  requireTensors("nn.functional.softmin", { input });
  return input.neg().softmax(dim, dtype);
}

/** The logarithm of the softmax over `dim`, without under- or overflow. @param rest `dim`, and the dtype to compute in */
export function logSoftmax(input: Tensor, ...rest: SoftmaxRest): Tensor {
  const { dim, dtype } = read("nn.functional.logSoftmax", softmaxArguments, rest);
  requireTensors("nn.functional.logSoftmax", { input });
  return input.logSoftmax(dim, dtype);
}

const gumbelArguments = { tau: or(real, 1), hard: or(flag, false), dim: or(integer, -1) };

/**
 * A random choice over `dim` with the logits' probabilities, softened so that it has a gradient. arXiv 1611.00712, 1611.01144.
 *
 * @param logits log-probabilities up to a constant, any shape
 * @param rest `tau` (1): the lower, the nearer to one choice; `hard` (false): exactly one 1 in the result, the gradient that of
 *   the soft one; `dim` (-1)
 * @returns probabilities of the logits' shape
 */
export function gumbelSoftmax(logits: Tensor, ...rest: Rest<[tau: number, hard: boolean, dim: number], typeof gumbelArguments>): Tensor {
  const { tau, hard, dim } = read("nn.functional.gumbelSoftmax", gumbelArguments, rest);
  const noise = torch.emptyLike(logits, { memoryFormat: "contiguous" }).exponential_().log().neg(); // Gumbel(0, 1)
  const soft = logits.add(noise).div(tau).softmax(dim);
  if (!hard) return soft;
  const chosen = soft.detach().argmax(dim, { keepdim: true });
  return torch.zerosLike(logits, { memoryFormat: "contiguous" }).scatter(dim, chosen, 1).sub(soft.detach()).add(soft);
}
