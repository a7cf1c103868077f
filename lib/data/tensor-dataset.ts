import { SteppeError, expected } from "../errors.js";
import { Tensor } from "../tensor.js";
import { torch } from "../torch.js";
import type { Device } from "../types.js";

/** Samples by number, of which a loader makes batches. */
export interface Dataset<Batch> {
  /** The number of samples. */
  readonly length: number;
  /** The samples at `indices` (int64 [n], on the CPU) as one batch, in that order, or a promise of it. */
  batch(indices: Tensor): Batch | Promise<Batch>;
}

/** A data set that knows the class of each sample before it is made, as {@link ImageFolder}: `data.fractionPerClass` and `data.labelNoise` take it. */
export interface LabelledDataset<Batch> extends Dataset<Batch> {
  /** The number of each sample's class. */
  readonly labels: readonly number[];
  /**
   * Some of the samples, by number and in that order.
   *
   * @param labels of each of them another label; left out, their own
   */
  take(indices: readonly number[], labels?: readonly number[]): LabelledDataset<Batch>;
}

/**
 * A data set in memory: tensors whose first dimension counts the samples. A batch holds the same rows of each.
 *
 * @example
 * const set = new data.TensorDataset(images, labels); // [60000, 1, 28, 28], [60000]
 * const [x, y] = set.batch(torch.tensor([5, 2, 7], { dtype: "int64" }));
 */
export class TensorDataset<T extends readonly [Tensor, ...Tensor[]]> implements Dataset<T> {
  readonly tensors: T;

  /** @throws SteppeError `ARGUMENT` for no tensor at all, or tensors of different lengths */
  constructor(...tensors: T) {
    for (const tensor of tensors as readonly unknown[]) {
      if (!(tensor instanceof Tensor) || tensor.dim() === 0) throw expected("a tensor of at least one dimension", "a TensorDataset", tensor);
    }
    if (tensors.length === 0) throw expected("one or more tensors", "a TensorDataset", undefined);
    const lengths = new Set(tensors.map((tensor) => tensor.shape[0]));
    if (lengths.size !== 1) throw new SteppeError("ARGUMENT", `Expected tensors of the same length for a TensorDataset but received lengths of ${[...lengths].join(" and ")}.`);
    this.tensors = tensors;
  }

  get length(): number {
    return this.tensors[0].shape[0]!;
  }

  batch(indices: Tensor): T {
    return this.#map((tensor) => {
      if (tensor.device === "cpu") return tensor.indexSelect(0, indices);
      return torch.scope(() => tensor.indexSelect(0, indices.to(tensor.device)));
    });
  }

  /** The samples from `start` up to, not including, `end`, in the same memory. */
  slice(start: number, end: number): TensorDataset<T> {
    const valid = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end && end <= this.length;
    if (!valid) throw expected(`0 ≤ start ≤ end ≤ ${this.length}`, "a slice", `${start} to ${end}`);
    return new TensorDataset(...this.#map((tensor) => tensor.narrow(0, start, end - start)));
  }

  /** The same data on another device; the very same tensors where they are there already. */
  to(device: Device): TensorDataset<T> {
    return new TensorDataset(...this.#map((tensor) => tensor.to(device)));
  }

  #map(fn: (tensor: Tensor) => Tensor): T {
    return this.tensors.map(fn) as readonly Tensor[] as T;
  }
}
