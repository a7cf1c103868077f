import type { Tensor } from "../tensor.js";
import type { Named, Size } from "./arguments.js";
import { foldArguments, unfoldArguments } from "./functional/conv.js";
import type { UnfoldRest } from "./functional/conv.js";
import { fold, unfold } from "./functional/index.js";
import { Stateless } from "./stateless.js";

/** All windows of an image, as columns. @example new nn.Unfold(3, { padding: 1 }) */
export class Unfold extends Stateless {
  declare readonly kernelSize: readonly number[];
  declare readonly dilation: readonly number[];
  declare readonly padding: readonly number[];
  declare readonly stride: readonly number[];

  constructor(kernelSize: Size, ...rest: UnfoldRest);
  constructor(options: Named<typeof unfoldArguments>);
  constructor(...args: unknown[]) {
    super("nn.Unfold", unfoldArguments, args);
  }

  /** @param input [N, C, H, W] or [C, H, W] @returns [N, C · KH · KW, windows] */
  forward(input: Tensor): Tensor {
    return unfold(input, this.kernelSize, this.dilation, this.padding, this.stride);
  }
}

/** The sum of windows, given as columns, in an image: the transpose of `Unfold`. @example new nn.Fold([8, 8], 3, { padding: 1 }) */
export class Fold extends Stateless {
  declare readonly outputSize: readonly number[];
  declare readonly kernelSize: readonly number[];
  declare readonly dilation: readonly number[];
  declare readonly padding: readonly number[];
  declare readonly stride: readonly number[];

  constructor(outputSize: Size, kernelSize: Size, ...rest: UnfoldRest);
  constructor(options: Named<typeof foldArguments>);
  constructor(...args: unknown[]) {
    super("nn.Fold", foldArguments, args);
  }

  /** @param input [N, C · KH · KW, windows] @returns [N, C, ...outputSize] */
  forward(input: Tensor): Tensor {
    return fold(input, this.outputSize, this.kernelSize, this.dilation, this.padding, this.stride);
  }
}
