import { checkFlag, checkInteger, checkSeed } from "../../checks.js";
import { checkKeys, expected } from "../../errors.js";
import type { Generator } from "../../random.js";
import type { Tensor } from "../../tensor.js";
import { torch } from "../../torch.js";
import { Loader } from "../loader.js";
import { generatorOf } from "../samplers.js";
import type { Sampler } from "../samplers.js";
import type { Dataset } from "../tensor-dataset.js";

/** How samples are put into batches by their number of tokens. */
export interface TokenLoaderOptions<Item, Batch, Made = Batch> {
  /** How many tokens an item has; of a pair, the longer text's. */
  length: (item: Item) => number;
  /** Tokens in a batch at most, padding counted: samples times the longest one. */
  maxTokens: number;
  /** Samples in a batch at most; default any number. */
  maxSamples?: number;
  /** What `collate` pads to a multiple of: lengths are rounded up to one. Few shapes keep compiled steps few. Default 1. */
  padToMultipleOf?: number;
  /** Batches in another order in each pass, and samples of one length mixed anew; default false: from short to long. */
  shuffle?: boolean;
  /** Decides the orders and what transforms draw, together with the number of the pass; default 0. */
  seed?: number;
  /** Makes a batch of items; default: the array of them. */
  collate?: (items: Item[]) => Batch;
  /** Makes another batch of a batch, as in {@link loader}. */
  transform?: (batch: Batch, generator: Generator) => Made;
}

/** Samples sorted by length and cut into batches. How many there are depends on the lengths alone. */
class TokenBatches<Item> implements Dataset<unknown>, Sampler {
  readonly length: number;
  readonly #items: readonly Item[];
  /** By rank in the order of lengths: where each batch begins and ends. */
  readonly #borders: readonly (readonly [start: number, end: number])[];
  /** Samples in the order of their lengths, and the numbers of ranks at which lengths change. */
  readonly #ranks: readonly number[];
  readonly #lengths: readonly number[];
  readonly #shuffle: boolean;
  readonly #seed: number;
  readonly #collate: (items: Item[]) => unknown;
  #mixed: { epoch: number; ranks: readonly number[] } = { epoch: -1, ranks: [] };

  constructor(items: readonly Item[], lengths: readonly number[], { maxTokens, maxSamples, shuffle, seed, collate }: { maxTokens: number; maxSamples: number; shuffle: boolean; seed: number; collate: (items: Item[]) => unknown }) {
    this.#items = items;
    this.#lengths = lengths;
    this.#shuffle = shuffle;
    this.#seed = seed;
    this.#collate = collate;
    this.#ranks = [...items.keys()].sort((a, b) => lengths[a]! - lengths[b]! || a - b);
    const borders: [number, number][] = [];
    let start = 0;
    for (let end = 1; end <= items.length; end++) {
      // Sorted by length: the next sample would be the longest.
      const fits = end < items.length && end - start < maxSamples && (end - start + 1) * lengths[this.#ranks[end]!]! <= maxTokens;
      if (fits) continue;
      borders.push([start, end]);
      start = end;
    }
    this.#borders = borders;
    this.length = borders.length;
  }

  /** A batch's number holds the number of the pass: samples of one length are mixed anew in each. */
  order(epoch: number): Tensor {
    if (!this.#shuffle) return torch.arange(this.length, { dtype: "int64" });
    return torch.scope(() => torch.randperm(this.length, { generator: generatorOf(this.#seed, epoch), dtype: "int64" }).add(epoch * this.length));
  }

  batch(indices: Tensor): unknown {
    const index = Number(indices.item());
    const [start, end] = this.#borders[index % this.length]!;
    const ranks = this.#shuffle ? this.#mix(Math.floor(index / this.length)) : this.#ranks;
    return this.#collate(ranks.slice(start, end).map((i) => this.#items[i]!));
  }

  #mix(epoch: number): readonly number[] {
    if (this.#mixed.epoch !== epoch) {
      const place = torch.scope(() => torch.randperm(this.#items.length, { generator: generatorOf(`${this.#seed}/lengths`, epoch), dtype: "int64" }).toArray() as number[]);
      this.#mixed = { epoch, ranks: [...this.#ranks].sort((a, b) => this.#lengths[a]! - this.#lengths[b]! || place[a]! - place[b]!) };
    }
    return this.#mixed.ranks;
  }
}

/**
 * Batches of about the same number of tokens: samples of about one length stand together, few in a batch where they are long and
 * many where they are short, so that samples times the longest is at most `maxTokens`. Goes on in the middle of a pass as every loader does.
 *
 * @param items in memory
 * @throws SteppeError `ARGUMENT` for a sample that has more than `maxTokens` tokens: cut it, or leave it out before
 * @example
 * const batches = data.tokenLoader(pairs, {
 *   length: ({ source, target }) => Math.max(source.length, target.length),
 *   maxTokens: 4096, padToMultipleOf: 8, shuffle: true, seed: 1,
 *   collate: (pairs) => data.padSequences(pairs.map(({ source }) => source), { padToMultipleOf: 8 }),
 * });
 */
export function tokenLoader<Item, Batch = Item[], Made = Batch>(items: readonly Item[], options: TokenLoaderOptions<Item, Batch, Made>): Loader<Made> {
  if (typeof options !== "object" || options === null) throw expected("an object with length and maxTokens", "options", options);
  checkKeys(options, ["length", "maxTokens", "maxSamples", "padToMultipleOf", "shuffle", "seed", "collate", "transform"]);
  const { length, padToMultipleOf = 1, maxSamples = Infinity, shuffle = false, seed = 0, transform } = options;
  const collate = options.collate ?? ((some: Item[]) => some as unknown as Batch);
  if (!Array.isArray(items) || items.length === 0) throw expected("an array of at least one item", "items", items);
  if (typeof length !== "function") throw expected("a function of an item", "length", length);
  if (typeof collate !== "function") throw expected("a function of an array of items", "collate", collate);
  const maxTokens = checkInteger(options.maxTokens, "maxTokens", 1);
  if (maxSamples !== Infinity) checkInteger(maxSamples, "maxSamples", 1);
  checkInteger(padToMultipleOf, "padToMultipleOf", 1);
  const lengths = (items as readonly Item[]).map((item, i) => {
    const tokens = checkInteger(length(item), `length of item ${i}`, 0);
    const padded = Math.max(1, Math.ceil(tokens / padToMultipleOf)) * padToMultipleOf;
    if (padded > maxTokens) throw expected(`at most ${maxTokens} tokens`, `length of item ${i}`, padded);
    return padded;
  });
  const batches = new TokenBatches<Item>(items, lengths, { maxTokens, maxSamples, shuffle: checkFlag(shuffle, "shuffle"), seed: checkSeed(seed), collate });
  return new Loader<Made>(batches as Dataset<Made>, { batchSize: 1, sampler: batches, seed, ...(transform === undefined ? {} : { transform: transform as never }) });
}
