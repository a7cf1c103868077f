/** What operators take on trust about dimensions of spectra, factorized matrices, and places in memory. */
import { Tensor } from "../tensor.js";
import { array, beside, dims, hasShape, numbersOf, prod, sameDtype, tensor, unquantized } from "./rules.js";
import type { Rule } from "./rules.js";
import { compressedAlone, finite, integersBelow, seen } from "./values.js";

// Spectra.
const axes = array("dim", "different dimensions of self, none of them empty", (list, all) => {
  const [dims, { shape }] = [list.map(Number), all("self") as Tensor];
  return dims.length > 0 && new Set(dims).size === dims.length && dims.every((dim) => (shape[dim] ?? 0) > 0);
});
const normalization: Rule = { argument: "normalization", what: "0, 1 or 2", holds: (value) => [0, 1, 2].includes(Number(value)) };
/** A real signal's spectrum has half as many places, and one. */
const halfSpectrum: Rule = {
  argument: "last_dim_size",
  what: "the size of a signal that self's last dimension in dim is long enough for",
  holds: (size, all) => Number(size) >= 1 && Math.floor(Number(size) / 2) < (all("self") as Tensor).shape[numbersOf(all("dim")).at(-1)!]!,
};

// Matrices.
const square = (argument: string): Rule =>
  tensor(argument, "a square matrix, or a batch of them", ({ shape }) => shape.length >= 2 && shape.at(-1) === shape.at(-2));
const rightSides = beside("self", "A", "a tensor with the batch and the rows of A", ({ shape }, { shape: of }) => {
  return shape.length === of.length && String(shape.slice(0, -1)) === String(of.slice(0, -1));
});
const pivots = beside("LU_pivots", "LU_data", "a tensor of LU_data's batch, with the lesser of its last two sizes", (t, { shape }, all) => {
  if (all("unpack_pivots") === false || shape.length < 2) return true;
  return hasShape(t, ...shape.slice(0, -2), Math.min(shape.at(-2)!, shape.at(-1)!));
});

// Memory.
/** The place of the last element. */
const reach = (size: readonly number[], stride: readonly number[]): number => size.reduce((sum, each, i) => sum + (each - 1) * stride[i]!, 0);
const aliased = array("stride", "steps for each size that stay within self", (list, all) => {
  const [self, size, stride] = [all("self") as Tensor, numbersOf(all("size")), list.map(Number)];
  if (stride.length !== size.length || prod(size) !== self.numel() || Math.min(0, ...size, ...stride) < 0) return false;
  return self.numel() === 0 || reach(size, stride) <= reach(self.shape, self.stride());
});
/** Where each tensor of a nested one begins in the memory of all. */
const nestedPlaces = beside("offsets", "nested_size", "for each row of nested_size a place from which its tensor lies within self", (t, size, all) => {
  const [strides, { shape }] = [all("nested_strides") as Tensor, size];
  const all64 = [t, size, strides].every((each) => each.dtype === "int64" && each.device === "cpu" && each.layout === "strided");
  if (!all64 || shape.length !== 2 || String(strides.shape) !== String(shape) || !hasShape(t, shape[0]!)) return false;
  return seen(t, () => {
    const [places, sizes, steps] = [t, size, strides].map((each) => Array.from(each.toTypedArray() as BigInt64Array, Number)) as [number[], number[], number[]];
    const [width, most] = [shape[1]!, (all("self") as Tensor).numel()];
    return places.every((place, row) => {
      const [own, by] = [sizes, steps].map((list) => list.slice(row * width, (row + 1) * width)) as [number[], number[]];
      return place >= 0 && Math.min(0, ...own, ...by) >= 0 && (prod(own) === 0 ? place <= most : place + reach(own, by) < most);
    });
  });
});
/** Read as it lies in memory. */
const row = tensor("self", "a tensor of one dimension, without gaps", (t) => t.dim() === 1 && (t.numel() < 2 || t.stride()[0] === 1));
const rowStarts = beside("crow_indices", "col_indices", "a tensor with the batch of col_indices", (t, of) => {
  return t.dim() === of.dim() && t.dim() > 0 && t.shape.at(-1)! > 0 && String(t.shape.slice(0, -1)) === String(of.shape.slice(0, -1));
});

export const layouts: Readonly<Record<string, readonly Rule[]>> = {
  "aten::_fft_r2c": [axes, normalization],
  "aten::_fft_c2r": [axes, normalization, halfSpectrum],
  "aten::_fft_c2c": [axes, normalization],
  "aten::_linalg_eigvals": [square("self"), finite("self")],
  "aten::_cholesky_solve_helper": [square("A"), rightSides, sameDtype("self", "A")],
  "aten::lu_unpack": [pivots],
  "aten::_reshape_alias": [aliased],
  "aten::_reshape_alias_copy": [unquantized("self"), aliased],
  "aten::_nested_view_from_buffer": [dims("self", 1), nestedPlaces],
  "aten::_nested_view_from_buffer_copy": [unquantized("self"), dims("self", 1), nestedPlaces],
  "aten::_convert_indices_from_csr_to_coo": [rowStarts, sameDtype("crow_indices", "col_indices"), compressedAlone("crow_indices", "col_indices")],
  "aten::_convert_indices_from_coo_to_csr": [row, integersBelow("self", "size − 1", (all) => Number(all("size")))],
};
