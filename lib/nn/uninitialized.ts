import { torch } from "../torch.js";
import type { Tensor } from "../tensor.js";
import type { Module } from "./module.js";

// Tensors of layers that learn a size from their first input. Until then they are empty; the objects stay the same.

const waiting = new WeakSet<Tensor>();

/** Whether a parameter or buffer has no shape yet: that of a lazy layer before its first input. */
export function isUninitialized(tensor: Tensor): boolean {
  return waiting.has(tensor);
}

/** Empties tensors that will get a shape with the layer's first input. */
export function wait(...tensors: (Tensor | null)[]): void {
  for (const tensor of tensors) if (tensor !== null) fill(tensor, [0], true);
}

/** What a lazy layer becomes when it knows its sizes. */
export interface Known<M extends Module> {
  /** The class of which it is an object from then on. */
  kind: { readonly prototype: M };
  /** Sizes among its properties. */
  sizes: Record<string, number>;
  /** Shapes of its tensors, by their names. */
  shapes: Record<string, number[]>;
}

/** Gives a lazy layer its sizes, and makes it an ordinary one. The values of its tensors are left to the caller. */
export function become<M extends Module>(layer: M, { kind, sizes, shapes }: Known<M>): void {
  for (const [name, shape] of Object.entries(shapes)) {
    const tensor: unknown = Reflect.get(layer, name);
    if (tensor !== null) fill(tensor as Tensor, shape, false);
  }
  for (const [name, size] of Object.entries(sizes)) Reflect.set(layer, name, size);
  Object.setPrototypeOf(layer, kind.prototype);
}

function fill(tensor: Tensor, shape: number[], isWaiting: boolean): void {
  torch.noGrad(() => {
    tensor.data = torch.empty(shape, { dtype: tensor.dtype, device: tensor.device });
  });
  if (isWaiting) waiting.add(tensor);
  else waiting.delete(tensor);
}
