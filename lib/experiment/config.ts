import type { AutocastOptions } from "../autocast.js";
import type { Dataset } from "../data/index.js";
import type { Loader } from "../data/index.js";
import type { Metric } from "../metrics/index.js";
import type { Module } from "../nn/module.js";
import type { AverageOptions, LrScheduleOptions, OptimizerOptions, RhoScheduleOptions } from "../optim/index.js";
import type { LossWithLogits } from "../optim/index.js";
import type { Tensor } from "../tensor.js";
import type { Callback, CheckpointOptions, EarlyStopping } from "../train/index.js";
import type { Device } from "../types.js";

// What `steppe train` and `steppe compare` read. All of it is plain JSON, but where a TypeScript configuration gives functions.

/** What every data set by name takes besides its own options. */
interface Parts {
  /** Share of the training data that is split off for validation. Default 0: validation looks at the test data. */
  validationShare?: number;
  /** Share of the training data of each class that is trained on; default 1. */
  fraction?: number;
  /** Share of the training labels that are made wrong, each any other class; default 0. */
  labelNoise?: number;
  /** Decides what is split off, what stays, and which labels are wrong. It is the same for all of a comparison's seeds; default 0. */
  seed?: number;
}

/** What is done to images, batch by batch. */
interface Images {
  /** (x − mean)/std by channel, in all parts. */
  normalize?: { mean: readonly number[]; std: readonly number[] };
  /** What is drawn anew for each training batch, in this order. */
  augment?: readonly AugmentConfig[];
}

/** A transform of `data.transforms` with its options. */
export type AugmentConfig =
  | { name: "randomHorizontalFlip"; p?: number }
  | { name: "randomCrop"; padding?: number; size?: number }
  | { name: "cutout"; size: number }
  | { name: "randomErasing"; p?: number; value?: number }
  | { name: "mixup" | "cutmix"; alpha?: number };

/** The handwritten digits of the package: 1,437 for training, 360 for testing, 8×8. */
export interface DigitsConfig extends Parts, Images {
  name: "digits";
}

/** A published set of images, as the function of its name in `data` reads it. */
export interface ImageSetConfig extends Parts, Images {
  name: "mnist" | "fashion-mnist" | "kmnist" | "cifar-10" | "cifar-100";
  /** The folder of its files; default: `STEPPE_DATA`, the caches, the system's package. */
  root?: string;
  /** Gets what is missing from the publisher; default false. */
  download?: boolean;
}

/** Images in folders, a folder per class; decoded batch by batch. Needs the package sharp. */
export interface ImageFolderConfig extends Parts, Images {
  name: "image-folder";
  train: string;
  validation?: string;
  test?: string;
  /** Height and width that images are brought to. */
  size: number | readonly [number, number];
  /** Default 3. */
  channels?: 1 | 3;
  /** What happens to images of another shape; default "cover". */
  fit?: "cover" | "fill" | "contain";
}

/** Tensors in safetensors files, whose first dimension counts the samples. */
export interface SafetensorsConfig extends Parts, Images {
  name: "safetensors";
  train: string;
  validation?: string;
  test?: string;
  /** The name of the inputs in the files, floating-point [N, …]; default "x". */
  inputs?: string;
  /** The name of the targets: classes int64 [N], or numbers [N, …]; default "y". */
  targets?: string;
}

/** Texts, or pairs of texts, and their classes, in CSV, TSV or JSON lines. */
export interface TextConfig extends Parts {
  name: "text";
  train: string;
  validation?: string;
  test?: string;
  /** The folder of the tokenizer: tokenizer.json. */
  tokenizer: string;
  /** The column of the text; default "text". */
  text?: string;
  /** The column of the second text of a pair; default: there is none. */
  pair?: string;
  /** The column of the class: any word or number; default "label". */
  label?: string;
  /** Columns of files without a line of names. */
  columns?: readonly string[];
  /** Tokens at most; default: what the tokenizer's files say, at most 512. */
  maxLength?: number;
  /** Batches are padded to a multiple of so many tokens: each length is recorded once. Default 16. */
  padToMultipleOf?: number;
}

/** Plain text, to predict the next token or character. */
export interface LanguageConfig {
  name: "language";
  train: string;
  validation?: string;
  test?: string;
  /** The folder of the tokenizer, or "characters"; default "characters". */
  tokenizer?: string;
  /** Tokens in a sample; default 64. */
  length?: number;
  /** Share of the text, from its end, that is kept for validation; default 0. */
  validationShare?: number;
}

export type DataConfig = DigitsConfig | ImageSetConfig | ImageFolderConfig | SafetensorsConfig | TextConfig | LanguageConfig;

/**
 * A model of `models` by its name there, with its options. What the data tells (channels, sizes, classes, vocabulary) can be left out.
 * With `from`, the weights and options of a folder, as `models.fromPretrained` reads it; what is missing there stays random.
 */
export interface ModelConfig {
  name?: string;
  from?: string;
  [option: string]: unknown;
}

/** "crossEntropy", "mse", "l1", "binaryCrossEntropy" (of logits), or "model": what the model's `forward` with labels returns. */
export type LossName = "crossEntropy" | "mse" | "l1" | "binaryCrossEntropy" | "model";
export type LossConfig = LossName | { name: LossName; labelSmoothing?: number };

export type MetricName = "accuracy" | "f1" | "matthews" | "calibrationError" | "perplexity" | "pearson" | "spearman";
/** A metric by name, perhaps with the options of its class in `metrics`. `as`: what it is called in records, default its name. */
export type MetricConfig = MetricName | { name: MetricName; as?: string; [option: string]: unknown };

type Omitting<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> & Partial<Pick<T, K & keyof T>> : never;

/** As `optim.create` takes it, but that a schedule's `totalSteps` may be left out: then it ends with the run. */
export type OptimizerConfig = OptimizerOptions extends infer O
  ? O extends unknown
    ? Omit<O, "lrSchedule" | "rhoSchedule"> & { lrSchedule?: Omitting<LrScheduleOptions, "totalSteps">; rhoSchedule?: Omitting<RhoScheduleOptions, "totalSteps"> }
    : never
  : never;

/** What the functions of a TypeScript configuration are told. */
export interface Context {
  seed: number;
  batchSize: number;
  evaluationBatchSize: number;
  device: Device;
  /** The configuration's folder: relative paths count from it. */
  folder: string;
}

/** Data as a configuration's own function gives it. Data sets become loaders with the configuration's batch sizes and seed. */
export interface OwnData {
  train: Dataset<readonly Tensor[]> | Loader<readonly Tensor[]>;
  validation?: Dataset<readonly Tensor[]> | Loader<readonly Tensor[]>;
  test?: Dataset<readonly Tensor[]> | Loader<readonly Tensor[]>;
  /** Classes, for models by name. */
  classes?: number;
}

type Awaitable<T> = T | Promise<T>;

/** Methods side by side. */
export interface CompareConfig {
  /**
   * By the names that the table shows: options of the optimizer that take the place of the configuration's own, `base` key by
   * key, or all of it where `base.name` is another. `tune` gives lists of values by their paths, `{ "rho": [0.05, 0.1], "base.lr": [0.01,
   * 0.1] }`: each combination is trained with the tuning seed, and the best one by the compared number on validation data is compared.
   */
  methods: Readonly<Record<string, object & { tune?: Readonly<Record<string, readonly unknown[]>> }>>;
  /** Default [0, 1, 2]. */
  seeds?: readonly number[];
  /** The method that the others are tested against; default the first. */
  baseline?: string;
  /** The number that is compared, of the records; default the first metric, else the loss. */
  metric?: string;
  /** Which record counts: the last, or the best one. Default "last". */
  choose?: "last" | "best";
  /** Where it is measured: in the records, on validation data, or at the end on the test data. Default "validation". */
  on?: "validation" | "test";
  /** The seed of tuning, none of `seeds`; default 1000. */
  tuneSeed?: number;
}

/** A training run, or several. */
export interface Config {
  $schema?: string;
  /** What the run is called; default the file's name. */
  name?: string;
  data: DataConfig | ((context: Context) => Awaitable<OwnData>);
  model: ModelConfig | ((context: Context & { data: OwnData }) => Awaitable<Module>);
  /** The loss of a batch. Default: cross entropy for classes, mean squared error for numbers, the model's own for language models. */
  loss?: LossConfig | ((model: never, ...batch: Tensor[]) => Tensor | LossWithLogits);
  /** The predictions of a batch, for metrics. */
  predict?: (model: never, ...batch: Tensor[]) => Tensor;
  /** The targets of a batch, for metrics; default its last tensor. */
  targets?: (...batch: Tensor[]) => Tensor;
  optimizer: OptimizerConfig;
  /** A running average of the weights; evaluation looks at it. */
  average?: AverageOptions;
  /** Passes through the training data. Either this or `steps`. */
  epochs?: number;
  /** Steps of the optimizer. Either this or `epochs`. */
  steps?: number;
  /** Default 64. */
  batchSize?: number;
  /** Default four times `batchSize`. */
  evaluationBatchSize?: number;
  /** Leaves out a last training batch that would be smaller, which would be another program to record; default true. */
  dropLast?: boolean;
  /** Initial weights, the order of the data, what transforms and dropout draw; default 0. */
  seed?: number;
  /** Default "cpu". */
  device?: Device;
  /** Threads of LibTorch; default: its own choice. */
  threads?: number;
  /** Mixed precision: true for bfloat16. */
  autocast?: boolean | AutocastOptions;
  /** Default ["accuracy"] for classes, ["perplexity"] for language, else none. Functions make metrics of one's own, by name. */
  metrics?: readonly MetricConfig[] | Readonly<Record<string, () => Metric>>;
  /** "epoch", or every so many steps; default "epoch". */
  validateEvery?: "epoch" | number;
  /** A line about a step every so many steps; default 10. */
  logEvery?: number;
  earlyStopping?: EarlyStopping;
  checkpoints?: CheckpointOptions;
  callbacks?: readonly Callback[];
  /** The run's folder; default `runs/NAME`. */
  folder?: string;
  /** For `steppe compare`. */
  compare?: CompareConfig;
}

/**
 * Gives a TypeScript configuration its type.
 *
 * @example
 * // steppe.config.ts
 * import { defineConfig } from "steppe";
 * export default defineConfig({
 *   data: { name: "digits" },
 *   model: { name: "ConvNet" },
 *   optimizer: { method: "sam", rho: 0.1, base: { name: "sgd", lr: 0.05, momentum: 0.9 }, lrSchedule: { name: "cosine" } },
 *   epochs: 10,
 * });
 */
export function defineConfig(config: Config): Config {
  return config;
}
