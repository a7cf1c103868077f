import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { kind, or, read, requireTensors } from "../arguments.js";
import type { Rest } from "../arguments.js";

const oneHotArguments = { numClasses: or(kind<number>("a non-negative integer, or -1", (value) => Number.isSafeInteger(value) && (value as number) >= -1), -1) };

/** Channels become pixels: [..., C · r², H, W] to [..., C, H · r, W · r]. arXiv 1609.05158. */
export function pixelShuffle(input: Tensor, upscaleFactor: number): Tensor {
  return torch.pixelShuffle(input, upscaleFactor);
}

/** Pixels become channels: [..., C, H · r, W · r] to [..., C · r², H, W]. */
export function pixelUnshuffle(input: Tensor, downscaleFactor: number): Tensor {
  return torch.pixelUnshuffle(input, downscaleFactor);
}

/** The channels of all groups take turns: [N, C, ...]. arXiv 1707.01083. */
export function channelShuffle(input: Tensor, groups: number): Tensor {
  return torch.channelShuffle(input, groups);
}

/**
 * Class numbers as vectors of zeros with a 1.
 *
 * @param input int64, any shape
 * @param rest `numClasses`: more than the largest; by default (-1) one more, which is read off the values: a compiled step wants the number
 * @returns [..., numClasses], int64
 */
export function oneHot(input: Tensor, ...rest: Rest<[numClasses: number], typeof oneHotArguments>): Tensor {
  const { numClasses } = read("nn.functional.oneHot", oneHotArguments, rest);
  requireTensors("nn.functional.oneHot", { input });
  if (numClasses === -1) return torch.oneHot(input);
  return torch.zeros([...input.shape, numClasses], { dtype: "int64", device: input.device }).scatter(-1, input.unsqueeze(-1), 1);
}
