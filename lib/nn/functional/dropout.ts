import { expectedTensor } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, or, probability, read, requireTensors } from "../arguments.js";
import type { Rest } from "../arguments.js";

const dropoutArguments = { p: or(probability, 0.5), training: or(flag, true), inplace: or(flag, false) };
type DropoutRest = Rest<[p: number, training: boolean, inplace: boolean], typeof dropoutArguments>;

/** Zeroes each value with probability `p` and divides the others by 1 - p. Nothing with `training: false`. arXiv 1207.0580. */
export function dropout(input: Tensor, ...rest: DropoutRest): Tensor {
  const { p, training, inplace } = read("nn.functional.dropout", dropoutArguments, rest);
  return inplace ? torch.dropout_(input, p, training) : torch.dropout(input, p, training);
}

/** Whole channels; an input without a batch dimension is a batch of one. */
function channels(name: string, dims: number, input: Tensor, rest: DropoutRest): Tensor {
  const owner = `nn.functional.${name}`;
  const { p, training, inplace } = read(owner, dropoutArguments, rest);
  requireTensors(owner, { input });
  const single = input.dim() === dims + 1;
  if (!single && input.dim() !== dims + 2) {
    throw expectedTensor(`a tensor of ${dims + 1} or ${dims + 2} dimensions`, `the input of ${owner}`, input);
  }
  const batch = single ? input.unsqueeze(0) : input;
  const output = inplace ? torch.featureDropout_(batch, p, training) : torch.featureDropout(batch, p, training);
  return single ? output.squeeze(0) : output;
}

/** Zeroes each channel of each sample with probability `p` and divides the others by 1 - p. @param input [N, C, L] or [C, L] */
export function dropout1d(input: Tensor, ...rest: DropoutRest): Tensor {
  return channels("dropout1d", 1, input, rest);
}

/** Zeroes each channel of each sample with probability `p` and divides the others by 1 - p. @param input [N, C, H, W] */
export function dropout2d(input: Tensor, ...rest: DropoutRest): Tensor {
  const { p, training, inplace } = read("nn.functional.dropout2d", dropoutArguments, rest);
  return inplace ? torch.featureDropout_(input, p, training) : torch.featureDropout(input, p, training);
}

/**
 * Zeroes each channel of each sample with probability `p` and divides the others by 1 - p.
 *
 * @param input [N, C, D, H, W] or [C, D, H, W]
 */
export function dropout3d(input: Tensor, ...rest: DropoutRest): Tensor {
  return channels("dropout3d", 3, input, rest);
}

const alphaArguments = { ...dropoutArguments, training: or(flag, false) };

/**
 * For `selu`: dropped values become its lower limit, and mean and variance stay. `training` is false by default. arXiv 1706.02515.
 */
export function alphaDropout(input: Tensor, ...rest: DropoutRest): Tensor {
  const { p, training, inplace } = read("nn.functional.alphaDropout", alphaArguments, rest);
  return inplace ? torch.alphaDropout_(input, p, training) : torch.alphaDropout(input, p, training);
}

/** As `alphaDropout`, of whole channels. @param input [N, C, ...] */
export function featureAlphaDropout(input: Tensor, ...rest: DropoutRest): Tensor {
  const { p, training, inplace } = read("nn.functional.featureAlphaDropout", alphaArguments, rest);
  return inplace ? torch.featureAlphaDropout_(input, p, training) : torch.featureAlphaDropout(input, p, training);
}
