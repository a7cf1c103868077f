import { call, family } from "./dispatch.js";
import { checkKeys, expected } from "./errors.js";
import { Tensor } from "./tensor.js";

/** Keyword arguments of {@link unique}. */
export interface UniqueOptions {
  /** Ascending order; default true. */
  sorted?: boolean;
  /** Also where each element of the input went, of its shape (with `dim`: of that dimension's size); default false. */
  returnInverse?: boolean;
  /** Also how often each one was there; default false. */
  returnCounts?: boolean;
  /** Compare slices along that dimension; default: single elements. */
  dim?: number | null;
}

/**
 * The different elements of a tensor, as `torch.unique`.
 *
 * @returns them as a vector (with `dim`: the different slices, along it); with `returnInverse` or `returnCounts` an array
 * @example
 * const [labels, counts] = torch.unique(y, { returnCounts: true });
 */
export function unique(
  self: Tensor,
  options: UniqueOptions & { returnInverse: true; returnCounts: true },
): [values: Tensor, inverse: Tensor, counts: Tensor];
export function unique(self: Tensor, options: UniqueOptions & { returnInverse: true; returnCounts?: false }): [values: Tensor, inverse: Tensor];
export function unique(self: Tensor, options: UniqueOptions & { returnInverse?: false; returnCounts: true }): [values: Tensor, counts: Tensor];
export function unique(self: Tensor, options?: UniqueOptions & { returnInverse?: false; returnCounts?: false }): Tensor;
export function unique(self: Tensor, options: UniqueOptions = {}): Tensor | Tensor[] {
  if (!(self instanceof Tensor)) throw expected("a Tensor", "self", self);
  if (typeof options !== "object" || options === null) throw expected("an object", "options", options);
  checkKeys(options, ["sorted", "returnInverse", "returnCounts", "dim"]);
  const { sorted = true, returnInverse = false, returnCounts = false, dim = null } = options;
  for (const [name, flag] of Object.entries({ sorted, returnInverse, returnCounts })) {
    if (typeof flag !== "boolean") throw expected("a boolean", name, flag);
  }
  const flags = [sorted, returnInverse, returnCounts];
  const [values, inverse, counts] = (
    dim === null ? call(family("aten::_unique2"), [self, ...flags]) : call(family("aten::unique_dim"), [self, dim, ...flags])
  ) as [Tensor, Tensor, Tensor];
  if (!returnInverse) inverse.dispose();
  if (!returnCounts) counts.dispose();
  if (!returnInverse && !returnCounts) return values;
  return [values, ...(returnInverse ? [inverse] : []), ...(returnCounts ? [counts] : [])];
}
