import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { count, flag, kind, or, orNull, perDim, read, requireTensors } from "../arguments.js";
import type { Named, Rest, Size } from "../arguments.js";
import { windowArguments } from "./max-pooling.js";
import * as max from "./max-pooling.js";

export const avgPool1dArguments = {
  ...windowArguments(1),
  /** Whether windows may reach over the end of the input. */
  ceilMode: or(flag, false),
  /** Whether zeros of the padding count. */
  countIncludePad: or(flag, true),
};
export type AvgPool1dRest = Rest<[stride: Size | null, padding: Size, ceilMode: boolean, countIncludePad: boolean], typeof avgPool1dArguments>;

/**
 * The average of each window of a sequence.
 *
 * @param input [N, C, L] or [C, L]
 * @param rest `stride` (the kernel's size by default), `padding`, `ceilMode`, `countIncludePad`
 */
export function avgPool1d(input: Tensor, kernelSize: Size, ...rest: AvgPool1dRest): Tensor;
export function avgPool1d(input: Tensor, options: Named<typeof avgPool1dArguments>): Tensor;
export function avgPool1d(input: Tensor, ...rest: unknown[]): Tensor {
  const { kernelSize, stride, padding, ceilMode, countIncludePad } = read("nn.functional.avgPool1d", avgPool1dArguments, rest);
  return torch.avgPool1d(input, kernelSize, stride ?? kernelSize, padding, ceilMode, countIncludePad);
}

export const avgPoolArguments = (dims: 2 | 3) => ({
  ...windowArguments(dims),
  /** Whether windows may reach over the end of the input. */
  ceilMode: or(flag, false),
  /** Whether zeros of the padding count. */
  countIncludePad: or(flag, true),
  /** What sums are divided by, in place of the window's size. */
  divisorOverride: orNull(count),
});
export type AvgPoolSignature = ReturnType<typeof avgPoolArguments>;
export type AvgPoolRest = Rest<
  [stride: Size | null, padding: Size, ceilMode: boolean, countIncludePad: boolean, divisorOverride: number | null],
  AvgPoolSignature
>;

function avgPool(dims: 2 | 3, operator: typeof torch.avgPool2d | typeof torch.avgPool3d) {
  const signature = avgPoolArguments(dims);
  function pool(input: Tensor, kernelSize: Size, ...rest: AvgPoolRest): Tensor;
  function pool(input: Tensor, options: Named<AvgPoolSignature>): Tensor;
  function pool(input: Tensor, ...rest: unknown[]): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride } = read(`nn.functional.avgPool${dims}d`, signature, rest);
    return operator(input, kernelSize, stride ?? kernelSize, padding, ceilMode, countIncludePad, divisorOverride);
  }
  return pool;
}

// `stride` (the kernel's size by default), `padding`, `ceilMode`, `countIncludePad` and `divisorOverride` come after the kernel's
// size, or by name.

/** The average of each window of an image. Input [N, C, H, W] or [C, H, W]. */
export const avgPool2d = avgPool(2, torch.avgPool2d);
/** The average of each window of a volume. Input [N, C, D, H, W] or [C, D, H, W]. */
export const avgPool3d = avgPool(3, torch.avgPool3d);

export const lpPoolArguments = (dims: 1 | 2 | 3) => ({
  /** The norm: 1 makes sums, Infinity maxima. */
  normType: kind<number>("a number but 0", (value) => typeof value === "number" && value !== 0 && !Number.isNaN(value)),
  kernelSize: perDim(dims, 1),
  stride: orNull(perDim(dims, 1)),
  ceilMode: or(flag, false),
});
export type LPPoolSignature = ReturnType<typeof lpPoolArguments>;
export type LPPoolRest = Rest<[stride: Size | null, ceilMode: boolean], LPPoolSignature>;

function lpPool(dims: 1 | 2 | 3, average: typeof avgPool1d | typeof avgPool2d, maximum: typeof max.maxPool1d) {
  const signature = lpPoolArguments(dims);
  function pool(input: Tensor, normType: number, kernelSize: Size, ...rest: LPPoolRest): Tensor;
  function pool(input: Tensor, options: Named<LPPoolSignature>): Tensor;
  function pool(input: Tensor, ...rest: unknown[]): Tensor {
    const { normType: p, kernelSize, stride, ceilMode } = read(`nn.functional.lpPool${dims}d`, signature, rest);
    requireTensors(`nn.functional.lpPool${dims}d`, { input });
    if (p === Infinity) return maximum(input.abs(), { kernelSize, stride, ceilMode });
    if (p === -Infinity) return maximum(input.abs().neg(), { kernelSize, stride, ceilMode }).neg();
    const means = average(input.pow(p), { kernelSize, stride, ceilMode });
    const size = kernelSize.reduce((product, length) => product * length, 1);
    // The gradient of a window of zeros is 0 so, not infinite.
    return means.sign().mul(means.abs().relu()).mul(size).pow(1 / p);
  }
  return pool;
}

// The norm of each window: (the sum of x^p)^(1/p). `stride` (the kernel's size by default) and `ceilMode` come after the norm and the
// kernel's size, or by name.

/** The p-norm of each window of a sequence. Input [N, C, L] or [C, L]. */
export const lpPool1d = lpPool(1, avgPool1d, max.maxPool1d);
/** The p-norm of each window of an image. Input [N, C, H, W] or [C, H, W]. */
export const lpPool2d = lpPool(2, avgPool2d, max.maxPool2d);
/** The p-norm of each window of a volume. Input [N, C, D, H, W] or [C, D, H, W]. */
export const lpPool3d = lpPool(3, avgPool3d, max.maxPool3d);
