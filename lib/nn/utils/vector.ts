import { expectedTensor } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";

/** All parameters one after the other. @returns [number of values] */
export function parametersToVector(parameters: Iterable<Tensor>): Tensor {
  return torch.cat([...parameters].map((parameter) => parameter.reshape([-1])));
}

/**
 * Copies the values of a vector into parameters, the reverse of `parametersToVector`.
 *
 * @throws SteppeError `ARGUMENT` for a vector of another size; nothing is changed then
 */
export function vectorToParameters(vector: Tensor, parameters: Iterable<Tensor>): void {
  const list = [...parameters];
  const size = list.reduce((sum, parameter) => sum + parameter.numel(), 0);
  if (vector.dim() !== 1 || vector.numel() !== size) {
    throw expectedTensor(`shape [${size}]`, "vector of nn.utils.vectorToParameters", vector);
  }
  torch.noGrad(() => {
    let start = 0;
    for (const parameter of list) {
      parameter.copy_(vector.narrow(0, start, parameter.numel()).reshape([...parameter.shape]));
      start += parameter.numel();
    }
  });
}
