import { expected } from "../../errors.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { flag, oneOf, or, orNull, read } from "../arguments.js";
import type { Rest } from "../arguments.js";
import { Module } from "../module.js";
import { registerParametrization } from "./parametrize.js";

/** How a matrix becomes orthogonal. */
export type OrthogonalMap = "matrix_exp" | "cayley" | "householder";

/** The factor Q of a QR decomposition whose R has no negative number on its diagonal. */
function orthogonalFactor(matrix: Tensor): Tensor {
  const [x, tau] = torch.geqrf(matrix) as [Tensor, Tensor];
  return torch.linalgHouseholderProduct(x, tau).mul(diagonal(x).sgn().unsqueeze(-2));
}

const diagonal = (x: Tensor): Tensor => x.diagonal(0, -2, -1);

/** A tall matrix, and whether it had to be turned. */
function tall(x: Tensor): { matrix: Tensor; rows: number; columns: number; turned: boolean } {
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  return rows < columns ? { matrix: x.transpose(-2, -1), rows: columns, columns: rows, turned: true } : { matrix: x, rows, columns, turned: false };
}

class Orthogonal extends Module {
  /** What the map's result is multiplied by, so that training begins at 0 in the map; absent without trivialization. */
  declare base: Tensor | null;

  constructor(
    private readonly map: OrthogonalMap,
    private readonly trivialized: boolean,
  ) {
    super();
    if (trivialized) this.registerBuffer("base", null);
  }

  forward(original: Tensor): Tensor {
    const { matrix, rows, columns, turned } = tall(original);
    const mapped = this.map === "householder" ? this.#reflections(matrix) : this.#rotation(matrix.tril(), rows, columns);
    const value = this.trivialized ? this.base!.matmul(mapped) : mapped;
    return turned ? value.transpose(-2, -1) : value;
  }

  /** [..., rows, columns] of the rotation that a skew-symmetric matrix generates. */
  #rotation(lower: Tensor, rows: number, columns: number): Tensor {
    const more = rows === columns ? [] : [lower.newZeros([...lower.shape.slice(0, -1), rows - columns])];
    const square = torch.cat([lower, ...more], -1);
    const skew = square.sub(square.transpose(-2, -1).conj());
    const one = torch.eye(rows, { dtype: skew.dtype, device: skew.device });
    const whole = this.map === "matrix_exp" ? skew.matrixExp() : torch.linalgSolve(one.sub(skew, { alpha: 0.5 }), one.add(skew, { alpha: 0.5 }));
    return whole.narrow(-1, 0, columns);
  }

  /** Householder's reflections below the diagonal, on which 1 and −1 are signs. */
  #reflections(matrix: Tensor): Tensor {
    const below = matrix.tril(-1);
    const tau = below.square().sum(-2).add(1).reciprocal().mul(2);
    return torch.linalgHouseholderProduct(below, tau).mul(diagonal(matrix).detach().trunc().unsqueeze(-2));
  }

  rightInverse(value: Tensor): Tensor {
    const { matrix, rows, columns, turned } = tall(value);
    if (!this.trivialized) {
      if (this.map !== "householder") throw expected("householder", "the map without trivialization", this.map, "No matrix is known that the others map to a given one.");
      const [x, tau] = torch.geqrf(matrix) as [Tensor, Tensor];
      diagonal(x).sign_();
      diagonal(x).mul_(torch.where(tau.eq(0), -1, 1).to(x.dtype));
      return turned ? x.transpose(-2, -1) : x;
    }
    if (rows === columns) {
      const product = matrix.transpose(-2, -1).conj().matmul(matrix);
      const far = product.sub(torch.eye(rows, { dtype: product.dtype, device: product.device })).abs().max();
      const tolerance = 10 * rows * (/64|128/.test(value.dtype) && value.dtype !== "complex64" ? 2 ** -52 : 2 ** -23);
      this.base = Number(far.item()) <= tolerance ? matrix.clone() : orthogonalFactor(matrix);
    } else {
      const others = torch.randn([...matrix.shape.slice(0, -2), rows, rows - columns], { dtype: matrix.dtype, device: matrix.device });
      this.base = orthogonalFactor(torch.cat([matrix, others], -1));
    }
    const start = torch.zerosLike(value);
    diagonal(start).fill_(-1); // what both kinds of maps take to the identity
    return start;
  }
}

const signature = { orthogonalMap: orNull(oneOf("matrix_exp", "cayley", "householder")), useTrivialization: or(flag, true) };

/**
 * Keeps a matrix orthogonal while it trains, or unitary where it is complex: its rows or its columns, whichever are fewer. arXiv 1901.08428, 1909.09501.
 *
 * The parameter becomes the orthogonal matrix nearest in its QR decomposition, and stays one.
 *
 * @param name the parameter, a matrix or a batch of matrices
 * @param rest `orthogonalMap`: "matrix_exp" (default for square and complex ones), "cayley", "householder" (default for the others);
 *   `useTrivialization` (true): the map begins at the identity and is multiplied by the parameter's first value, a buffer
 * @returns the module itself, changed
 * @example nn.utils.parametrizations.orthogonal(new nn.Linear(20, 40))
 */
export function orthogonal<M extends Module>(
  module: M,
  name = "weight",
  ...rest: Rest<[orthogonalMap: OrthogonalMap | null, useTrivialization: boolean], typeof signature>
): M {
  const owner = "nn.utils.parametrizations.orthogonal";
  const { orthogonalMap, useTrivialization } = read(owner, signature, rest);
  const weight = (module instanceof Module ? Reflect.get(module, name) : undefined) as Partial<Tensor> | undefined;
  const shape = weight?.shape;
  if (shape === undefined || shape.length < 2) throw expected("the name of a matrix", `name of ${owner}`, name);
  const isComplex = weight!.dtype!.startsWith("complex");
  const map = orthogonalMap ?? (shape.at(-2) === shape.at(-1) || isComplex ? "matrix_exp" : "householder");
  if (isComplex && map === "householder") throw expected("matrix_exp or cayley for complex numbers", `orthogonalMap of ${owner}`, map);
  return registerParametrization(module, name, new Orthogonal(map, useTrivialization));
}
