import { torch } from "../torch.js";
import { add, dispose, dot, norm, scale } from "./vectors.js";
import type { Objective } from "./objective.js";
import type { Tensor } from "../tensor.js";
import type { Vector } from "./vectors.js";

/** A symmetric tridiagonal matrix, and whether the space of the start vector is used up. */
export interface Tridiagonal {
  diagonal: number[];
  offDiagonal: number[];
  /** ‖what is left‖ after the last step. */
  rest: number;
}

/**
 * Lanczos steps on the Hessian from a start vector: an orthonormal basis in which the Hessian is tridiagonal. Every new vector
 * is made orthogonal to all before it, twice: without that, eigenvalues come back as copies of themselves. Memory for `steps`
 * copies of the weights.
 *
 * @param start is disposed of
 * @param enough says after each step whether it is
 */
export async function lanczos<Batch extends readonly Tensor[]>(objective: Objective<Batch>, start: Vector, steps: number, enough: (found: Tridiagonal) => boolean): Promise<Tridiagonal> {
  const basis: Vector[] = [];
  const found: Tridiagonal = { diagonal: [], offDiagonal: [], rest: norm(start) };
  let next = start;
  try {
    let largest = 0;
    // As long as what is left is more than rounding.
    while (basis.length < steps && found.rest > 1e-10 * largest) {
      if (basis.length > 0) found.offDiagonal.push(found.rest);
      scale(next, 1 / found.rest);
      basis.push(next);
      next = await objective.hessianTimes(basis.at(-1)!);
      largest = Math.max(largest, norm(next));
      found.diagonal.push(dot(next, basis.at(-1)!));
      for (let round = 0; round < 2; round++) for (const each of basis) add(next, each, -dot(next, each));
      found.rest = norm(next);
      if (enough(found)) break;
    }
    return found;
  } finally {
    dispose([...basis.flat(), ...next]);
  }
}

/** Eigenvalues of a tridiagonal matrix, ascending, and the first and last components of their eigenvectors. */
export function solve({ diagonal, offDiagonal }: Tridiagonal): { values: number[]; first: number[]; last: number[] } {
  const n = diagonal.length;
  return torch.scope(() => {
    const rows = diagonal.map((value, i) => {
      const row = Array<number>(n).fill(0);
      row[i] = value;
      if (i > 0) row[i - 1] = offDiagonal[i - 1]!;
      if (i < n - 1) row[i + 1] = offDiagonal[i]!;
      return row;
    });
    const [values, vectors] = torch.linalgEigh(torch.tensor(rows, { dtype: "float64" })) as [Tensor, Tensor];
    const row = (i: number) => vectors.select(0, i).toArray() as number[];
    return { values: values.toArray() as number[], first: row(0), last: row(n - 1) };
  });
}
