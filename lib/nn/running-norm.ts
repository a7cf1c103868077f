import { expectedTensor } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { ones_, zeros_ } from "./init.js";
import { Module } from "./module.js";
import { emptyParameter } from "./parameter.js";
import type { Factory, Parameter } from "./parameter.js";
import { requireTensors } from "./arguments.js";

/** The settings of a normalization that may keep running statistics. */
export interface RunningNormSettings extends Factory {
  numFeatures: number;
  eps: number;
  momentum: number | null;
  affine: boolean;
  trackRunningStats: boolean;
  bias: boolean;
}

/** What batch and instance normalizations of any number of dimensions share. */
export abstract class RunningNorm extends Module {
  readonly numFeatures: number;
  readonly eps: number;
  momentum: number | null;
  /** [numFeatures] */
  weight: Parameter | null;
  /** [numFeatures] */
  bias: Parameter | null;
  // Named as in the state dict.
  declare running_mean: Tensor | null;
  declare running_var: Tensor | null;
  declare num_batches_tracked: Tensor | null;

  constructor({ numFeatures, eps, momentum, affine, trackRunningStats, bias, device, dtype }: RunningNormSettings) {
    super();
    const where = { device, dtype };
    this.numFeatures = numFeatures;
    this.eps = eps;
    this.momentum = momentum;
    this.weight = affine ? emptyParameter([numFeatures], where) : null;
    this.bias = affine && bias ? emptyParameter([numFeatures], where) : null;
    this.registerBuffer("running_mean", trackRunningStats ? torch.zeros([numFeatures], where) : null);
    this.registerBuffer("running_var", trackRunningStats ? torch.ones([numFeatures], where) : null);
    this.registerBuffer("num_batches_tracked", trackRunningStats ? torch.zeros([], { device, dtype: "int64" }) : null);
    this.resetParameters();
  }

  /** Mean of what was seen in training, [numFeatures]. */
  get runningMean(): Tensor | null {
    return this.running_mean;
  }

  /** Unbiased variance of what was seen in training, [numFeatures]. */
  get runningVar(): Tensor | null {
    return this.running_var;
  }

  /** Number of batches seen in training, [] of int64. */
  get numBatchesTracked(): Tensor | null {
    return this.num_batches_tracked;
  }

  /** Forgets the running statistics. */
  resetRunningStats(): void {
    if (this.running_mean !== null) zeros_(this.running_mean);
    if (this.running_var !== null) ones_(this.running_var);
    if (this.num_batches_tracked !== null) zeros_(this.num_batches_tracked);
  }

  /** Sets weight, bias and running statistics to their initial values. */
  resetParameters(): void {
    this.resetRunningStats();
    if (this.weight !== null) ones_(this.weight);
    if (this.bias !== null) zeros_(this.bias);
  }

  /** @throws SteppeError `ARGUMENT` for an input of another number of dimensions */
  protected checkDims(input: Tensor, dims: readonly number[]): void {
    requireTensors(`nn.${this.constructor.name}`, { input });
    if (!dims.includes(input.dim())) {
      throw expectedTensor(`a tensor of ${dims.join(" or ")} dimensions`, `the input of nn.${this.constructor.name}`, input);
    }
  }

  // Files from before PyTorch 0.4.1 have no such count.
  protected override mayBeMissing(name: string): boolean {
    return name === "num_batches_tracked";
  }

  override get isNormalization(): boolean {
    return true;
  }

  protected override extraRepr(): string {
    const { numFeatures, eps, momentum, weight, bias, running_mean } = this;
    return `${numFeatures}, eps=${eps}, momentum=${momentum}, affine=${weight !== null}, bias=${bias !== null}, trackRunningStats=${running_mean !== null}`;
  }
}
