import { native } from "./native.js";

/**
 * Which tensors JavaScript still holds, the addon learns from weak references. One of them per tensor costs as much as adding
 * two small matrices, so tensors that are made one after another share one: the nest holds them and each of them holds its
 * nest, so that none is garbage before all are. Of a nest that outlives a collection, the addon watches each tensor for
 * itself and empties the nest: see native/handles.h.
 */
export type Nest = object[];

const SIZE = 64;
/** A tensor that lives on keeps its whole nest until the addon looks: no more than this, and one tensor. */
const BYTES = 4 * 2 ** 20;

/** Shared with the addon: the handles of the nest that is being filled, then the bytes that its tensors take up. */
export const openNest = new Float64Array(new ArrayBuffer((SIZE + 1) * 8));

let nest: Nest = [];

/** Puts a new tensor into the nest at hand, and returns that for the tensor to hold. */
export function settle(tensor: object, handle: number): Nest {
  if (nest.length === SIZE || openNest[SIZE]! > BYTES) sealNest();
  openNest[nest.length] = handle;
  nest.push(tensor);
  return nest;
}

/** Has the addon watch the nest at hand, and begins another. */
export function sealNest(): void {
  if (nest.length > 0) native.sealNest(nest, nest.length);
  nest = [];
}
