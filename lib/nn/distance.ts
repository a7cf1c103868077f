import type { Tensor } from "../tensor.js";
import { cosineSimilarityArguments, pairwiseDistanceArguments } from "./functional/distance.js";
import type { CosineSimilarityRest, PairwiseDistanceRest } from "./functional/distance.js";
import { cosineSimilarity, pairwiseDistance } from "./functional/index.js";
import { Stateless } from "./stateless.js";

/** The cosine of the angle between vectors along dimension `dim` (1 by default). */
export class CosineSimilarity extends Stateless {
  declare readonly dim: number;
  declare readonly eps: number;

  constructor(...args: CosineSimilarityRest) {
    super("nn.CosineSimilarity", cosineSimilarityArguments, args);
  }

  /** @param x1 any shape, as `x2` or broadcast to it @returns that shape without dimension `dim` */
  forward(x1: Tensor, x2: Tensor): Tensor {
    return cosineSimilarity(x1, x2, this.dim, this.eps);
  }
}

/** The distance of vectors along the last dimension, by the p-norm (2 by default). */
export class PairwiseDistance extends Stateless {
  declare readonly p: number;
  declare readonly eps: number;
  declare readonly keepdim: boolean;

  constructor(...args: PairwiseDistanceRest) {
    super("nn.PairwiseDistance", pairwiseDistanceArguments, args);
  }

  /** @param x1 [N, D] or [D], as `x2` @returns [N] or [], with `keepdim` [N, 1] or [1] */
  forward(x1: Tensor, x2: Tensor): Tensor {
    return pairwiseDistance(x1, x2, this.p, this.eps, this.keepdim);
  }
}
