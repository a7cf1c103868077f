import type { Tensor } from "../tensor.js";
import {
  cosineEmbeddingLoss, hingeEmbeddingLoss, marginRankingLoss, tripletMarginLoss, tripletMarginWithDistanceLoss,
} from "./functional/index.js";
import type { Distance } from "./functional/index.js";
import {
  cosineEmbeddingArguments, hingeEmbeddingArguments, marginRankingArguments, tripletDistanceArguments, tripletMarginArguments,
} from "./functional/margin-losses.js";
import type { MarginRest, TripletDistanceRest, TripletMarginRest } from "./functional/margin-losses.js";
import { Loss } from "./loss.js";

/** Brings vectors that belong together to the same direction, and others apart. */
export class CosineEmbeddingLoss extends Loss {
  declare readonly margin: number;

  constructor(...args: MarginRest) {
    super("nn.CosineEmbeddingLoss", cosineEmbeddingArguments, args);
  }

  /** @param input1 [N, D] or [D], as `input2` @param target 1 or -1 for each pair: [N] or [] */
  forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return cosineEmbeddingLoss(input1, input2, target, this.margin, this.reduction);
  }
}

/** Makes distances small where the target is 1, and larger than a margin (1 by default) where it is -1. */
export class HingeEmbeddingLoss extends Loss {
  declare readonly margin: number;

  constructor(...args: MarginRest) {
    super("nn.HingeEmbeddingLoss", hingeEmbeddingArguments, args);
  }

  /** @param input distances, any shape @param target 1 or -1, the same shape */
  forward(input: Tensor, target: Tensor): Tensor {
    return hingeEmbeddingLoss(input, target, this.margin, this.reduction);
  }
}

/** Ranks one score above another by a margin (0 by default). */
export class MarginRankingLoss extends Loss {
  declare readonly margin: number;

  constructor(...args: MarginRest) {
    super("nn.MarginRankingLoss", marginRankingArguments, args);
  }

  /** @param input1 scores, as `input2` @param target 1 where the first is to be higher, -1 where the second is */
  forward(input1: Tensor, input2: Tensor, target: Tensor): Tensor {
    return marginRankingLoss(input1, input2, target, this.margin, this.reduction);
  }
}

/** Brings an anchor nearer to a positive example than to a negative one, by a margin (1 by default). */
export class TripletMarginLoss extends Loss {
  declare readonly margin: number;
  declare readonly p: number;
  declare readonly eps: number;
  declare readonly swap: boolean;

  constructor(...args: TripletMarginRest) {
    super("nn.TripletMarginLoss", tripletMarginArguments, args);
  }

  /** @param anchor [N, D] or [D], as the others */
  forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    return tripletMarginLoss(anchor, positive, negative, this.margin, this.p, this.eps, this.swap, this.reduction);
  }
}

/** As `TripletMarginLoss`, with a distance of one's own. */
export class TripletMarginWithDistanceLoss extends Loss {
  declare readonly distanceFunction: Distance | null;
  declare readonly margin: number;
  declare readonly swap: boolean;

  constructor(...args: TripletDistanceRest) {
    super("nn.TripletMarginWithDistanceLoss", tripletDistanceArguments, args);
  }

  /** @param anchor what the distance takes, as the others */
  forward(anchor: Tensor, positive: Tensor, negative: Tensor): Tensor {
    return tripletMarginWithDistanceLoss(anchor, positive, negative, this.distanceFunction, this.margin, this.swap, this.reduction);
  }
}
