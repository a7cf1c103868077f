import { Tensor } from "../tensor.js";
import type { Device, DType } from "../types.js";
import { flag, or, read } from "./arguments.js";
import type { Rest } from "./arguments.js";
import { BatchNorm1d, BatchNorm2d, BatchNorm3d, batchNormSignature } from "./batch-norm.js";
import { InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, instanceNormSignature } from "./instance-norm.js";
import type { RunningNorm } from "./running-norm.js";
import { become, wait } from "./uninitialized.js";

const { numFeatures: _batch, ...batchSignature } = batchNormSignature;
type LazyBatchRest = Rest<
  [eps: number, momentum: number | null, affine: boolean, trackRunningStats: boolean, device: Device, dtype: DType, bias: boolean],
  typeof batchSignature
>;
const { numFeatures: _instance, ...others } = instanceNormSignature;
// PyTorch's lazy instance normalizations have other defaults than the ordinary ones.
const instanceSignature = { ...others, affine: or(flag, true), trackRunningStats: or(flag, true) };
type LazyInstanceRest = Rest<
  [eps: number, momentum: number, affine: boolean, trackRunningStats: boolean, device: Device, dtype: DType, bias: boolean],
  typeof instanceSignature
>;

const tensors = ["weight", "bias", "running_mean", "running_var"] as const;

function forget(layer: RunningNorm): void {
  wait(...tensors.map((name) => layer[name]));
}

function initialize<M extends RunningNorm>(layer: M, kind: { readonly prototype: M }, numFeatures: number): void {
  become(layer, { kind, sizes: { numFeatures }, shapes: Object.fromEntries(tensors.map((name) => [name, [numFeatures]])) });
}

/** @param dim the dimension of the channels */
function fromInput<M extends RunningNorm>(layer: M, kind: { readonly prototype: M }, input: Tensor, dim: number): void {
  const numFeatures = input.shape.at(dim);
  if (layer.numFeatures !== 0 || numFeatures === undefined) return;
  initialize(layer, kind, numFeatures);
  layer.resetParameters();
}

function fromState<M extends RunningNorm>(layer: M, kind: { readonly prototype: M }, state: Record<string, Tensor>, path: string): void {
  const known = tensors.map((name) => state[`${path}${name}`]).find((tensor) => tensor instanceof Tensor && tensor.dim() === 1);
  if (layer.numFeatures === 0 && known !== undefined) initialize(layer, kind, known.shape[0]!);
}

/** A `BatchNorm1d` that takes `numFeatures` from its first input, or from a state dict: see `LazyLinear`. */
export class LazyBatchNorm1d extends BatchNorm1d {
  constructor(...rest: LazyBatchRest) {
    const options = read("nn.LazyBatchNorm1d", batchSignature, rest);
    super({ numFeatures: 0, ...options });
    forget(this);
  }

  override resetParameters(): void {
    if (this.numFeatures !== 0) super.resetParameters();
  }

  override forward(input: Tensor): Tensor {
    fromInput(this, BatchNorm1d, input, 1);
    return super.forward(input);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    fromState(this, BatchNorm1d, state, path);
  }
}

/** A `BatchNorm2d` that takes `numFeatures` from its first input, or from a state dict: see `LazyLinear`. */
export class LazyBatchNorm2d extends BatchNorm2d {
  constructor(...rest: LazyBatchRest) {
    const options = read("nn.LazyBatchNorm2d", batchSignature, rest);
    super({ numFeatures: 0, ...options });
    forget(this);
  }

  override resetParameters(): void {
    if (this.numFeatures !== 0) super.resetParameters();
  }

  override forward(input: Tensor): Tensor {
    fromInput(this, BatchNorm2d, input, 1);
    return super.forward(input);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    fromState(this, BatchNorm2d, state, path);
  }
}

/** A `BatchNorm3d` that takes `numFeatures` from its first input, or from a state dict: see `LazyLinear`. */
export class LazyBatchNorm3d extends BatchNorm3d {
  constructor(...rest: LazyBatchRest) {
    const options = read("nn.LazyBatchNorm3d", batchSignature, rest);
    super({ numFeatures: 0, ...options });
    forget(this);
  }

  override resetParameters(): void {
    if (this.numFeatures !== 0) super.resetParameters();
  }

  override forward(input: Tensor): Tensor {
    fromInput(this, BatchNorm3d, input, 1);
    return super.forward(input);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    fromState(this, BatchNorm3d, state, path);
  }
}

/** An `InstanceNorm1d` with weight, bias and running statistics by default, as in PyTorch, that takes `numFeatures` from its first input, or from a state dict: see `LazyLinear`. */
export class LazyInstanceNorm1d extends InstanceNorm1d {
  constructor(...rest: LazyInstanceRest) {
    const options = read("nn.LazyInstanceNorm1d", instanceSignature, rest);
    super({ numFeatures: 0, ...options });
    forget(this);
  }

  override resetParameters(): void {
    if (this.numFeatures !== 0) super.resetParameters();
  }

  override forward(input: Tensor): Tensor {
    fromInput(this, InstanceNorm1d, input, -2);
    return super.forward(input);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    fromState(this, InstanceNorm1d, state, path);
  }
}

/** An `InstanceNorm2d` with weight, bias and running statistics by default, as in PyTorch, that takes `numFeatures` from its first input, or from a state dict: see `LazyLinear`. */
export class LazyInstanceNorm2d extends InstanceNorm2d {
  constructor(...rest: LazyInstanceRest) {
    const options = read("nn.LazyInstanceNorm2d", instanceSignature, rest);
    super({ numFeatures: 0, ...options });
    forget(this);
  }

  override resetParameters(): void {
    if (this.numFeatures !== 0) super.resetParameters();
  }

  override forward(input: Tensor): Tensor {
    fromInput(this, InstanceNorm2d, input, -3);
    return super.forward(input);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    fromState(this, InstanceNorm2d, state, path);
  }
}

/** An `InstanceNorm3d` with weight, bias and running statistics by default, as in PyTorch, that takes `numFeatures` from its first input, or from a state dict: see `LazyLinear`. */
export class LazyInstanceNorm3d extends InstanceNorm3d {
  constructor(...rest: LazyInstanceRest) {
    const options = read("nn.LazyInstanceNorm3d", instanceSignature, rest);
    super({ numFeatures: 0, ...options });
    forget(this);
  }

  override resetParameters(): void {
    if (this.numFeatures !== 0) super.resetParameters();
  }

  override forward(input: Tensor): Tensor {
    fromInput(this, InstanceNorm3d, input, -4);
    return super.forward(input);
  }

  protected override beforeLoading(state: Record<string, Tensor>, path: string): void {
    fromState(this, InstanceNorm3d, state, path);
  }
}
