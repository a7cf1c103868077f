import { checkInteger, checkSeed, checkShare } from "../checks.js";
import { checkKeys, expected, expectedTensor } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import { generatorOf } from "./samplers.js";
import { TensorDataset } from "./tensor-dataset.js";
import type { Dataset, LabelledDataset } from "./tensor-dataset.js";

/** Labels of a set: of its last tensor by default; int64 [N]. */
function labelsOf(set: TensorDataset<readonly [Tensor, ...Tensor[]]>, place: number | undefined): { at: number; labels: number[] } {
  if (!(set instanceof TensorDataset)) throw expected("a TensorDataset, an array, or a data set with labels and take", "dataset", set);
  const at = place ?? set.tensors.length - 1;
  const tensor = set.tensors[at];
  if (tensor === undefined) throw expected(`an integer from 0 to ${set.tensors.length - 1}`, "labels", place);
  if (tensor.dim() !== 1 || /float|complex|bool/.test(tensor.dtype)) throw expectedTensor("integers of shape [N] as labels", "dataset", tensor);
  return { at, labels: (tensor.toArray() as (number | bigint)[]).map(Number) };
}

function byClass(labels: readonly number[]): Map<number, number[]> {
  const found = new Map<number, number[]>();
  labels.forEach((label, i) => {
    const members = found.get(label);
    if (members === undefined) found.set(label, [i]);
    else members.push(i);
  });
  return new Map([...found].sort(([a], [b]) => a - b));
}

/** The numbers below n in an order that depends on the seed only. */
function shuffled(n: number, generator: InstanceType<typeof torch.Generator>): number[] {
  return torch.scope(() => torch.randperm(n, { generator, dtype: "int64" }).toArray() as number[]);
}

/** Whether a set is an array of items. */
const isList = (set: unknown): set is readonly unknown[] => Array.isArray(set);

const isLabelled = (set: unknown): set is LabelledDataset<unknown> => Array.isArray((set as LabelledDataset<unknown> | null)?.labels) && typeof (set as LabelledDataset<unknown>).take === "function";

/** Some samples of a set, by number, in that order. Works on any data set and on arrays; of a TensorDataset the tensors are copied. */
export function subset<Item>(items: readonly Item[], indices: readonly number[]): Item[];
export function subset<T extends readonly [Tensor, ...Tensor[]]>(dataset: TensorDataset<T>, indices: readonly number[]): TensorDataset<T>;
export function subset<T extends LabelledDataset<unknown>>(dataset: T, indices: readonly number[]): ReturnType<T["take"]>;
export function subset<Batch>(dataset: Dataset<Batch>, indices: readonly number[]): Dataset<Batch>;
export function subset(dataset: Dataset<unknown> | readonly unknown[], indices: readonly number[]): Dataset<unknown> | unknown[] {
  if (!isList(dataset) && typeof dataset?.batch !== "function") throw expected("a data set", "dataset", dataset);
  if (!Array.isArray(indices)) throw expected("an array of integers", "indices", indices);
  const wrong = indices.find((i) => !Number.isSafeInteger(i) || i < 0 || i >= dataset.length);
  if (wrong !== undefined) throw expected(`integers from 0 to ${dataset.length - 1}`, "indices", wrong);
  if (isList(dataset)) return (indices as readonly number[]).map((i) => dataset[i]);
  if (isLabelled(dataset)) return dataset.take(indices);
  const all = torch.tensor([...indices], { dtype: "int64" });
  if (dataset instanceof TensorDataset) return new TensorDataset(...(dataset.batch(all) as [Tensor, ...Tensor[]]));
  return { length: indices.length, batch: (some) => dataset.batch(all.indexSelect(0, some)) };
}

/** How large a share of each class is taken. */
export interface FractionOptions {
  /** The share of each class that stays, from 0 to 1; of each at least one sample. */
  fraction?: number;
  /** Or so many samples of each class. */
  perClass?: number;
  /** Which ones stay; default 0. A larger fraction with the same seed holds the smaller one. */
  seed?: number;
  /** Which tensor holds the labels (int64 [N]); default the last. */
  labels?: number;
}

/** Options for an array of items. */
export interface ItemFractionOptions<Item> extends Omit<FractionOptions, "labels"> {
  /** The class of an item; default its `label`. */
  labels?: (item: Item) => number | string;
}

/** The class of each item, by number: of words in the order in which they first come. */
function classesOf<Item>(items: readonly Item[], labelOf: ((item: Item) => number | string) | undefined): number[] {
  if (labelOf !== undefined && typeof labelOf !== "function") throw expected("a function of an item", "labels", labelOf);
  const words = new Map<string, number>();
  return items.map((item, i) => {
    const label = labelOf === undefined ? (item as { label?: unknown } | null)?.label : labelOf(item);
    if (typeof label === "number") return label;
    if (typeof label !== "string") throw expected("a label", `examples[${i}]`, label, "Say where it is with `labels`.");
    if (!words.has(label)) words.set(label, words.size);
    return words.get(label)!;
  });
}

/**
 * A small part of a set with as large a share of every class: for training with little data. The order of the samples is kept.
 *
 * @param dataset a TensorDataset, an array of items with a `label`, an ImageFolder, or any data set with `labels` and `take`
 * @example
 * const tenth = data.fractionPerClass(set.train, { fraction: 0.1, seed: 3 });
 * const few = data.fractionPerClass((await data.glue("rte")).examples, { perClass: 16, seed: 1 });
 */
export function fractionPerClass<Item>(items: readonly Item[], options: ItemFractionOptions<Item>): Item[];
export function fractionPerClass<T extends readonly [Tensor, ...Tensor[]]>(dataset: TensorDataset<T>, options: FractionOptions): TensorDataset<T>;
export function fractionPerClass<T extends LabelledDataset<unknown>>(dataset: T, options: Omit<FractionOptions, "labels">): ReturnType<T["take"]>;
export function fractionPerClass(dataset: TensorDataset<readonly [Tensor, ...Tensor[]]> | LabelledDataset<unknown> | readonly unknown[], options: FractionOptions | ItemFractionOptions<unknown>): unknown {
  checkKeys(options, ["fraction", "perClass", "seed", ...(isLabelled(dataset) ? [] : ["labels"])]);
  const { fraction, perClass, seed = 0 } = options;
  if ((fraction === undefined) === (perClass === undefined)) throw expected("either fraction or perClass", "options", options);
  if (fraction !== undefined) checkShare(fraction, "fraction");
  if (perClass !== undefined) checkInteger(perClass, "perClass", 1);
  const generator = generatorOf(checkSeed(seed), 0);
  const chosen: number[] = [];
  const labels = isList(dataset)
    ? classesOf(dataset, (options as ItemFractionOptions<unknown>).labels)
    : isLabelled(dataset)
      ? dataset.labels
      : labelsOf(dataset, (options as FractionOptions).labels).labels;
  for (const [label, members] of byClass(labels)) {
    const count = perClass ?? Math.max(1, Math.round(fraction! * members.length));
    if (count > members.length) throw expected(`at most ${members.length}, as many as class ${label} has`, "perClass", perClass);
    chosen.push(...shuffled(members.length, generator).slice(0, count).map((i) => members[i]!));
  }
  return subset(dataset as never, chosen.sort((a, b) => a - b));
}

/**
 * Parts of a set, drawn once: every sample is in one of them.
 *
 * @param dataset any data set, or an array
 * @param lengths of the parts: samples, or shares that add up to 1
 * @param options `seed`: default 0
 * @example const [train, validation] = data.randomSplit(set, [0.9, 0.1], { seed: 1 });
 */
export function randomSplit<Item>(items: readonly Item[], lengths: readonly number[], options?: { seed?: number }): Item[][];
export function randomSplit<T extends readonly [Tensor, ...Tensor[]]>(dataset: TensorDataset<T>, lengths: readonly number[], options?: { seed?: number }): TensorDataset<T>[];
export function randomSplit<T extends LabelledDataset<unknown>>(dataset: T, lengths: readonly number[], options?: { seed?: number }): ReturnType<T["take"]>[];
export function randomSplit<Batch>(dataset: Dataset<Batch>, lengths: readonly number[], options?: { seed?: number }): Dataset<Batch>[];
export function randomSplit(dataset: Dataset<unknown> | readonly unknown[], lengths: readonly number[], options: { seed?: number } = {}): (Dataset<unknown> | unknown[])[] {
  checkKeys(options, ["seed"]);
  if (!Array.isArray(lengths) || lengths.length === 0 || !lengths.every((length) => typeof length === "number" && length >= 0)) throw expected("an array of lengths or shares", "lengths", lengths);
  const sum = lengths.reduce((a, b) => a + b, 0);
  const shares = Math.abs(sum - 1) < 1e-6 && dataset.length !== 1;
  if (!shares && (sum !== dataset.length || !lengths.every(Number.isSafeInteger))) throw expected(`shares that add up to 1, or lengths that add up to ${dataset.length}`, "lengths", sum);
  // As PyTorch: shares rounded down, what is left over one by one from the first.
  const counts = shares ? lengths.map((length) => Math.floor(length * dataset.length)) : [...lengths];
  for (let i = 0, left = dataset.length - counts.reduce((a, b) => a + b, 0); left > 0; left--, i++) counts[i % counts.length]!++;
  const order = shuffled(dataset.length, generatorOf(checkSeed(options.seed ?? 0), 0));
  let from = 0;
  return counts.map((count) => subset(dataset as Dataset<unknown>, order.slice(from, (from += count))));
}

/** How many labels become wrong, and which ones. */
export interface LabelNoiseOptions {
  /** The share of the samples whose label is made wrong, from 0 to 1. */
  rate: number;
  /**
   * "symmetric": any other class, each with the same probability. An object: from a class to the class it is taken for; classes that
   * are not in it keep their labels, and `rate` is the share of those that are. Default "symmetric".
   */
  kind?: "symmetric" | Readonly<Record<number, number>>;
  /** Number of classes; default as many as the largest label tells. */
  classes?: number;
  /** Which samples, and which labels; default 0. */
  seed?: number;
  /** Which tensor holds the labels (int64 [N]); default the last. */
  labels?: number;
}

/**
 * The same samples with some wrong labels, exactly the share that was asked for (rounded), the same for the same seed. The other
 * tensors are the set's own.
 *
 * @param dataset a TensorDataset, an array of items with a `label` from 0 on, which are copied where it changes, an ImageFolder, or any data set
 * with `labels` and `take`
 * @example
 * const noisy = data.labelNoise(set.train, { rate: 0.2, seed: 1 });
 * data.labelNoise(set.train, { rate: 0.4, kind: { 9: 1, 2: 0, 3: 5, 5: 3, 4: 7 } }); // truck → automobile, bird → airplane, cat ↔ dog, deer → horse
 */
export function labelNoise<Item extends { label: number }>(items: readonly Item[], options: Omit<LabelNoiseOptions, "labels">): Item[];
export function labelNoise<T extends readonly [Tensor, ...Tensor[]]>(dataset: TensorDataset<T>, options: LabelNoiseOptions): TensorDataset<T>;
export function labelNoise<T extends LabelledDataset<unknown>>(dataset: T, options: Omit<LabelNoiseOptions, "labels">): ReturnType<T["take"]>;
export function labelNoise(dataset: TensorDataset<readonly [Tensor, ...Tensor[]]> | LabelledDataset<unknown> | readonly { label: number }[], options: LabelNoiseOptions): unknown {
  if (typeof options !== "object" || options === null) throw expected("an object with rate", "options", options);
  checkKeys(options, ["rate", "kind", "classes", "seed", ...(isList(dataset) || isLabelled(dataset) ? [] : ["labels"])]);
  if (isLabelled(dataset)) return dataset.take(dataset.labels.map((_, i) => i), noisyLabels(dataset.labels, options));
  if (isList(dataset)) {
    const items = dataset as readonly { label: number }[];
    const wrong = items.findIndex((item) => !Number.isSafeInteger(item?.label) || item.label < 0);
    if (wrong >= 0) throw expected("an item whose label is a class", `dataset[${wrong}]`, items[wrong]?.label);
    const noisy = noisyLabels(items.map(({ label }) => label), options);
    return items.map((item, i) => (item.label === noisy[i] ? item : { ...item, label: noisy[i]! }));
  }
  const { at, labels } = labelsOf(dataset, options.labels);
  const tensors = [...dataset.tensors] as [Tensor, ...Tensor[]];
  tensors[at] = torch.tensor(noisyLabels(labels, options), { dtype: tensors[at]!.dtype, device: tensors[at]!.device });
  return new TensorDataset(...tensors);
}

function noisyLabels(labels: readonly number[], options: LabelNoiseOptions): number[] {
  const { rate, kind = "symmetric", seed = 0 } = options;
  checkShare(rate, "rate");
  const largest = labels.reduce((a, b) => Math.max(a, b), 0);
  const { classes = largest + 1 } = options;
  if (!Number.isSafeInteger(classes) || classes <= largest || classes < 2) throw expected(`an integer above ${Math.max(1, largest)}`, "classes", classes);
  if (kind !== "symmetric" && (typeof kind !== "object" || kind === null)) throw expected('"symmetric" or an object from class to class', "kind", kind);
  const table = kind === "symmetric" ? null : kind;
  for (const [from, to] of Object.entries(table ?? {})) {
    if (!(Number(from) < classes) || !Number.isSafeInteger(to) || to < 0 || to >= classes) throw expected(`classes below ${classes}`, `kind[${from}]`, to);
  }
  const generator = generatorOf(checkSeed(seed), 0);
  const candidates = labels.flatMap((label, i) => (table === null || Object.hasOwn(table, label) ? [i] : []));
  const chosen = shuffled(candidates.length, generator).slice(0, Math.round(rate * candidates.length)).map((i) => candidates[i]!);
  const steps = torch.scope(() => torch.randint(1, classes, [chosen.length], { generator, dtype: "int64" }).toArray() as number[]);
  const noisy = [...labels];
  chosen.forEach((i, k) => (noisy[i] = table === null ? (labels[i]! + steps[k]!) % classes : table[labels[i]!]!));
  return noisy;
}
