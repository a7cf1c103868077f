import { TensorDataset, fractionPerClass, labelNoise, randomSplit } from "../data/index.js";
import type { Dataset } from "../data/index.js";
import type { Generator } from "../random.js";
import type { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Facts } from "./models.js";

export type Batch = readonly Tensor[];

/** How a batch reaches the model: as its first tensor, or as tokens with a mask, or as tokens that each are followed by a target. */
export type BatchKind = "classes" | "numbers" | "texts" | "language" | "own";

/** A data set in its parts. */
export interface Sets {
  kind: BatchKind;
  train: Dataset<Batch>;
  validation?: Dataset<Batch>;
  test?: Dataset<Batch>;
  facts: Facts;
  /** What is done to each batch. */
  transform?: (batch: Batch, generator: Generator) => Batch;
  /** What is done to training batches in its place. */
  trainTransform?: (batch: Batch, generator: Generator) => Batch;
}

/** Which samples stay, with which labels, and which are split off, as `Parts` of a configuration say. */
export interface Chosen {
  train: number[];
  validation: number[] | null;
  /** A label for each of `train`. */
  labels: number[];
}

/**
 * Splits off what validates, takes a fraction of the rest, and makes labels wrong: in this order, so that validation is clean.
 *
 * @param labels classes of all training samples
 */
export function choose(labels: readonly number[], classes: number, parts: { validationShare?: number; fraction?: number; labelNoise?: number; seed?: number }): Chosen {
  const { validationShare = 0, fraction = 1, labelNoise: rate = 0, seed = 0 } = parts;
  type Numbered = TensorDataset<[Tensor, Tensor]>;
  let train: Numbered = new TensorDataset(torch.arange(labels.length, { dtype: "int64" }), torch.tensor([...labels], { dtype: "int64" }));
  let validation: Numbered | null = null;
  if (validationShare > 0) [train, validation] = randomSplit(train, [1 - validationShare, validationShare], { seed }) as [Numbered, Numbered];
  if (fraction < 1) train = fractionPerClass(train, { fraction, seed });
  if (rate > 0) train = labelNoise(train, { rate, classes, seed });
  const numbers = (tensor: Tensor) => tensor.toArray() as number[];
  return { train: numbers(train.tensors[0]), validation: validation === null ? null : numbers(validation.tensors[0]), labels: numbers(train.tensors[1]) };
}
