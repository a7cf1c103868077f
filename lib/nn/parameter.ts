import { expected } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Device, DType } from "../types.js";
import { device, dtype, orNull } from "./arguments.js";

const brand = Symbol("steppe.parameter");

/** A tensor that a module trains: assigned to a property of a module, it is one of the module's parameters. */
export type Parameter = Tensor & { readonly [brand]: true };

/**
 * Makes a tensor a parameter. The tensor itself becomes one; one that was computed from others is detached from them first.
 *
 * @param tensor floating-point or complex, any shape
 * @param requiresGrad false for a frozen parameter: still a parameter, with no gradient
 * @throws SteppeError `ARGUMENT` if `tensor` is none
 * @example class Scale extends nn.Module { factor = nn.parameter(torch.ones([3])); }
 */
export function parameter(tensor: Tensor, requiresGrad = true): Parameter {
  if (!(tensor instanceof Tensor)) throw expected("a tensor", "the parameter", tensor);
  const leaf = tensor.isLeaf ? tensor : tensor.detach();
  leaf.requiresGrad = requiresGrad;
  Object.defineProperty(leaf, brand, { value: true });
  return leaf as Parameter;
}

/** Whether a value is a parameter made by {@link parameter}. */
export function isParameter(value: unknown): value is Parameter {
  return value instanceof Tensor && brand in value;
}

/** Where and in which dtype a layer makes its tensors. */
export interface Factory {
  device: Device | null;
  dtype: DType | null;
}

/** The arguments with which every layer that has tensors ends. */
export const factory = {
  /** Where its tensors are: "cpu" by default. */
  device: orNull(device),
  /** Their dtype: "float32" by default. */
  dtype: orNull(dtype),
};

/** A parameter with memory but no values yet. */
export function emptyParameter(shape: readonly number[], { device, dtype }: Factory): Parameter {
  return parameter(torch.empty([...shape], { device, dtype }));
}
