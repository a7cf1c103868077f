import { nn, torch } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";

/**
 * A model whose loss on a batch of rows (a, b) is the mean of `½ Σ a_j w_j² + Σ b_j w_j`: over a whole set the quadratic
 * with the means of a and b, whatever the batches. Its weights are two parameters, "weight" and "bias".
 */
export class Quadratic extends nn.Module {
  weight: nn.Parameter;
  bias: nn.Parameter;

  constructor(weight: number[], bias: number[]) {
    super();
    this.weight = nn.parameter(torch.tensor(weight, { dtype: "float64" }));
    this.bias = nn.parameter(torch.tensor(bias, { dtype: "float64" }));
  }

  forward(a: Tensor, b: Tensor): Tensor {
    const w = torch.cat([this.weight, this.bias]);
    return a.mul(w).mul(w).mul(0.5).add(b.mul(w)).sum(1).mean();
  }
}

/** Rows whose mean is `mean`, different from each other. */
export function rowsAround(mean: readonly number[], count: number): Tensor {
  const rows = Array.from({ length: count }, (_, i) => mean.map((m, j) => m + Math.sin(i * (j + 2)) * 0.5));
  const shift = mean.map((m, j) => m - rows.reduce((sum, row) => sum + row[j]!, 0) / count);
  return torch.tensor(rows.map((row) => row.map((value, j) => value + shift[j]!)), { dtype: "float64" });
}

/**
 * The maximum over `‖ε‖ ≤ ρ` of `g·ε + ½ Σ λ_j ε_j²`, exactly: it is at `ε_j = g_j/(μ − λ_j)` with the μ ≥ max(λ, 0) for which
 * `‖ε‖ = ρ`, found by bisection. Where g has no part in the direction of the largest λ this is the limit for a small one.
 */
export function maximumInBall(g: readonly number[], lambda: readonly number[], rho: number): number {
  const slope = g.map((value, j) => (value === 0 && lambda[j] === Math.max(...lambda) ? 1e-9 : value));
  const epsilon = (mu: number) => slope.map((value, j) => value / (mu - lambda[j]!));
  let low = Math.max(...lambda, 0);
  let high = low + Math.hypot(...slope) / rho + 1;
  for (let i = 0; i < 200; i++) {
    const mu = (low + high) / 2;
    if (Math.hypot(...epsilon(mu)) > rho) low = mu;
    else high = mu;
  }
  return epsilon(high).reduce((sum, value, j) => sum + g[j]! * value + 0.5 * lambda[j]! * value * value, 0);
}
