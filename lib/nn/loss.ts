import type { Tensor } from "../tensor.js";
import type { Signature } from "./arguments.js";
import type { Reduction } from "./functional/index.js";
import { Stateless } from "./stateless.js";

/** What losses share. Shapes and options stand with their functions in `nn.functional`. */
export abstract class Loss<R extends string = Reduction> extends Stateless {
  declare readonly reduction: R;
}

/** A loss with weights, which are a buffer: they move with the module and are in its state dict. */
export abstract class WeightedLoss extends Loss {
  declare weight: Tensor | null;

  constructor(owner: string, signature: Signature, args: readonly unknown[]) {
    super(owner, signature, args);
    this.registerBuffer("weight", this.weight);
  }
}
