import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, or, orNull, perDim, read } from "../arguments.js";
import type { Named, Rest, Size } from "../arguments.js";

/** The size of the window, and how far it moves: by its own size if left out. */
export const windowArguments = (dims: number) => ({ kernelSize: perDim(dims, 1), stride: orNull(perDim(dims, 1)), padding: or(perDim(dims, 0), 0) });

const maxPoolArguments = (dims: number) => ({
  ...windowArguments(dims),
  /** Distance between the window's elements. */
  dilation: or(perDim(dims, 1), 1),
  /** Whether windows may reach over the end of the input. */
  ceilMode: or(flag, false),
});
type MaxPoolSignature = ReturnType<typeof maxPoolArguments>;
type MaxPoolRest = Rest<[stride: Size | null, padding: Size, dilation: Size, ceilMode: boolean], MaxPoolSignature>;

type Sizes = readonly number[];
type Operator<Result> = (input: Tensor, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil: boolean) => Result;

function maxPool<Result>(name: string, dims: number, operator: Operator<Result>) {
  const signature = maxPoolArguments(dims);
  function pool(input: Tensor, kernelSize: Size, ...rest: MaxPoolRest): Result;
  function pool(input: Tensor, options: Named<MaxPoolSignature>): Result;
  function pool(input: Tensor, ...rest: unknown[]): Result {
    const { kernelSize, stride, padding, dilation, ceilMode } = read(`nn.functional.${name}`, signature, rest);
    return operator(input, kernelSize, stride ?? kernelSize, padding, dilation, ceilMode);
  }
  return pool;
}

// `stride` (the kernel's size by default), `padding`, `dilation` and `ceilMode` come after the kernel's size, or by name.

/** The maximum of each window of a sequence. Input [N, C, L] or [C, L]. */
export const maxPool1d = maxPool("maxPool1d", 1, torch.maxPool1d);
/** The maximum of each window of an image. Input [N, C, H, W] or [C, H, W]. */
export const maxPool2d = maxPool("maxPool2d", 2, torch.maxPool2d);
/** The maximum of each window of a volume. Input [N, C, D, H, W] or [C, D, H, W]. */
export const maxPool3d = maxPool("maxPool3d", 3, torch.maxPool3d);

/** As `maxPool1d`, with the place of each maximum in its sequence (int64) as a second result. */
export const maxPool1dWithIndices = maxPool<[Tensor, Tensor]>("maxPool1dWithIndices", 1, torch.maxPool1dWithIndices);
/** As `maxPool2d`, with the place of each maximum in its plane (h · W + w, int64) as a second result. */
export const maxPool2dWithIndices = maxPool<[Tensor, Tensor]>("maxPool2dWithIndices", 2, torch.maxPool2dWithIndices);
/** As `maxPool3d`, with the place of each maximum in its volume ((d · H + h) · W + w, int64) as a second result. */
export const maxPool3dWithIndices = maxPool<[Tensor, Tensor]>("maxPool3dWithIndices", 3, torch.maxPool3dWithIndices);
