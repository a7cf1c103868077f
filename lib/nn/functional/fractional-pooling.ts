import { expected } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { orNull, perDim, read, requireTensors, tensor } from "../arguments.js";
import type { Argument, Named, Rest, Size } from "../arguments.js";

/** A share of the input's size for each dimension, or one for all. */
export type Ratio = number | readonly number[];

function ratio(dims: number): Argument<readonly number[], Ratio, false> {
  const fits = (value: unknown) => typeof value === "number" && value > 0 && value < 1;
  return {
    optional: false,
    read(value, name) {
      if (fits(value)) return Array<number>(dims).fill(value as number);
      if (Array.isArray(value) && value.length === dims && value.every(fits)) return [...value];
      throw expected(`a number between 0 and 1 or an array of ${dims}`, name, value);
    },
  };
}

export const fractionalArguments = (dims: 2 | 3) => ({
  kernelSize: perDim(dims, 1),
  /** The size of the output; either this or `outputRatio`. */
  outputSize: orNull(perDim(dims, 1)),
  /** The size of the output as a share of the input's. */
  outputRatio: orNull(ratio(dims)),
});
const withSamples = (dims: 2 | 3) => ({
  ...fractionalArguments(dims),
  /** Where the windows are: [N, C, dimensions], from 0 to 1. Drawn if left out. */
  randomSamples: orNull(tensor),
});
type FractionalSignature = ReturnType<typeof withSamples>;
type FractionalRest = Rest<[outputSize: Size | null, outputRatio: Ratio | null, randomSamples: Tensor | null], FractionalSignature>;

/** @throws SteppeError `ARGUMENT` for neither or both of outputSize and outputRatio */
export function checkFractional(owner: string, outputSize: unknown, outputRatio: unknown): void {
  if ((outputSize === null) === (outputRatio === null)) {
    throw expected("one of outputSize and outputRatio", owner, [outputSize, outputRatio]);
  }
}

function fractional<Result>(name: string, dims: 2 | 3, result: (both: [Tensor, Tensor]) => Result) {
  const signature = withSamples(dims);
  const operator = dims === 2 ? torch.fractionalMaxPool2d : torch.fractionalMaxPool3d;
  function pool(input: Tensor, kernelSize: Size, ...rest: FractionalRest): Result;
  function pool(input: Tensor, options: Named<FractionalSignature>): Result;
  function pool(input: Tensor, ...rest: unknown[]): Result {
    const { kernelSize, outputSize, outputRatio, randomSamples } = read(`nn.functional.${name}`, signature, rest);
    requireTensors(`nn.functional.${name}`, { input });
    checkFractional(`nn.functional.${name}`, outputSize, outputRatio);
    const size = outputSize ?? outputRatio!.map((share, i) => Math.floor(input.shape.at(i - dims)! * share));
    const batch = input.dim() === dims + 1 ? 1 : input.shape[0]!;
    const places = { dtype: input.dtype, device: input.device };
    const samples = randomSamples ?? torch.rand([batch, input.shape.at(-dims - 1)!, dims], places);
    return result(operator(input, kernelSize, size, samples));
  }
  return pool;
}

// Maxima over windows at random places, so that sizes may shrink by any factor. arXiv 1412.6071. `outputSize` or `outputRatio`
// comes after the kernel's size, or by name.

/** Maxima over an image. Input [N, C, H, W] or [C, H, W]. */
export const fractionalMaxPool2d = fractional("fractionalMaxPool2d", 2, ([output]) => output);
/** Maxima over a volume. Input [N, C, D, H, W] or [C, D, H, W]. */
export const fractionalMaxPool3d = fractional("fractionalMaxPool3d", 3, ([output]) => output);
/** As `fractionalMaxPool2d`, with the place of each maximum in its plane (int64) as a second result. */
export const fractionalMaxPool2dWithIndices = fractional("fractionalMaxPool2dWithIndices", 2, (both) => both);
/** As `fractionalMaxPool3d`, with the place of each maximum in its volume (int64) as a second result. */
export const fractionalMaxPool3dWithIndices = fractional("fractionalMaxPool3dWithIndices", 3, (both) => both);
