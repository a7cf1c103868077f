import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { checkKeys, expected } from "../errors.js";
import { torch } from "../torch.js";
import type { Tensor } from "../tensor.js";
import type { Dataset } from "./tensor-dataset.js";

export interface LoaderOptions {
  /** Samples in a batch. */
  batchSize: number;
  /** A new order in each pass; default false. */
  shuffle?: boolean;
  /** Decides the orders, together with the number of the pass; default 0. */
  seed?: number;
  /** Leaves out a last batch that would be smaller; default false. */
  dropLast?: boolean;
}

/**
 * The batches of a data set, pass after pass. `for await` lets the event loop run between batches, `for` does not.
 * The order of a pass depends on `seed` and `epoch` only.
 */
export class Loader<Batch> implements Iterable<Batch>, AsyncIterable<Batch> {
  readonly dataset: Dataset<Batch>;
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly dropLast: boolean;
  /** The number of the next pass, from 0: it grows when a pass begins. Set it to repeat a pass or to go on from one. */
  epoch = 0;

  /** Use {@link loader}. */
  constructor(dataset: Dataset<Batch>, options: LoaderOptions) {
    if (typeof options !== "object" || options === null) throw expected("an object with batchSize", "options", options);
    checkKeys(options, ["batchSize", "shuffle", "seed", "dropLast"]);
    const { batchSize, shuffle = false, seed = 0, dropLast = false } = options;
    if (!Number.isSafeInteger(batchSize) || batchSize < 1) throw expected("a positive integer", "batchSize", batchSize);
    if (!Number.isSafeInteger(seed)) throw expected("an integer", "seed", seed);
    if (typeof shuffle !== "boolean") throw expected("true or false", "shuffle", shuffle);
    if (typeof dropLast !== "boolean") throw expected("true or false", "dropLast", dropLast);
    if (typeof dataset?.batch !== "function" || !Number.isSafeInteger(dataset.length)) throw expected("a data set", "dataset", dataset);
    if (dataset.length === 0) throw expected("at least one sample", "dataset", dataset);
    this.dataset = dataset;
    this.batchSize = batchSize;
    this.shuffle = shuffle;
    this.seed = seed;
    this.dropLast = dropLast;
  }

  /** The number of batches in a pass. */
  get length(): number {
    const batches = this.dataset.length / this.batchSize;
    return this.dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  *[Symbol.iterator](): Generator<Batch, void, undefined> {
    const order = this.#order(this.epoch++);
    try {
      for (let i = 0; i < this.length; i++) {
        const start = i * this.batchSize;
        const indices = order.narrow(0, start, Math.min(this.batchSize, this.dataset.length - start));
        const batch = this.dataset.batch(indices);
        indices.dispose();
        yield batch;
      }
    } finally {
      order.dispose();
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    for (const batch of this) {
      yield batch;
      await setImmediate();
    }
  }

  #order(epoch: number): Tensor {
    const n = this.dataset.length;
    if (!this.shuffle) return torch.arange(n, { dtype: "int64" });
    // Hashed, so that the orders of seed 0, pass 1 and seed 1, pass 0 have nothing in common.
    const hash = createHash("sha256").update(`${this.seed}/${epoch}`).digest();
    const generator = new torch.Generator().manualSeed(hash.readUIntBE(0, 6));
    return torch.randperm(n, { generator, dtype: "int64" });
  }
}

/**
 * Makes batches of a data set.
 *
 * @throws SteppeError `ARGUMENT` for a wrong or unknown option, or an empty data set
 * @example
 * const batches = data.loader(train, { batchSize: 128, shuffle: true, seed: 1 });
 * for await (const [x, y] of batches) await step(x, y);
 */
export function loader<Batch>(dataset: Dataset<Batch>, options: LoaderOptions): Loader<Batch> {
  return new Loader(dataset, options);
}
