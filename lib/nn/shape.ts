import type { Tensor } from "../tensor.js";
import { integer, or } from "./arguments.js";
import type { Rest } from "./arguments.js";
import { Module } from "./module.js";
import { Stateless } from "./stateless.js";

/** Returns its input. Takes and ignores any arguments, so that it can stand in for any layer. */
export class Identity extends Module {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  constructor(..._ignored: unknown[]) {
    super();
  }

  forward(input: Tensor): Tensor {
    return input;
  }
}

const flattenArguments = { startDim: or(integer, 1), endDim: or(integer, -1) };

/** Makes one dimension of several: by default of all but the first. */
export class Flatten extends Stateless {
  declare readonly startDim: number;
  declare readonly endDim: number;

  constructor(...args: Rest<[startDim: number, endDim: number], typeof flattenArguments>) {
    super("nn.Flatten", flattenArguments, args);
  }

  /** @param input [N, ...] @returns [N, product of the others] with the defaults */
  forward(input: Tensor): Tensor {
    return input.flatten(this.startDim, this.endDim);
  }
}
