import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { integer, kind, or, requireTensors } from "./arguments.js";
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
    requireTensors("nn.Flatten", { input });
    return input.flatten(this.startDim, this.endDim);
  }
}

const sizes = kind<readonly number[]>(
  "an array of integers",
  (value) => Array.isArray(value) && value.length > 0 && value.every(Number.isSafeInteger),
);
const unflattenArguments = { dim: integer, unflattenedSize: sizes };

/** Makes several dimensions of one. @example new nn.Unflatten(1, [2, 5]) // [N, 10] -> [N, 2, 5] */
export class Unflatten extends Stateless {
  declare readonly dim: number;
  declare readonly unflattenedSize: readonly number[];

  constructor(...args: [dim: number, unflattenedSize: readonly number[]] | [options: { dim: number; unflattenedSize: readonly number[] }]) {
    super("nn.Unflatten", unflattenArguments, args);
  }

  /** @param input any shape @returns the same with `unflattenedSize` (one of it may be -1) in the place of dimension `dim` */
  forward(input: Tensor): Tensor {
    return torch.unflatten(input, this.dim, [...this.unflattenedSize]);
  }
}
