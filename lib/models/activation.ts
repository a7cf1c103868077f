import { expected, suggest } from "../errors.js";
import { gelu, leakyRelu, relu, sigmoid, silu, tanh } from "../nn/functional/index.js";
import type { Tensor } from "../tensor.js";

const byTanh = (x: Tensor): Tensor => gelu(x, { approximate: "tanh" });

/** Activations by the names that Hugging Face's configurations give them. */
const activations: Record<string, (x: Tensor) => Tensor> = {
  gelu: (x) => gelu(x),
  gelu_python: (x) => gelu(x),
  gelu_new: byTanh,
  gelu_fast: byTanh,
  gelu_pytorch_tanh: byTanh,
  gelu_python_tanh: byTanh,
  gelu_accurate: byTanh,
  quick_gelu: (x) => x.mul(sigmoid(x.mul(1.702))),
  relu: (x) => relu(x),
  relu2: (x) => relu(x).square(),
  leaky_relu: (x) => leakyRelu(x),
  silu: (x) => silu(x),
  swish: (x) => silu(x),
  tanh,
  sigmoid,
  linear: (x) => x,
};

/**
 * The activation of a name.
 *
 * @param owner whose it is, for messages: "hiddenAct"
 * @throws SteppeError `ARGUMENT` for an unknown name
 */
export function activation(name: string, owner: string): (x: Tensor) => Tensor {
  const names = Object.keys(activations);
  if (!names.includes(name)) throw expected(`one of ${names.join(", ")}`, owner, name, suggest(name, names).trim());
  return activations[name]!;
}
