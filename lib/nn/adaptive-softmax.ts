import { expected, expectedTensor } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Device, DType } from "../types.js";
import { count, flag, or, read, real } from "./arguments.js";
import type { Argument, Named, Rest } from "./arguments.js";
import { ModuleList, Sequential } from "./containers.js";
import { requireClasses } from "./functional/reduction.js";
import { Linear } from "./linear.js";
import { Module } from "./module.js";
import { factory } from "./parameter.js";

const increasing: Argument<readonly number[], readonly number[], false> = {
  optional: false,
  read(value, name) {
    const list: unknown[] = Array.isArray(value) ? value : [];
    const fits = (cutoff: unknown, i: number) => Number.isSafeInteger(cutoff) && (cutoff as number) > (i === 0 ? 0 : (list[i - 1] as number));
    if (list.length === 0 || !list.every(fits)) throw expected("an increasing array of positive integers", name, value);
    return list as number[];
  },
};

const signature = {
  inFeatures: count,
  /** The number of classes. */
  nClasses: count,
  /** Where clusters of classes begin, the first after the most frequent classes: [100, 1000] of 10000 makes three parts. */
  cutoffs: increasing,
  /** By how much each cluster's width is smaller than the one before. */
  divValue: or(real, 4),
  /** Whether the scores of the most frequent classes and of the clusters have a bias. */
  headBias: or(flag, false),
  ...factory,
};

/**
 * A softmax over many classes, the frequent ones first: the rarer a class, the narrower its weights. arXiv 1609.04309.
 *
 * Every cluster is computed for every sample, so that no value needs to be read and compiled steps take it.
 *
 * @example const [output, loss] = new nn.AdaptiveLogSoftmaxWithLoss(64, 10000, [100, 1000]).forward(hidden, words);
 */
export class AdaptiveLogSoftmaxWithLoss extends Module {
  readonly inFeatures: number;
  readonly nClasses: number;
  /** The given cutoffs, and the number of classes. */
  readonly cutoffs: readonly number[];
  readonly divValue: number;
  readonly headBias: boolean;
  /** Scores of the most frequent classes and of the clusters. */
  head: Linear;
  /** For each cluster a projection to its width and its classes' scores. */
  tail: ModuleList<Sequential>;

  constructor(
    inFeatures: number,
    nClasses: number,
    cutoffs: readonly number[],
    ...rest: Rest<[divValue: number, headBias: boolean, device: Device, dtype: DType], typeof signature>
  );
  constructor(options: Named<typeof signature>);
  constructor(...args: unknown[]) {
    super();
    const { inFeatures, nClasses, cutoffs, divValue, headBias, ...where } = read("nn.AdaptiveLogSoftmaxWithLoss", signature, args);
    if (cutoffs.at(-1)! >= nClasses) {
      throw expected(`numbers below nClasses (${nClasses})`, "cutoffs of nn.AdaptiveLogSoftmaxWithLoss", cutoffs.at(-1));
    }
    this.inFeatures = inFeatures;
    this.nClasses = nClasses;
    this.cutoffs = [...cutoffs, nClasses];
    this.divValue = divValue;
    this.headBias = headBias;
    this.head = new Linear(inFeatures, cutoffs[0]! + cutoffs.length, { bias: headBias, ...where });
    const clusters = cutoffs.map((start, i) => {
      const width = Math.floor(inFeatures / divValue ** (i + 1));
      const classes = this.cutoffs[i + 1]! - start;
      return new Sequential(new Linear(inFeatures, width, { bias: false, ...where }), new Linear(width, classes, { bias: false, ...where }));
    });
    this.tail = new ModuleList(clusters);
  }

  /** Draws the initial values anew. */
  resetParameters(): void {
    this.head.resetParameters();
    for (const cluster of this.tail) for (const layer of cluster) (layer as Linear).resetParameters();
  }

  /**
   * @param input [N, inFeatures] or [inFeatures]
   * @param target class numbers [N] or [], int64
   * @returns the target's log-probabilities [N] or [], and the mean of their negatives
   * @throws SteppeError `ARGUMENT` for a wrong shape or dtype, `OPERATOR` for a class that there is not
   */
  forward(input: Tensor, target: Tensor): [output: Tensor, loss: Tensor] {
    requireClasses("adaptiveLogSoftmaxWithLoss", target);
    if (input.dim() === 1 && target.dim() === 0) {
      const [output, loss] = this.forward(input.unsqueeze(0), target.unsqueeze(0));
      return [output.squeeze(0), loss];
    }
    this.#check(input);
    if (target.dim() !== 1 || target.shape[0] !== input.shape[0]) {
      throw expectedTensor(`shape [${input.shape[0]}]`, "the target of nn.AdaptiveLogSoftmaxWithLoss", target);
    }
    const frequent = this.cutoffs[0]!;
    let place = target; // in the head: the class, or its cluster
    let within: Tensor = torch.zeros([], { dtype: input.dtype, device: input.device });
    [...this.tail].forEach((cluster, i) => {
      const [start, end] = [this.cutoffs[i]!, this.cutoffs[i + 1]!];
      const last = i === this.tail.length - 1;
      const inside = last ? target.ge(start) : target.ge(start).logicalAnd(target.lt(end));
      // Classes of other clusters take any place; one beyond the last class has none, and gather says so.
      const relative = torch.where(inside, target.sub(start), torch.zerosLike(target));
      const logProbs = cluster.forward(input).logSoftmax(1).gather(1, relative.unsqueeze(1)).squeeze(1);
      within = torch.where(inside, logProbs, within);
      place = torch.where(inside, torch.fullLike(target, frequent + i), place);
    });
    const output = this.head.forward(input).logSoftmax(1).gather(1, place.unsqueeze(1)).squeeze(1).add(within);
    return [output, output.neg().mean()];
  }

  /** The log-probabilities of all classes. @param input [N, inFeatures] @returns [N, nClasses] */
  logProb(input: Tensor): Tensor {
    this.#check(input);
    const frequent = this.cutoffs[0]!;
    const head = this.head.forward(input).logSoftmax(1);
    const clusters = [...this.tail].map((cluster, i) => cluster.forward(input).logSoftmax(1).add(head.narrow(1, frequent + i, 1)));
    return torch.cat([head.narrow(1, 0, frequent), ...clusters], 1);
  }

  /** The most probable class. @param input [N, inFeatures] @returns [N], int64 */
  predict(input: Tensor): Tensor {
    return this.logProb(input).argmax(1);
  }

  #check(input: Tensor): void {
    if (input.dim() === 2 && input.shape[1] === this.inFeatures) return;
    throw expectedTensor(`shape [N, ${this.inFeatures}]`, "the input of nn.AdaptiveLogSoftmaxWithLoss", input);
  }
}
