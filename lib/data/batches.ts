import { native } from "../native.js";
import { adopt, outsideScopes } from "../scope.js";
import { Tensor } from "../tensor.js";
import { applyRest, partsOf } from "./native-transform.js";
import { pinned } from "./pin.js";
import { TensorDataset } from "./tensor-dataset.js";
import type { Generator as Random } from "../random.js";
import type { Transform } from "./native-transform.js";
import type { Dataset } from "./tensor-dataset.js";

/** Which rows of a pass's order a batch holds, and what its transforms draw from. */
export interface Place {
  order: Tensor;
  start: number;
  count: number;
  /** Made when it is wanted: null where nothing is drawn. */
  random: Random | null;
}

/** A batch that is on its way: never an unhandled rejection, whoever asks or not. */
export interface Pending {
  outcome: Promise<{ batch: unknown } | { error: unknown }>;
  /** What is left to do with the batch where it is asked for. */
  finish(batch: unknown): unknown;
  /** Lets go of what nobody will see. */
  drop(): void;
}

/** Makes the batches of a data set. */
export class Batches {
  readonly #dataset: Dataset<unknown>;
  readonly #transform: Transform | undefined;
  readonly #pin: boolean;
  /** Whether batches are made beside this thread: it is worth asking for them early. A data set of one's own shows it by its first promise. */
  ahead: boolean;

  constructor(dataset: Dataset<unknown>, transform: Transform | undefined, pin: boolean) {
    this.#dataset = dataset;
    this.#transform = transform;
    this.#pin = pin;
    // A subclass may make its batches otherwise.
    this.ahead = dataset instanceof TensorDataset && dataset.batch === TensorDataset.prototype.batch;
  }

  /** Here and now, or a promise where the data set gives one. */
  make(place: Place): unknown {
    const { order, start, count } = place;
    const indices = order.narrow(0, start, count);
    const batch = this.#dataset.batch(indices);
    if (!isPromise(batch)) {
      indices.dispose();
      return this.#finish(batch, place);
    }
    return batch.then((made) => this.#finishBeside(made, place)).finally(() => indices.dispose());
  }

  /** Beside this thread if that is possible: rows in memory on the loading thread. Tensors belong to no scope until they are asked for. */
  start(place: Place): Pending {
    return outsideScopes(() => this.#start(place));
  }

  #start(place: Place): Pending {
    if (this.#dataset instanceof TensorDataset && this.ahead) return this.#startNative(this.#dataset, place);
    let made: unknown;
    try {
      made = this.make(place);
    } catch (error) {
      return { outcome: Promise.resolve({ error }), finish: (batch) => batch, drop: () => {} };
    }
    this.ahead ||= isPromise(made);
    return { outcome: settled(Promise.resolve(made)), finish: (batch) => batch, drop: () => {} };
  }

  #startNative(dataset: TensorDataset<readonly [Tensor, ...Tensor[]]>, { order, start, count, random }: Place): Pending {
    const { native: known, rest } = this.#transform === undefined ? { native: [], rest: [] } : partsOf(this.#transform);
    const load = async () => {
      const handles = dataset.tensors.map(({ handle }) => handle);
      const loaded = await native.loadBatch(handles, order.handle, start, count, known, random?.id ?? 0, this.#pin && rest.length === 0);
      const batch = loaded.map((handle) => new Tensor(handle));
      adopt(batch);
      return batch;
    };
    const tensors = load();
    const finish = (batch: unknown) => {
      adopt(batch as Tensor[]);
      return rest.length === 0 ? batch : this.#pinned(applyRest(rest, batch, random!));
    };
    const drop = () => void tensors.then((batch) => batch.forEach((tensor) => tensor.dispose()), () => {});
    return { outcome: settled(tensors), finish, drop };
  }

  /** As `finish`, with native transforms on the loading thread. */
  async #finishBeside(batch: unknown, place: Place): Promise<unknown> {
    const { native: known, rest } = this.#transform === undefined ? { native: [], rest: [] } : partsOf(this.#transform);
    if (known.length === 0 || !Array.isArray(batch) || !batch.every((each) => each instanceof Tensor)) return this.#finish(batch, place);
    const handles = (batch as Tensor[]).map(({ handle }) => handle);
    const made = (await native.loadBatch(handles, 0, 0, 0, known, place.random!.id, this.#pin && rest.length === 0)).map((handle) => new Tensor(handle));
    adopt(made);
    return rest.length === 0 ? made : this.#pinned(applyRest(rest, made, place.random!));
  }

  #finish(batch: unknown, { random }: Place): unknown {
    return this.#pinned(this.#transform === undefined ? batch : this.#transform(batch as never, random!));
  }

  #pinned(batch: unknown): unknown {
    return this.#pin ? pinned(batch) : batch;
  }
}

function settled(promise: Promise<unknown>): Pending["outcome"] {
  return promise.then((batch) => ({ batch }), (error: unknown) => ({ error }));
}

export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
