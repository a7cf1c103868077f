import { expected } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from "../conv-transpose.js";
import { normalize } from "../functional/index.js";
import { Module } from "../module.js";
import { parameter } from "../parameter.js";
import type { Parameter } from "../parameter.js";
import { attach, Parametrization } from "./parametrize.js";

export { orthogonal } from "./orthogonal.js";
export type { OrthogonalMap } from "./orthogonal.js";

/** A direction and its length: g v / ‖v‖. Named as in PyTorch's state dicts. */
class WeightNorm extends Parametrization {
  original0: Parameter;
  original1: Parameter;

  constructor(
    weight: Parameter,
    private readonly dim: number,
  ) {
    super();
    this.original0 = parameter(torch.noGrad(() => torch.normExceptDim(weight, 2, dim)), weight.requiresGrad);
    this.original1 = weight;
  }

  value(): Tensor {
    return torch.ops.call("aten::_weight_norm", this.original1, this.original0, this.dim) as Tensor;
  }
}

/** The left and right singular vectors, as far as they are known. */
class SingularVectors extends Module {
  declare _u: Tensor;
  declare _v: Tensor;
}

/** The weight divided by its largest singular value, which power iteration finds. */
class SpectralNorm extends Parametrization {
  original: Parameter;
  0: SingularVectors; // a module's first parametrization

  constructor(
    weight: Parameter,
    private readonly settings: { nPowerIterations: number; eps: number; dim: number },
  ) {
    super();
    this.original = weight;
    this[0] = new SingularVectors();
    if (weight.dim() < 2) return;
    const matrix = this.#matrix();
    const drawn = (size: number) => normalize(matrix.newEmpty([size]).normal_(0, 1), 2, 0, settings.eps);
    torch.noGrad(() => {
      const [rows, cols] = matrix.shape as [number, number];
      const u = drawn(rows);
      this[0].registerBuffer("_u", u);
      this[0].registerBuffer("_v", drawn(cols));
      this.#iterate(15);
    });
    this.value(); // PyTorch's own first look at its result counts as one more iteration
  }

  value(): Tensor {
    const { original, settings } = this;
    if (original.dim() < 2) return normalize(original, 2, 0, settings.eps);
    if (this.training) torch.noGrad(() => this.#iterate(settings.nPowerIterations));
    // Copies: the next iteration overwrites what this one's backward needs.
    const [u, v] = [this[0]._u.clone(), this[0]._v.clone()];
    return original.div(torch.dot(u, torch.mv(this.#matrix(), v)));
  }

  #matrix(): Tensor {
    return this.original.movedim(this.settings.dim, 0).flatten(1);
  }

  #iterate(times: number): void {
    const matrix = this.#matrix().detach();
    const { _u: u, _v: v } = this[0];
    for (let i = 0; i < times; i++) {
      u.copy_(normalize(torch.mv(matrix, v), 2, 0, this.settings.eps));
      v.copy_(normalize(torch.mv(matrix.t(), u), 2, 0, this.settings.eps));
    }
  }
}

/**
 * Trains a weight's direction and length apart: the module's parameter becomes g v / ‖v‖. arXiv 1602.07868.
 *
 * @param name the parameter
 * @param dim the dimension whose slices have a length each; -1 for one length of all
 * @returns the module itself, changed
 * @example nn.utils.parametrizations.weightNorm(new nn.Linear(20, 40))
 */
export function weightNorm<M extends Module>(module: M, name = "weight", dim = 0): M {
  return attach("nn.utils.parametrizations.weightNorm", module, name, (weight) => new WeightNorm(weight, dim));
}

/**
 * Divides a weight by its largest singular value, found by power iteration as training goes on. arXiv 1802.05957.
 *
 * @param name the parameter
 * @param options `nPowerIterations` (1) for each forward in training; `eps` (1e-12); `dim` (0, for transposed convolutions 1): the
 *   dimension of outputs
 * @returns the module itself, changed
 * @example nn.utils.parametrizations.spectralNorm(new nn.Conv2d(3, 8, 3))
 */
export function spectralNorm<M extends Module>(
  module: M,
  name = "weight",
  { nPowerIterations = 1, eps = 1e-12, dim }: { nPowerIterations?: number; eps?: number; dim?: number } = {},
): M {
  const owner = "nn.utils.parametrizations.spectralNorm";
  if (!Number.isSafeInteger(nPowerIterations) || nPowerIterations < 1) {
    throw expected("a positive integer", `nPowerIterations of ${owner}`, nPowerIterations);
  }
  const transposed = [ConvTranspose1d, ConvTranspose2d, ConvTranspose3d].some((kind) => module instanceof kind);
  return attach(owner, module, name, (weight) => new SpectralNorm(weight, { nPowerIterations, eps, dim: dim ?? (transposed ? 1 : 0) }));
}
