import { createHash } from "node:crypto";
import { checkFlag, checkInteger, checkSeed } from "../checks.js";
import { checkKeys, expected } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";

/** In which order a loader takes the samples of a data set. The order of a pass depends on its number only. */
export interface Sampler {
  /** How many samples a pass has. */
  readonly length: number;
  /** How many samples the data set has that it is for: a loader refuses it for another. Left out: it may be for any. */
  readonly size?: number;
  /** The samples of pass `epoch` (from 0): int64 [length], on the CPU, or an array of integers. */
  order(epoch: number): Tensor | readonly number[];
}

/** Numbers for one pass. Hashed, so that seed 0, pass 1 and seed 1, pass 0 have nothing in common. */
export function generatorOf(seed: number | string, epoch: number): InstanceType<typeof torch.Generator> {
  const hash = createHash("sha256").update(`${seed}/${epoch}`).digest();
  return new torch.Generator().manualSeed(hash.readUIntBE(0, 6));
}

/** One after the other, as they stand in the data set. */
export class SequentialSampler implements Sampler {
  readonly length: number;

  constructor(length: number) {
    this.length = checkInteger(length, "length", 1);
  }

  order(): Tensor {
    return torch.arange(this.length, { dtype: "int64" });
  }
}

/** Every sample once, in a new order in each pass. */
export class RandomSampler implements Sampler {
  readonly length: number;
  readonly seed: number;

  constructor(length: number, { seed = 0, ...rest }: { seed?: number } = {}) {
    checkKeys(rest, ["seed"]);
    this.length = checkInteger(length, "length", 1);
    this.seed = checkSeed(seed);
  }

  order(epoch: number): Tensor {
    return torch.randperm(this.length, { generator: generatorOf(this.seed, epoch), dtype: "int64" });
  }
}

/** Options of {@link WeightedRandomSampler}. */
export interface WeightedOptions {
  /** Samples in a pass; default as many as there are weights. */
  numSamples?: number;
  /** Whether a sample may come several times in a pass; default true. */
  replacement?: boolean;
  /** Default 0. */
  seed?: number;
}

/**
 * Samples that come with a probability in proportion to their weights (`torch.multinomial`).
 *
 * @example new data.WeightedRandomSampler([1, 1, 5], { numSamples: 100 })
 */
export class WeightedRandomSampler implements Sampler {
  readonly length: number;
  readonly size: number;
  readonly seed: number;
  readonly #weights: Tensor;
  readonly #replacement: boolean;

  /**
   * @param weights one for each sample of the data set, not negative, not all 0
   * @throws SteppeError `ARGUMENT` for other weights, and for more samples than weights that are not 0 without replacement
   */
  constructor(weights: readonly number[] | Tensor, options: WeightedOptions = {}) {
    checkKeys(options, ["numSamples", "replacement", "seed"]);
    const values = weights instanceof Tensor ? (weights.to("float64").toArray() as number[]) : weights;
    if (!Array.isArray(values) || values.length === 0) throw expected("an array of weights", "weights", weights);
    const wrong = values.find((weight) => typeof weight !== "number" || !(weight >= 0) || weight === Infinity);
    if (wrong !== undefined) throw expected("numbers of at least 0", "weights", wrong);
    const { numSamples = values.length, replacement = true, seed = 0 } = options;
    const positive = values.filter((weight) => weight > 0).length;
    if (positive === 0) throw expected("a weight above 0", "weights", 0);
    this.length = checkInteger(numSamples, "numSamples", 1);
    this.#replacement = checkFlag(replacement, "replacement");
    if (!replacement && numSamples > positive) throw expected(`at most ${positive} samples`, "numSamples", numSamples, "So many weights are not 0, and without replacement each comes once.");
    this.seed = checkSeed(seed);
    this.size = values.length;
    this.#weights = torch.tensor(values, { dtype: "float64" });
  }

  order(epoch: number): Tensor {
    return torch.multinomial(this.#weights, this.length, this.#replacement, { generator: generatorOf(this.seed, epoch) });
  }
}

/**
 * As many samples of each class, however rare it is: the classes in equal shares, of each class all samples in turn before
 * one comes again.
 */
export class BalancedSampler implements Sampler {
  readonly length: number;
  readonly size: number;
  readonly seed: number;
  readonly #classes: number[][];

  /**
   * @param labels the class of each sample: int64 [N], or an array of integers
   * @param options `numSamples`: samples in a pass, default N; `seed`: default 0
   */
  constructor(labels: readonly number[] | Tensor, options: { numSamples?: number; seed?: number } = {}) {
    checkKeys(options, ["numSamples", "seed"]);
    const values = labels instanceof Tensor ? (labels.toArray() as number[]) : labels;
    if (!Array.isArray(values) || values.length === 0) throw expected("an array of labels", "labels", labels);
    const byClass = new Map<number, number[]>();
    values.forEach((label, i) => {
      if (!Number.isSafeInteger(label)) throw expected("integers", "labels", label);
      byClass.set(label, [...(byClass.get(label) ?? []), i]);
    });
    this.#classes = [...byClass].sort(([a], [b]) => a - b).map(([, indices]) => indices);
    const { numSamples = values.length, seed = 0 } = options;
    this.length = checkInteger(numSamples, "numSamples", 1);
    this.size = values.length;
    this.seed = checkSeed(seed);
  }

  order(epoch: number): Tensor {
    return torch.scope(() => {
      const generator = generatorOf(this.seed, epoch);
      const permuted = (n: number) => torch.randperm(n, { generator, dtype: "int64" }).toArray() as number[];
      const [k, n] = [this.#classes.length, this.length];
      // What does not divide goes to classes by lot.
      const shares = Array<number>(k).fill(Math.floor(n / k));
      for (const c of permuted(k).slice(0, n % k)) shares[c]!++;
      const chosen = this.#classes.flatMap((indices, c) => {
        const rounds = Math.ceil(shares[c]! / indices.length);
        return Array.from({ length: rounds }, () => permuted(indices.length).map((i) => indices[i]!)).flat().slice(0, shares[c]);
      });
      return torch.tensor(permuted(n).map((i) => chosen[i]!), { dtype: "int64" });
    });
  }
}

/** Options of {@link BucketSampler}. */
export interface BucketOptions {
  /** As the loader's. */
  batchSize: number;
  /** Batches whose samples are sorted by length together; default 100. More gives less padding, and less of a shuffle. */
  bucketBatches?: number;
  /** Default true. */
  shuffle?: boolean;
  /** Default 0. */
  seed?: number;
}

/**
 * Samples of about the same length together, so that little of a batch is padding. Within large random pools samples are
 * sorted by length and cut into batches; the batches come in random order, an incomplete one at the end.
 */
export class BucketSampler implements Sampler {
  readonly length: number;
  readonly size: number;
  readonly #lengths: readonly number[];
  readonly #options: Required<BucketOptions>;

  /** @param lengths of each sample of the data set */
  constructor(lengths: readonly number[], options: BucketOptions) {
    if (typeof options !== "object" || options === null) throw expected("an object with batchSize", "options", options);
    checkKeys(options, ["batchSize", "bucketBatches", "shuffle", "seed"]);
    if (!Array.isArray(lengths) || lengths.length === 0) throw expected("an array of lengths", "lengths", lengths);
    const wrong = lengths.find((length) => typeof length !== "number" || !(length >= 0));
    if (wrong !== undefined) throw expected("numbers of at least 0", "lengths", wrong);
    const { batchSize, bucketBatches = 100, shuffle = true, seed = 0 } = options;
    checkInteger(batchSize, "batchSize", 1);
    checkInteger(bucketBatches, "bucketBatches", 1);
    checkFlag(shuffle, "shuffle");
    this.#options = { batchSize, bucketBatches, shuffle, seed: checkSeed(seed) };
    this.#lengths = lengths;
    this.length = this.size = lengths.length;
  }

  order(epoch: number): Tensor {
    return torch.scope(() => {
      const { batchSize, bucketBatches, shuffle, seed } = this.#options;
      const generator = generatorOf(seed, epoch);
      const permuted = (n: number) => (shuffle ? (torch.randperm(n, { generator, dtype: "int64" }).toArray() as number[]) : Array.from({ length: n }, (_, i) => i));
      const all = permuted(this.length);
      const pool = batchSize * bucketBatches;
      const batches: number[][] = [];
      for (let start = 0; start < all.length; start += pool) {
        const sorted = all.slice(start, start + pool).sort((a, b) => this.#lengths[a]! - this.#lengths[b]!);
        for (let i = 0; i < sorted.length; i += batchSize) batches.push(sorted.slice(i, i + batchSize));
      }
      // Only the last pool's last batch can be incomplete.
      const rest = batches.at(-1)!.length < batchSize ? batches.pop()! : [];
      return torch.tensor([...permuted(batches.length).flatMap((i) => batches[i]!), ...rest], { dtype: "int64" });
    });
  }
}

/** Options of {@link DistributedSampler}. */
export interface DistributedOptions {
  /** Processes that share a pass; default the environment variable WORLD_SIZE, or 1. */
  numReplicas?: number;
  /** This process's number, from 0; default the environment variable RANK, or 0. */
  rank?: number;
  /** Default true. */
  shuffle?: boolean;
  /** The same in all processes; default 0. */
  seed?: number;
  /** Leaves out samples that do not divide among the processes, instead of repeating some; default false. */
  dropLast?: boolean;
}

/** The share of one of several processes, as PyTorch's `DistributedSampler` gives it: the same samples in the same order. */
export class DistributedSampler implements Sampler {
  readonly length: number;
  readonly size: number;
  readonly #options: Required<DistributedOptions>;

  /** @param size of the data set */
  constructor(size: number, options: DistributedOptions = {}) {
    checkKeys(options, ["numReplicas", "rank", "shuffle", "seed", "dropLast"]);
    const { numReplicas = Number(process.env["WORLD_SIZE"] ?? 1), rank = Number(process.env["RANK"] ?? 0), shuffle = true, seed = 0, dropLast = false } = options;
    this.size = checkInteger(size, "size", 1);
    checkInteger(numReplicas, "numReplicas", 1);
    checkInteger(rank, "rank", 0);
    if (rank >= numReplicas) throw expected(`an integer from 0 to ${numReplicas - 1}`, "rank", rank);
    this.#options = { numReplicas, rank, shuffle: checkFlag(shuffle, "shuffle"), seed: checkSeed(seed), dropLast: checkFlag(dropLast, "dropLast") };
    this.length = dropLast && size % numReplicas !== 0 ? Math.ceil((size - numReplicas) / numReplicas) : Math.ceil(size / numReplicas);
    if (this.length === 0) throw expected(`at least ${numReplicas} samples`, "size", size, "Each process needs one.");
  }

  order(epoch: number): Tensor {
    return torch.scope(() => {
      const { numReplicas, rank, shuffle, seed } = this.#options;
      const all = shuffle ? torch.randperm(this.size, { generator: new torch.Generator().manualSeed(seed + epoch), dtype: "int64" }) : torch.arange(this.size, { dtype: "int64" });
      // Repeated from the start, or cut, so that it divides.
      const total = this.length * numReplicas;
      const repeats = Math.ceil(total / this.size);
      return all.repeat([repeats]).slice(0, rank, total, numReplicas).clone();
    });
  }
}
