import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import type { DType } from "../../types.js";
import { dtype, flag, integer, oneOf, or, orNull, read, real } from "../arguments.js";
import type { Rest } from "../arguments.js";

/** Whether the input's own memory takes the result. */
const inplace = or(flag, false);

export const inplaceArguments = { inplace };
export type InplaceRest = Rest<[inplace: boolean], typeof inplaceArguments>;

/** max(0, x). */
export function relu(input: Tensor, ...rest: InplaceRest): Tensor {
  return read("nn.functional.relu", inplaceArguments, rest).inplace ? input.relu_() : input.relu();
}

/** x · sigmoid(x), also called swish. arXiv 1702.03118. */
export function silu(input: Tensor, ...rest: InplaceRest): Tensor {
  return read("nn.functional.silu", inplaceArguments, rest).inplace ? torch.silu_(input) : torch.silu(input);
}

export const leakyReluArguments = { negativeSlope: or(real, 0.01), inplace };
export type LeakyReluRest = Rest<[negativeSlope: number, inplace: boolean], typeof leakyReluArguments>;

/** x where it is positive, negativeSlope · x elsewhere. */
export function leakyRelu(input: Tensor, ...rest: LeakyReluRest): Tensor {
  const { negativeSlope, inplace } = read("nn.functional.leakyRelu", leakyReluArguments, rest);
  return inplace ? torch.leakyRelu_(input, negativeSlope) : torch.leakyRelu(input, negativeSlope);
}

export const eluArguments = { alpha: or(real, 1), inplace };
export type EluRest = Rest<[alpha: number, inplace: boolean], typeof eluArguments>;

/** x where it is positive, alpha · (exp(x) - 1) elsewhere. arXiv 1511.07289. */
export function elu(input: Tensor, ...rest: EluRest): Tensor {
  const { alpha, inplace } = read("nn.functional.elu", eluArguments, rest);
  return inplace ? torch.elu_(input, alpha) : torch.elu(input, alpha);
}

export const geluArguments = { approximate: or(oneOf("none", "tanh"), "none") };
export type GeluRest = Rest<[approximate: "none" | "tanh"], typeof geluArguments>;

/** x · Φ(x), with Φ the normal distribution function or its approximation by tanh. arXiv 1606.08415. */
export function gelu(input: Tensor, ...rest: GeluRest): Tensor {
  return torch.gelu(input, read("nn.functional.gelu", geluArguments, rest));
}

/** Hyperbolic tangent. */
export function tanh(input: Tensor): Tensor {
  return input.tanh();
}

/** 1 / (1 + exp(-x)). */
export function sigmoid(input: Tensor): Tensor {
  return input.sigmoid();
}

const softmaxArguments = { dim: integer, dtype: orNull(dtype) };
type SoftmaxRest = [dim: number, dtype?: DType | null] | [dim: number, options: { dtype?: DType | null }] | [options: { dim: number; dtype?: DType | null }];

/** exp(x) divided by its sum over `dim`. @param rest `dim`, and the dtype to compute in */
export function softmax(input: Tensor, ...rest: SoftmaxRest): Tensor {
  const { dim, dtype } = read("nn.functional.softmax", softmaxArguments, rest);
  return input.softmax(dim, dtype);
}

/** The logarithm of the softmax over `dim`, without under- or overflow. @param rest `dim`, and the dtype to compute in */
export function logSoftmax(input: Tensor, ...rest: SoftmaxRest): Tensor {
  const { dim, dtype } = read("nn.functional.logSoftmax", softmaxArguments, rest);
  return input.logSoftmax(dim, dtype);
}
