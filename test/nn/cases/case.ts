import type { Tensor, nn } from "../../../lib/index.js";

export type Nested = Tensor | null | Nested[];
/** A module with a forward method: which arguments that takes is the case's business. */
export type AnyLayer = nn.Module;

/** A layer beside PyTorch's. */
export interface Case {
  layer: () => AnyLayer;
  python: string;
  /** Shapes of random inputs with a gradient, ranges of random integers with a shape, or other inputs as Python. */
  inputs: (number[] | { below: number; shape: number[] } | string)[];
  /** How the inputs become arguments, where not one by one. */
  call?: (layer: AnyLayer, inputs: Tensor[]) => Nested;
  pythonCall?: string;
  /** Why a compiled step leaves the backward to autograd, or cannot be recorded at all; left out where it records everything. */
  backward?: RegExp;
  refused?: RegExp;
}

export const sequence = [[2, 4, 9]];
export const volume = [[2, 3, 4, 5, 6]];
export const image = [[2, 4, 8, 6]];
