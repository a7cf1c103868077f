import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, or, probability, read } from "../arguments.js";
import type { Rest } from "../arguments.js";

const dropoutArguments = { p: or(probability, 0.5), training: or(flag, true), inplace: or(flag, false) };
type DropoutRest = Rest<[p: number, training: boolean, inplace: boolean], typeof dropoutArguments>;

/** Zeroes each value with probability `p` and divides the others by 1 - p. Nothing with `training: false`. arXiv 1207.0580. */
export function dropout(input: Tensor, ...rest: DropoutRest): Tensor {
  const { p, training, inplace } = read("nn.functional.dropout", dropoutArguments, rest);
  return inplace ? torch.dropout_(input, p, training) : torch.dropout(input, p, training);
}

/** Zeroes each channel of each sample with probability `p` and divides the others by 1 - p. @param input [N, C, H, W] */
export function dropout2d(input: Tensor, ...rest: DropoutRest): Tensor {
  const { p, training, inplace } = read("nn.functional.dropout2d", dropoutArguments, rest);
  return inplace ? torch.featureDropout_(input, p, training) : torch.featureDropout(input, p, training);
}
