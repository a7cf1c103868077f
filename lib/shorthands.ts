/** Python's short words for conversions, transposes, sizes and more: each is another member of Tensor, an operator or a function, by a shorter name. */
import { call, family } from "./dispatch.js";
import { expected } from "./errors.js";
import { Tensor } from "./tensor.js";
import type { DType } from "./types.js";
import { unique } from "./unique.js";
import type { UniqueOptions } from "./unique.js";

/** Dtypes by the words that C has for them. */
const dtypeWords = {
  float: "float32",
  double: "float64",
  half: "float16",
  bfloat16: "bfloat16",
  long: "int64",
  int: "int32",
  short: "int16",
  char: "int8",
  byte: "uint8",
  bool: "bool",
} as const satisfies Record<string, DType>;

/** Members of Tensor. A conversion gives the tensor itself where nothing changes; a transpose is a view of the same memory. */
export interface TensorShorthands {
  /** `to("float32")` */
  float(): Tensor;
  /** `to("float64")` */
  double(): Tensor;
  /** `to("float16")` */
  half(): Tensor;
  /** `to("bfloat16")` */
  bfloat16(): Tensor;
  /** `to("int64")`: what is behind the point is dropped. */
  long(): Tensor;
  /** `to("int32")`: what is behind the point is dropped. */
  int(): Tensor;
  /** `to("int16")`: what is behind the point is dropped. */
  short(): Tensor;
  /** `to("int8")`: what is behind the point is dropped. */
  char(): Tensor;
  /** `to("uint8")`: what is behind the point is dropped. */
  byte(): Tensor;
  /** `to("bool")`: whether it differs from 0. */
  bool(): Tensor;
  /** `to("cpu")` */
  cpu(): Tensor;
  /**
   * `to("cuda:0")`
   *
   * @param index of the GPU; default 0
   */
  cuda(index?: number): Tensor;
  /** With its dimensions in reverse order, [a, b] → [b, a]; PyTorch means it for matrices and warns of others. */
  readonly T: Tensor;
  /** With its last two dimensions swapped, […, a, b] → […, b, a]. */
  readonly mT: Tensor;
  /** The conjugate of a matrix, transposed. */
  readonly H: Tensor;
  /** {@link mT}, conjugated. */
  readonly mH: Tensor;
  /** Number of dimensions: `dim()`. */
  readonly ndim: number;
  /** Number of elements: `numel()`. */
  nelement(): number;
  /** Bytes that its elements take: `numel()` times `itemSize`. */
  readonly nbytes: number;
  /** Its different elements: `torch.unique` of it. */
  unique(options: UniqueOptions & { returnInverse: true; returnCounts: true }): [values: Tensor, inverse: Tensor, counts: Tensor];
  unique(options: UniqueOptions & { returnInverse: true; returnCounts?: false }): [values: Tensor, inverse: Tensor];
  unique(options: UniqueOptions & { returnInverse?: false; returnCounts: true }): [values: Tensor, counts: Tensor];
  unique(options?: UniqueOptions & { returnInverse?: false; returnCounts?: false }): Tensor;
}

const transposes = { T: "aten::numpy_T", mT: "aten::mT", H: "aten::matrix_H", mH: "aten::mH" };

function method(name: string, value: (this: Tensor, ...args: never[]) => unknown): void {
  Object.defineProperty(Tensor.prototype, name, { value, writable: true, configurable: true, enumerable: false });
}

function property(name: string, get: (this: Tensor) => unknown): void {
  Object.defineProperty(Tensor.prototype, name, { get, configurable: true, enumerable: false });
}

/** Puts them on Tensor. */
export function installShorthands(): void {
  for (const [name, dtype] of Object.entries(dtypeWords)) {
    method(name, function () {
      return this.to(dtype);
    });
  }
  method("cpu", function () {
    return this.to("cpu");
  });
  method("cuda", function (index: number = 0) {
    if (!Number.isSafeInteger(index) || index < 0) throw expected("the number of a GPU", "index", index);
    return this.to(`cuda:${index}`);
  });
  for (const [name, operator] of Object.entries(transposes)) {
    property(name, function () {
      return call(family(operator), [this]);
    });
  }
  property("ndim", function () {
    return this.dim();
  });
  method("nelement", function () {
    return this.numel();
  });
  property("nbytes", function () {
    return this.numel() * this.itemSize;
  });
  method("unique", function (options?: UniqueOptions & { returnInverse?: false; returnCounts?: false }) {
    return unique(this, options);
  });
}
