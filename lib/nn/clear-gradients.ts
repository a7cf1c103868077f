import type { Tensor } from "../tensor.js";
import { flag, or, read } from "./arguments.js";

/** How gradients are dropped. */
export interface ClearingOptions {
  /** Take them away, which costs nothing (the default); `false` fills them with zeros instead. */
  setToNone?: boolean;
}

const clearing = { setToNone: or(flag, true) };

/** What `zeroGrad` of a module, and of an optimizer, does. */
export function clearGradients(tensors: Iterable<Tensor>, options: ClearingOptions): void {
  const { setToNone } = read("zeroGrad", clearing, [options]);
  for (const tensor of tensors) {
    if (setToNone) tensor.grad = null;
    else tensor.grad?.detach().zero_();
  }
}
