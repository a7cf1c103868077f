import { setImmediate } from "node:timers/promises";
import { checkFlag, checkInteger, checkSeed } from "../checks.js";
import { SteppeError, checkKeys, expected } from "../errors.js";
import { outsideScopes } from "../scope.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Generator as Random } from "../random.js";
import { Batches, isPromise } from "./batches.js";
import { pinning } from "./pin.js";
import { RandomSampler, SequentialSampler, generatorOf } from "./samplers.js";
import type { Pending, Place } from "./batches.js";
import type { Transform } from "./native-transform.js";
import { checkIdentity, checkState, hashOf } from "./loader-state.js";
import type { LoaderState } from "./loader-state.js";
import type { Sampler } from "./samplers.js";
import type { Dataset } from "./tensor-dataset.js";

/** Keyword arguments of {@link loader}. */
export interface LoaderOptions {
  /** Samples in a batch. */
  batchSize: number;
  /** A new order in each pass; default false. */
  shuffle?: boolean;
  /** Decides the orders and what transforms draw, together with the number of the pass; default 0. */
  seed?: number;
  /** Leaves out a last batch that would be smaller; default false. */
  dropLast?: boolean;
  /** Decides the order instead of `shuffle` and `seed`. */
  sampler?: Sampler;
  /**
   * So many batches are made while the one before is in use, with `for await`: of a data set in memory on a thread of its own, with the
   * transforms of `data.transforms`; of one that gives promises as it does. Default 2; 0 makes each when it is asked for, on this thread.
   */
  prefetch?: number;
  /** Puts batches into pinned memory, from which a GPU copies at once; default false. Where there is no GPU, a warning says that it does nothing. */
  pin?: boolean;
}

/** Options with what is done to each batch. */
export interface TransformOptions<Batch> {
  /**
   * Makes a batch of a batch: see `data.transforms`. The generator depends on the seed, the pass and the number of the batch alone.
   */
  transform?: (batch: Batch, generator: Random) => Batch | Readonly<Batch>;
}

/** Options with a transform that makes other batches. */
export interface RemakeOptions<Batch, Made> {
  /** As in {@link TransformOptions}: for example `data.maskTokens(tokenizer)`. */
  transform: (batch: Batch, generator: Random) => Made;
}

/** Options for a data set that is an array. */
export interface ArrayLoaderOptions<Item, Batch> extends LoaderOptions, TransformOptions<Batch> {
  /** Makes a batch of items; default: the array of them. */
  collate?: (items: Item[]) => Batch;
}

/** A pass, and how far it is. */
interface Pass {
  readonly epoch: number;
  batch: number;
  /** Null once it has ended or was broken off. */
  order: Tensor | null;
  /** Of its order, where somebody may still ask. */
  hash?: string;
}

/**
 * The batches of a data set, pass after pass. `for await` lets the event loop run between batches and has the next ones made
 * meanwhile, `for` does not. The order of a pass depends on `seed` and `epoch` only, and neither it nor a batch on `prefetch`.
 */
export class Loader<Batch> implements Iterable<Batch>, AsyncIterable<Batch> {
  readonly dataset: Dataset<Batch>;
  readonly batchSize: number;
  readonly dropLast: boolean;
  readonly sampler: Sampler;
  readonly seed: number;
  readonly prefetch: number;
  readonly #again: () => Loader<Batch>;
  readonly #batches: Batches;
  readonly #draws: boolean;
  /** A sampler's numbers are below it. A set that is its own sampler knows best what they say, as that of `data.tokenLoader`. */
  readonly #numbers: number;
  /** The number of the next pass, from 0: it grows when a pass begins. Set it to repeat a pass or to go on from one. */
  epoch = 0;
  /** The pass that began last, and how far it is. */
  #current: Pass | null = null;
  /** Batches of the next pass that were given before. */
  #skip = 0;

  /** Use {@link loader}. */
  constructor(dataset: Dataset<Batch>, options: LoaderOptions & TransformOptions<Batch>) {
    if (typeof options !== "object" || options === null) throw expected("an object with batchSize", "options", options);
    if ("collate" in options) throw expected("nothing", "collate", options.collate, "A data set makes its own batches: change them by transform, or give an array of items.");
    checkKeys(options, ["batchSize", "shuffle", "seed", "dropLast", "sampler", "prefetch", "pin", "transform"]);
    const { batchSize, shuffle = false, seed = 0, dropLast = false, sampler, prefetch = 2, pin = false, transform } = options;
    checkInteger(batchSize, "batchSize", 1);
    checkSeed(seed);
    checkFlag(shuffle, "shuffle");
    checkFlag(dropLast, "dropLast");
    checkInteger(prefetch, "prefetch", 0);
    checkFlag(pin, "pin");
    if (typeof dataset?.batch !== "function" || !Number.isSafeInteger(dataset.length)) throw expected("a data set or an array", "dataset", dataset, hintFor(dataset));
    if (dataset.length === 0) throw expected("at least one sample", "dataset", dataset);
    if (sampler !== undefined) {
      if (typeof sampler?.order !== "function" || !Number.isSafeInteger(sampler.length)) throw expected("a sampler", "sampler", sampler);
      if (sampler.size !== undefined && sampler.size !== dataset.length) {
        throw new SteppeError("ARGUMENT", `Expected a sampler for ${dataset.length} samples, as many as the data set has, but received one for ${sampler.size}.`);
      }
      if (options.shuffle !== undefined) throw expected("nothing", "shuffle", options.shuffle, "The sampler decides the order.");
    }
    if (transform !== undefined && typeof transform !== "function") throw expected("a function of a batch and a generator", "transform", transform);
    this.dataset = dataset;
    this.#again = () => new Loader(dataset, options);
    this.seed = seed;
    this.prefetch = prefetch;
    this.#batches = new Batches(dataset, transform as unknown as Transform | undefined, pinning(pin));
    this.#draws = transform !== undefined;
    this.#numbers = (sampler as unknown) === dataset ? Infinity : dataset.length;
    this.batchSize = batchSize;
    this.dropLast = dropLast;
    this.sampler = sampler ?? (shuffle ? new RandomSampler(dataset.length, { seed }) : new SequentialSampler(dataset.length));
  }

  /** The number of batches in a pass. */
  get length(): number {
    const batches = this.sampler.length / this.batchSize;
    return this.dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  /** Another loader with the same options, from its first pass on: its passes do not count here. */
  again(): Loader<Batch> {
    return this.#again();
  }

  *[Symbol.iterator](): Generator<Batch, void, undefined> {
    const current = this.#begin();
    const order = current.order!;
    try {
      while (current.batch < this.length) {
        const made = this.#batches.make(this.#place(order, current.epoch, current.batch));
        if (isPromise(made)) {
          made.then(undefined, () => {});
          throw expected("batches that are there at once", "a for loop", made, "This data set gives promises: use for await.");
        }
        current.batch++;
        yield made as Batch;
      }
    } finally {
      this.#end(current);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch, void, undefined> {
    const current = this.#begin();
    const order = current.order!;
    const pending: Pending[] = [];
    let started = current.batch;
    try {
      while (current.batch < this.length) {
        const wanted = () => (this.#batches.ahead ? 1 + this.prefetch : 1);
        while (started < this.length && pending.length < wanted()) pending.push(this.#start(order, current.epoch, started++));
        const next = pending.shift()!;
        const outcome = await next.outcome;
        if ("error" in outcome) throw outcome.error;
        const batch = next.finish(outcome.batch) as Batch;
        current.batch++;
        yield batch;
        await setImmediate();
      }
    } finally {
      pending.forEach((each) => each.drop());
      this.#end(current);
    }
  }

  /** A pass begins. */
  #begin(): Pass {
    const epoch = this.epoch++;
    const current: Pass = { epoch, batch: this.#skip, order: null };
    this.#current = current;
    this.#skip = 0;
    current.order = this.#orderOf(epoch);
    return current;
  }

  /** A pass that was broken off may be asked for its state. */
  #end(pass: Pass): void {
    if (pass.batch < this.length) this.#hashOf(pass);
    pass.order?.dispose();
    pass.order = null;
  }

  #orderOf(epoch: number): Tensor {
    return outsideScopes(() => asOrder(this.sampler.order(epoch), this.sampler.length, this.#numbers));
  }

  #hashOf(pass: Pass): string {
    return (pass.hash ??= torch.scope(() => hashOf(pass.order ?? asOrder(this.sampler.order(pass.epoch), this.sampler.length, this.#numbers), this.sampler.length)));
  }

  get #identity() {
    return { samples: this.sampler.length, batchSize: this.batchSize, seed: this.seed };
  }

  #place(order: Tensor, epoch: number, batch: number): Place {
    const start = batch * this.batchSize;
    const random = this.#draws ? generatorOf(`${this.seed}/transform`, epoch * 2 ** 24 + batch) : null;
    return { order, start, count: Math.min(this.batchSize, this.sampler.length - start), random };
  }

  #start(order: Tensor, epoch: number, batch: number): Pending {
    const place = this.#place(order, epoch, batch);
    if (this.prefetch > 0) return this.#batches.start(place);
    const made = (async () => this.#batches.make(place))();
    return { outcome: made.then((batch) => ({ batch }), (error: unknown) => ({ error })), finish: (batch) => batch, drop: () => {} };
  }

  /**
   * Where the pass that began last is: after the batch that was given last. A pass that was broken off counts as under way
   * until the next begins.
   */
  stateDict(): LoaderState {
    const of = (pass: Pass): LoaderState => ({ epoch: pass.epoch, batch: pass.batch, of: { ...this.#identity, order: this.#hashOf(pass) } });
    if (this.#skip > 0) return of({ epoch: this.epoch, batch: this.#skip, order: null });
    const current = this.#current;
    const underWay = current !== null && current.batch < this.length && current.epoch + 1 === this.epoch;
    if (!underWay) return { epoch: this.epoch, batch: 0 };
    return current.batch === 0 ? { epoch: current.epoch, batch: 0 } : of(current);
  }

  /**
   * The next pass goes on from there: the batches that were given are left out, the others are the same as they would have been.
   * Between passes another seed, batch size or sampler is taken as it is; in the middle of one it is an error.
   *
   * @throws SteppeError `ARGUMENT` for a state that does not fit, with what differs
   */
  loadStateDict(state: LoaderState): void {
    checkState(state);
    const { epoch, batch } = state;
    if (batch > 0) checkIdentity(state, this.#identity, () => this.#hashOf({ epoch, batch, order: null }));
    if (batch > this.length) throw expected(`an integer from 0 to ${this.length}`, "state.batch", batch);
    const over = batch >= this.length;
    this.epoch = over ? epoch + 1 : epoch;
    this.#skip = over ? 0 : batch;
    this.#current = null;
  }
}

/**
 * Makes batches of a data set, or of an array of items.
 *
 * @throws SteppeError `ARGUMENT` for a wrong or unknown option, or an empty data set
 * @example
 * const batches = data.loader(train, { batchSize: 128, shuffle: true, seed: 1 });
 * for await (const [x, y] of batches) await step(x, y);
 * @example
 * data.loader(mails, { batchSize: 16, shuffle: true, collate: (mails) => tokenizer.batch(mails.map(({ text }) => text)) });
 */
export function loader<Item, Batch = Item[], Made = Batch>(items: readonly Item[], options: Omit<ArrayLoaderOptions<Item, Batch>, "transform"> & RemakeOptions<Batch, Made>): Loader<Made>;
export function loader<Item, Batch = Item[]>(items: readonly Item[], options: ArrayLoaderOptions<Item, Batch>): Loader<Batch>;
export function loader<Batch, Made>(dataset: Dataset<Batch>, options: LoaderOptions & RemakeOptions<Batch, Made>): Loader<Made>;
export function loader<Batch>(dataset: Dataset<Batch>, options: LoaderOptions & TransformOptions<Batch>): Loader<Batch>;
export function loader(dataset: Dataset<unknown> | readonly unknown[], options: ArrayLoaderOptions<unknown, unknown>): Loader<unknown> {
  if (!Array.isArray(dataset)) return new Loader(dataset as Dataset<unknown>, options);
  if (typeof options !== "object" || options === null) throw expected("an object with batchSize", "options", options);
  const { collate = (items: unknown[]) => items, ...rest } = options;
  if (typeof collate !== "function") throw expected("a function of an array of items", "collate", collate);
  if (dataset.length === 0) throw expected("at least one sample", "dataset", dataset);
  const batch = (indices: Tensor): unknown => {
    const made = collate((indices.toArray() as number[]).map((i) => dataset[i]));
    if (made === undefined) throw expected("a batch", "what collate returns", made);
    return made;
  };
  return new Loader({ length: dataset.length, batch }, rest);
}

/** What is easily taken for a data set. */
function hintFor(dataset: unknown): string {
  if (dataset instanceof Tensor) return "Give new data.TensorDataset(tensor, …).";
  if (dataset instanceof Promise) return "Await it.";
  if (typeof dataset !== "object" || dataset === null) return "";
  if ("examples" in dataset) return "Give its examples.";
  return "train" in dataset ? "Give one of its parts, such as train." : "";
}

/** What a sampler gave, as a tensor: an array serves as well. */
function asOrder(order: unknown, length: number, numbers: number): Tensor {
  const made = Array.isArray(order) && order.every((i) => Number.isSafeInteger(i)) ? torch.tensor(order as number[], { dtype: "int64" }) : order;
  if (!(made instanceof Tensor) || made.dtype !== "int64" || made.dim() !== 1 || made.shape[0]! < length) {
    throw expected(`${length} integers, as many as its length says (an int64 tensor, or an array),`, "sampler.order", order);
  }
  const wrong = length === 0 ? undefined : torch.scope(() => {
    const used = made.narrow(0, 0, length);
    return [used.min().item() as number, used.max().item() as number].find((i) => i < 0 || i >= numbers);
  });
  if (wrong !== undefined) throw expected(`samples' numbers from 0 to ${numbers - 1}`, "sampler.order", wrong);
  return made;
}
