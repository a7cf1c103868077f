import { expected, expectedTensor } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { Module } from "./module.js";
import { become } from "./uninitialized.js";

/** A convolution, transposed or not. */
interface Convolution extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
  readonly kernelSize: readonly number[];
  resetParameters(): void;
}

/** How a lazy convolution becomes one of `kind`: its channels come from the first input, or from a state dict's weight. */
export class LazyChannels<Layer extends Convolution> {
  /**
   * @param kind the class of which the layer is from then on
   * @param transposed the weight's first two sizes are [inChannels, outChannels / groups], not [outChannels, inChannels / groups]
   */
  constructor(
    readonly kind: { readonly prototype: Layer },
    readonly transposed: boolean,
  ) {}

  fromInput(layer: Layer, input: Tensor): void {
    if (layer.inChannels !== 0) return;
    const dims = layer.kernelSize.length;
    if (input.dim() !== dims + 1 && input.dim() !== dims + 2) throw expectedTensor(`${dims + 1} or ${dims + 2} dimensions`, `the input of ${this.#name}`, input);
    this.#become(layer, input.shape.at(-dims - 1)!);
    layer.resetParameters();
  }

  fromState(layer: Layer, weight: unknown): void {
    if (layer.inChannels !== 0 || !(weight instanceof Tensor) || weight.dim() !== layer.kernelSize.length + 2) return;
    this.#become(layer, this.transposed ? weight.shape[0]! : weight.shape[1]! * layer.groups);
  }

  #become(layer: Layer, inChannels: number): void {
    const { outChannels, groups, kernelSize } = layer;
    if (inChannels === 0 || inChannels % groups !== 0) throw expected(`a multiple of groups (${groups}) of channels`, `the input of ${this.#name}`, inChannels);
    const channels = this.transposed ? [inChannels, outChannels / groups] : [outChannels, inChannels / groups];
    become(layer, { kind: this.kind, sizes: { inChannels }, shapes: { weight: [...channels, ...kernelSize], bias: [outChannels] } });
  }

  get #name(): string {
    return `nn.Lazy${this.kind.prototype.constructor.name}`;
  }
}
