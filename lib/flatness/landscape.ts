import { checkInteger } from "../checks.js";
import { checkKeys, expected } from "../errors.js";
import { torch } from "../torch.js";
import { measure } from "./objective.js";
import { dispose, normalLike } from "./vectors.js";
import type { Module } from "../nn/module.js";
import type { Tensor } from "../tensor.js";
import type { BatchLoss, Batches } from "./objective.js";
import type { Vector } from "./vectors.js";

/** Keyword arguments of {@link landscape}. */
export interface LandscapeOptions {
  /** One direction, or two; default 2. */
  dimensions?: 1 | 2;
  /** From where to where along each direction; default [-1, 1]. */
  range?: readonly [number, number];
  /** Points along each direction; default 21. Each is a pass over the set: 441 in two dimensions. */
  points?: number;
  /**
   * "filter": every filter of a direction (row of a weight) is as long as that of the weights, and biases and norms stay where
   * they are (arXiv 1712.09913, section 4), so that landscapes of different nets can be compared. "none": as drawn. Default "filter".
   */
  normalization?: "filter" | "none";
  /** Decides the directions; default 0. */
  seed?: number;
}

/** The loss along one or two random directions through the weights. */
export interface Landscape {
  /** Coordinates along each direction. */
  coordinates: number[];
  /** In one dimension [points]; in two [points][points], the first direction's coordinate first. */
  loss: number[] | number[][];
}

/**
 * The loss around the weights, along random directions: `L(w + a·d₁)` or `L(w + a·d₁ + b·d₂)`. Model, loss, loader and what holds
 * for them are those of {@link sharpness}, but that a loss may be infinite or NaN far out.
 *
 * @example const { coordinates, loss: surface } = await flatness.landscape(model, loss, loader, { points: 15, range: [-0.5, 0.5] });
 */
export async function landscape<Batch extends readonly Tensor[]>(
  model: Module,
  loss: BatchLoss<Batch>,
  loader: Batches<Batch>,
  options: LandscapeOptions = {},
): Promise<Landscape> {
  if (typeof options !== "object" || options === null) throw expected("an object", "options", options);
  checkKeys(options, ["dimensions", "range", "points", "normalization", "seed"]);
  const { dimensions = 2, range = [-1, 1], points = 21, normalization = "filter", seed = 0 } = options;
  if (dimensions !== 1 && dimensions !== 2) throw expected("1 or 2", "dimensions", dimensions);
  if (normalization !== "filter" && normalization !== "none") throw expected('"filter" or "none"', "normalization", normalization);
  checkInteger(points, "points", 2);
  checkInteger(seed, "seed", 0);
  const coordinates = along(range, points);
  return measure(model, loss, loader, async (objective) => {
    const generator = new torch.Generator().manualSeed(seed);
    const directions = Array.from({ length: dimensions }, () => {
      const direction = normalLike(objective.weights, generator);
      if (normalization === "filter") normalizeFilters(direction, objective.weights);
      return direction;
    });
    const at = async (...steps: number[]): Promise<number> => {
      const offset = objective.weights.map((_, k) => torch.scope(() => directions.map((direction, d) => direction[k]!.mul(steps[d]!)).reduce((a, b) => a.add(b))));
      objective.moveTo(offset);
      dispose(offset);
      return objective.value(/*finite=*/ false);
    };
    try {
      const values: number[][] = [];
      for (const a of coordinates) {
        const row: number[] = [];
        for (const b of dimensions === 1 ? [0] : coordinates) row.push(await (dimensions === 1 ? at(a) : at(a, b)));
        values.push(row);
      }
      return { coordinates, loss: dimensions === 1 ? values.map(([value]) => value!) : values };
    } finally {
      dispose(directions.flat());
    }
  });
}

/** `points` numbers at equal distances. */
export function along(range: unknown, points: number): number[] {
  const fits = Array.isArray(range) && range.length === 2 && range.every(Number.isFinite) && range[0] < range[1];
  if (!fits) throw expected("two numbers, the smaller first", "range", range);
  const [from, to] = range as [number, number];
  return Array.from({ length: points }, (_, i) => from + ((to - from) * i) / (points - 1));
}

/** Filters are what the first dimension of a weight counts. Vectors (biases, norms' weights) become 0. */
function normalizeFilters(direction: Vector, weights: Vector): void {
  direction.forEach((part, k) => {
    const weight = weights[k]!;
    torch.scope(() => {
      if (weight.dim() < 2) return void part.zero_();
      const lengths = (tensor: Tensor) => torch.linalgVectorNorm(tensor.flatten(1), 2, [1]).reshape([-1, ...Array<number>(weight.dim() - 1).fill(1)]);
      part.mul_(lengths(weight).div(lengths(part).add(1e-10)));
    });
  });
}
