import { expectedTensor } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { flag, or, read, size } from "./arguments.js";
import type { Named, Rest } from "./arguments.js";
import { Linear } from "./linear.js";
import { factory } from "./parameter.js";
import { become, wait } from "./uninitialized.js";

const signature = { outFeatures: size, bias: or(flag, true), ...factory };

/**
 * A `Linear` that takes `inFeatures` from its first input, or from a state dict, and is an ordinary `Linear` from then on. Its
 * initial values are drawn then. Run the model once before its optimizer is made.
 *
 * @example new nn.LazyLinear(10)
 */
export class LazyLinear extends Linear {
  constructor(outFeatures: number, ...rest: Rest<[bias: boolean, device: Device, dtype: DType], typeof signature>);
  constructor(options: Named<typeof signature>);
  constructor(...args: unknown[]) {
    const options = read("nn.LazyLinear", signature, args);
    super({ inFeatures: 0, ...options });
    wait(this.weight, this.bias);
  }

  override resetParameters(): void {
    if (this.inFeatures !== 0) super.resetParameters();
  }

  override forward(input: Tensor): Tensor {
    if (this.inFeatures === 0) {
      if (input.dim() === 0) throw expectedTensor("at least 1 dimension", "the input of nn.LazyLinear", input);
      initialize(this, input.shape.at(-1)!);
      this.resetParameters();
    }
    return super.forward(input);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    const weight = state[`${path}weight`];
    if (this.inFeatures === 0 && weight instanceof Tensor && weight.dim() === 2) initialize(this, weight.shape[1]!);
  }
}

function initialize(layer: Linear, inFeatures: number): void {
  const { outFeatures } = layer;
  become(layer, { kind: Linear, sizes: { inFeatures }, shapes: { weight: [outFeatures, inFeatures], bias: [outFeatures] } });
}
