import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, integer, oneOf, or, read, real, requireTensors } from "../arguments.js";
import type { Named, Rest } from "../arguments.js";

// Elementwise unless said otherwise: any shape in, the same shape out. Formulae are for each element x.

/** Whether the input's own memory takes the result. */
const inplace = or(flag, false);

export const inplaceArguments = { inplace };
export type InplaceRest = Rest<[inplace: boolean], typeof inplaceArguments>;

/** max(0, x). */
export function relu(input: Tensor, ...rest: InplaceRest): Tensor {
  requireTensors("nn.functional.relu", { input });
  return read("nn.functional.relu", inplaceArguments, rest).inplace ? input.relu_() : input.relu();
}

/** min(max(0, x), 6). arXiv 1704.04861. */
export function relu6(input: Tensor, ...rest: InplaceRest): Tensor {
  const { inplace } = read("nn.functional.relu6", inplaceArguments, rest);
  return inplace ? torch.hardtanh_(input, 0, 6) : torch.hardtanh(input, 0, 6);
}

/** x · sigmoid(x), also called swish. arXiv 1702.03118. */
export function silu(input: Tensor, ...rest: InplaceRest): Tensor {
  return read("nn.functional.silu", inplaceArguments, rest).inplace ? torch.silu_(input) : torch.silu(input);
}

/** x · tanh(softplus(x)). arXiv 1908.08681. */
export function mish(input: Tensor, ...rest: InplaceRest): Tensor {
  return read("nn.functional.mish", inplaceArguments, rest).inplace ? torch.mish_(input) : torch.mish(input);
}

/** Scaled so that normal inputs keep mean 0 and variance 1: 1.0507 · elu(x, 1.6733). arXiv 1706.02515. */
export function selu(input: Tensor, ...rest: InplaceRest): Tensor {
  return read("nn.functional.selu", inplaceArguments, rest).inplace ? torch.selu_(input) : torch.selu(input);
}

/** min(max(0, x + 3), 6) / 6. */
export function hardsigmoid(input: Tensor, ...rest: InplaceRest): Tensor {
  const { inplace } = read("nn.functional.hardsigmoid", inplaceArguments, rest);
  return inplace ? torch.hardsigmoid_(input) : torch.hardsigmoid(input);
}

/** x · min(max(0, x + 3), 6) / 6. arXiv 1905.02244. */
export function hardswish(input: Tensor, ...rest: InplaceRest): Tensor {
  const { inplace } = read("nn.functional.hardswish", inplaceArguments, rest);
  return inplace ? torch.hardswish_(input) : torch.hardswish(input);
}

export const leakyReluArguments = { negativeSlope: or(real, 0.01), inplace };
export type LeakyReluRest = Rest<[negativeSlope: number, inplace: boolean], typeof leakyReluArguments>;

/** x where it is positive, negativeSlope · x elsewhere. */
export function leakyRelu(input: Tensor, ...rest: LeakyReluRest): Tensor {
  const { negativeSlope, inplace } = read("nn.functional.leakyRelu", leakyReluArguments, rest);
  return inplace ? torch.leakyRelu_(input, negativeSlope) : torch.leakyRelu(input, negativeSlope);
}

/** x where it is positive, weight · x elsewhere. arXiv 1502.01852. @param weight [C] for an input [N, C, ...], or [1] */
export function prelu(input: Tensor, weight: Tensor): Tensor {
  return torch.prelu(input, weight);
}

export const rreluArguments = { lower: or(real, 1 / 8), upper: or(real, 1 / 3), inplace };
export type RReluRest = Rest<[lower: number, upper: number, inplace: boolean], typeof rreluArguments>;
const rreluFunctionArguments = { lower: rreluArguments.lower, upper: rreluArguments.upper, training: or(flag, false), inplace };

/**
 * x where it is positive, a · x elsewhere, with a drawn uniformly from [lower, upper) in training and their mean otherwise.
 * arXiv 1505.00853.
 *
 * @param rest `lower` (1/8), `upper` (1/3), `training` (false), `inplace`
 */
export function rrelu(
  input: Tensor,
  ...rest: Rest<[lower: number, upper: number, training: boolean, inplace: boolean], typeof rreluFunctionArguments>
): Tensor {
  const { lower, upper, training, inplace } = read("nn.functional.rrelu", rreluFunctionArguments, rest);
  return inplace ? torch.rrelu_(input, lower, upper, training) : torch.rrelu(input, lower, upper, training);
}

export const eluArguments = { alpha: or(real, 1), inplace };
export type EluRest = Rest<[alpha: number, inplace: boolean], typeof eluArguments>;

/** x where it is positive, alpha · (exp(x) - 1) elsewhere. arXiv 1511.07289. */
export function elu(input: Tensor, ...rest: EluRest): Tensor {
  const { alpha, inplace } = read("nn.functional.elu", eluArguments, rest);
  return inplace ? torch.elu_(input, alpha) : torch.elu(input, alpha);
}

/** max(0, x) + min(0, alpha · (exp(x / alpha) - 1)): smooth for every alpha. arXiv 1704.07483. */
export function celu(input: Tensor, ...rest: EluRest): Tensor {
  const { alpha, inplace } = read("nn.functional.celu", eluArguments, rest);
  return inplace ? torch.celu_(input, alpha) : torch.celu(input, alpha);
}

export const hardtanhArguments = { minVal: or(real, -1), maxVal: or(real, 1), inplace };
export type HardtanhRest = Rest<[minVal: number, maxVal: number, inplace: boolean], typeof hardtanhArguments>;

/** min(max(minVal, x), maxVal). */
export function hardtanh(input: Tensor, ...rest: HardtanhRest): Tensor {
  const { minVal, maxVal, inplace } = read("nn.functional.hardtanh", hardtanhArguments, rest);
  return inplace ? torch.hardtanh_(input, minVal, maxVal) : torch.hardtanh(input, minVal, maxVal);
}

export const thresholdArguments = { threshold: real, value: real, inplace };
export type ThresholdRest = Rest<[inplace: boolean], typeof thresholdArguments>;

/** x where it is above the threshold, `value` elsewhere. */
export function threshold(input: Tensor, threshold: number, value: number, ...rest: ThresholdRest): Tensor;
export function threshold(input: Tensor, options: Named<typeof thresholdArguments>): Tensor;
export function threshold(input: Tensor, ...rest: unknown[]): Tensor {
  const options = read("nn.functional.threshold", thresholdArguments, rest);
  return (options.inplace ? torch.threshold_ : torch.threshold)(input, options.threshold, options.value);
}

export const shrinkArguments = { lambd: or(real, 0.5) };
export type ShrinkRest = Rest<[lambd: number], typeof shrinkArguments>;

/** x where |x| is above `lambd`, 0 elsewhere. */
export function hardshrink(input: Tensor, ...rest: ShrinkRest): Tensor {
  return torch.hardshrink(input, read("nn.functional.hardshrink", shrinkArguments, rest).lambd);
}

/** x moved towards 0 by `lambd`, but not past it. */
export function softshrink(input: Tensor, ...rest: ShrinkRest): Tensor {
  return torch.softshrink(input, read("nn.functional.softshrink", shrinkArguments, rest).lambd);
}

/** x - tanh(x). */
export function tanhshrink(input: Tensor): Tensor {
  requireTensors("nn.functional.tanhshrink", { input });
  return input.sub(input.tanh());
}

export const softplusArguments = { beta: or(real, 1), threshold: or(real, 20) };
export type SoftplusRest = Rest<[beta: number, threshold: number], typeof softplusArguments>;

/** log(1 + exp(beta · x)) / beta; x itself where beta · x is above the threshold. */
export function softplus(input: Tensor, ...rest: SoftplusRest): Tensor {
  const { beta, threshold } = read("nn.functional.softplus", softplusArguments, rest);
  return torch.softplus(input, beta, threshold);
}

/** x / (1 + |x|). */
export function softsign(input: Tensor): Tensor {
  requireTensors("nn.functional.softsign", { input });
  return input.div(input.abs().add(1));
}

/** log(1 / (1 + exp(-x))), without under- or overflow. */
export function logsigmoid(input: Tensor): Tensor {
  return torch.logSigmoid(input);
}

export const geluArguments = { approximate: or(oneOf("none", "tanh"), "none") };
export type GeluRest = Rest<[approximate: "none" | "tanh"], typeof geluArguments>;

/** x · Φ(x), with Φ the normal distribution function or its approximation by tanh. arXiv 1606.08415. */
export function gelu(input: Tensor, ...rest: GeluRest): Tensor {
  return torch.gelu(input, read("nn.functional.gelu", geluArguments, rest));
}

export const gluArguments = { dim: or(integer, -1) };
export type GluRest = Rest<[dim: number], typeof gluArguments>;

/** The first half of dimension `dim`, gated: a · sigmoid(b) of its halves a and b. Halves that dimension. arXiv 1612.08083. */
export function glu(input: Tensor, ...rest: GluRest): Tensor {
  return torch.glu(input, read("nn.functional.glu", gluArguments, rest).dim);
}

/** Hyperbolic tangent. */
export function tanh(input: Tensor): Tensor {
  requireTensors("nn.functional.tanh", { input });
  return input.tanh();
}

/** 1 / (1 + exp(-x)). */
export function sigmoid(input: Tensor): Tensor {
  requireTensors("nn.functional.sigmoid", { input });
  return input.sigmoid();
}
