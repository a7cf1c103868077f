import type { Tensor } from "../tensor.js";
import { fans, kaimingUniform_, uniform_ } from "./init.js";

/** The initial values of linear and convolutional layers, drawn in PyTorch's order: first the weight, then the bias. */
export function resetAffine(weight: Tensor, bias: Tensor | null): void {
  kaimingUniform_(weight, { a: Math.sqrt(5) }); // uniform in ±1/√fanIn, as the bias
  if (bias === null) return;
  const { fanIn } = fans(weight);
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
  uniform_(bias, -bound, bound);
}
