import { inspect } from "node:util";
import { backward } from "./autograd.js";
import { convert, type ToOptions } from "./conversion.js";
import { adopt, call, family } from "./dispatch.js";
import { SteppeError, checkKeys, expected } from "./errors.js";
import { native, type Handle } from "./native.js";
import { settle, type Nest } from "./nest.js";
import type { TensorMethods } from "./ops.generated.js";
import { format } from "./printing.js";
import { readArray, readItem, readTypedArray, type NestedArray } from "./reading.js";
import type { TensorShorthands } from "./shorthands.js";
import type { TypedArray } from "./dtype.js";
import type { Device, DType, Layout, Scalar } from "./types.js";

/** Keyword arguments of {@link Tensor.backward}. */
export interface BackwardOptions {
  /** dL/d(this), of this tensor's shape. Needed unless this tensor has one element. */
  gradient?: Tensor | null;
  /** Keep the graph for another backward; default: the value of `createGraph`. */
  retainGraph?: boolean;
  /** Record the backward itself, for higher derivatives; default false. */
  createGraph?: boolean;
  /** Accumulate into these leaves only; default: all leaves that it depends on. */
  inputs?: readonly Tensor[];
}

// Every public operator whose first argument is `self` is a method: see ops.generated.ts, and install.ts for their bodies.
export interface Tensor extends TensorMethods, TensorShorthands {}

/**
 * An n-dimensional array of one dtype on one device: LibTorch's own, held by number.
 *
 * Made by `torch.tensor`, by factories such as `torch.zeros`, and by operators. Its memory is freed when its scope ends, by
 * {@link dispose} (or `using`), or, with no help, some time after nobody holds the object any more.
 */
export class Tensor {
  /** @internal The tensor's number in the addon. */
  readonly handle: Handle;
  readonly #nest: Nest;

  /** @internal Use `torch.tensor` and its kin. */
  constructor(handle: Handle) {
    this.handle = handle;
    this.#nest = settle(this, handle);
  }

  /** Its sizes, one per dimension; [] for a scalar. */
  get shape(): readonly number[] {
    return native.shape(this.handle);
  }

  get dtype(): DType {
    return native.dtype(this.handle) as DType;
  }

  /** "cpu", "cuda:0", … */
  get device(): Device {
    return native.device(this.handle) as Device;
  }

  get layout(): Layout {
    return native.layout(this.handle) as Layout;
  }

  /** Number of dimensions. */
  dim(): number {
    return native.dim(this.handle);
  }

  /** Number of elements. */
  numel(): number {
    return native.numel(this.handle);
  }

  /** All sizes, or that of one dimension (negative ones count from the end). */
  size(): readonly number[];
  size(dim: number): number;
  size(dim?: number): readonly number[] | number {
    return dim === undefined ? this.shape : this.shape[this.#dimension(dim)]!;
  }

  /** Steps in memory from one element to the next, in elements; of all dimensions or of one. */
  stride(): readonly number[];
  stride(dim: number): number;
  stride(dim?: number): readonly number[] | number {
    const strides = native.stride(this.handle);
    return dim === undefined ? strides : strides[this.#dimension(dim)]!;
  }

  #dimension(dim: number): number {
    const count = this.dim();
    if (!Number.isInteger(dim) || dim < -count || dim >= count) {
      throw expected(count === 0 ? "no dimension (the tensor is a scalar)" : `an integer from ${-count} to ${count - 1}`, "dim", dim);
    }
    return dim < 0 ? dim + count : dim;
  }

  /** Bytes per element. */
  get itemSize(): number {
    return native.itemSize(this.handle);
  }

  /** Where its first element lies in its storage, in elements. */
  get storageOffset(): number {
    return native.storageOffset(this.handle);
  }

  /** @internal The address of its data, to tell whether two tensors share memory. */
  get dataPointer(): string {
    return native.dataPointer(this.handle);
  }

  /** Whether gradients are computed for it. Can be set on leaves of a floating-point or complex dtype. */
  get requiresGrad(): boolean {
    return native.requiresGrad(this.handle);
  }

  set requiresGrad(value: boolean) {
    if (typeof value !== "boolean") throw expected("a boolean", "requiresGrad", value);
    native.setRequiresGrad(this.handle, value);
  }

  /** Sets {@link requiresGrad}; default true. */
  requiresGrad_(value = true): this {
    this.requiresGrad = value;
    return this;
  }

  /** The gradient that {@link backward} has accumulated, or null. */
  get grad(): Tensor | null {
    return adopt(native.grad(this.handle));
  }

  set grad(value: Tensor | null) {
    if (value !== null && !(value instanceof Tensor)) throw expected("a Tensor or null", "grad", value);
    native.setGrad(this.handle, value === null ? null : value.handle);
  }

  /** Whether it was made by the user rather than computed from tensors that require gradients. */
  get isLeaf(): boolean {
    return native.isLeaf(this.handle);
  }

  /** The name of the autograd node that made it, or null for a leaf. */
  get gradFn(): string | null {
    return native.gradFn(this.handle);
  }

  /** Keep the gradient of a tensor that is no leaf, too. */
  retainGrad(): void {
    native.retainGrad(this.handle);
  }

  /**
   * The same data outside autograd. Setting it gives the tensor other data (also of another dtype or device) and leaves the
   * object, and whoever holds it, as it is.
   */
  get data(): Tensor {
    return this.detach();
  }

  set data(value: Tensor) {
    if (!(value instanceof Tensor)) throw expected("a Tensor", "data", value);
    native.setData(this.handle, value.handle);
  }

  /**
   * Accumulates dL/dx into `x.grad` of every leaf x that this tensor depends on.
   *
   * @param options the gradient of this tensor, or an object with it and others
   * @throws SteppeError `OPERATOR` if no gradient is given and it has more than one element, or if the graph is gone
   */
  backward(options: Tensor | BackwardOptions | null = {}): void {
    const given = options instanceof Tensor ? { gradient: options } : (options ?? {});
    checkKeys(given, ["gradient", "retainGraph", "createGraph", "inputs"]);
    const { gradient = null, ...others } = given;
    if (gradient !== null && !(gradient instanceof Tensor)) throw expected("a Tensor or null", "gradient", gradient);
    backward(this, { gradOutputs: gradient, ...others });
  }

  /**
   * The value of a tensor of one element.
   *
   * @throws SteppeError `ARGUMENT` if it has another number of elements
   */
  item(): number | bigint | boolean | { re: number; im: number } {
    return readItem(this);
  }

  /** Its values as nested arrays; a scalar gives its value. Integers beyond 2⁵³ come as bigint, complex numbers as {re, im}. */
  toArray(): NestedArray {
    return readArray(this);
  }

  /**
   * A copy of its values in row-major order. float16, bfloat16 and float8 come as Float32Array, bool as Uint8Array, int64 as
   * BigInt64Array, complex numbers as pairs.
   */
  toTypedArray(): TypedArray {
    return readTypedArray(this);
  }

  /** A copy of its bytes in row-major order, little-endian, as safetensors holds them. */
  toBytes(): Uint8Array {
    return new Uint8Array(native.toBytes(this.handle, null, "toBytes()"));
  }

  /**
   * It in another dtype or on another device: itself if it is so already.
   *
   * @example
   * x.to("float64"); x.to("cuda:0"); x.to({ dtype: "bfloat16", device: "cuda", nonBlocking: true }); x.to(y);
   */
  to(target: DType | Device | Tensor | ToOptions, options: ToOptions = {}): Tensor {
    return convert(this, target, options);
  }

  /** Its elements where the condition holds, those of `other` elsewhere: `torch.where` from this side. */
  where(condition: Tensor, other: Tensor | Scalar): Tensor {
    return call(family("aten::where"), [condition, this, other]) as Tensor;
  }

  /** Whether its memory is still there. */
  get isAlive(): boolean {
    return native.alive(this.handle);
  }

  /** Frees it now. Using it afterwards throws; other tensors over the same storage stay. Can be called twice. */
  dispose(): void {
    native.release(this.handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  toString(): string {
    return format(this);
  }

  [inspect.custom](): string {
    return format(this);
  }

  /** A number where JavaScript wants one; only for one element. */
  valueOf(): unknown {
    return this.isAlive && this.numel() === 1 && !this.dtype.startsWith("complex") ? this.item() : this;
  }

  /**
   * A number where JavaScript wants one (`+t`, `t < 1`, `t * 2`), text where it wants text.
   *
   * @throws SteppeError `ARGUMENT` for a number of more or less than one element, or of a complex one: operators work on tensors by their names
   */
  [Symbol.toPrimitive](hint: string): unknown {
    const value = hint === "string" ? this : this.valueOf();
    if (value !== this) return value;
    if (hint !== "number") return this.toString();
    const what = this.numel() === 1 ? `a ${this.dtype} number` : `a tensor of ${this.numel()} elements`;
    throw new SteppeError("ARGUMENT", `Expected a tensor of one real number where JavaScript wants a number (+t, t < 1, t * 2) but received ${what}. Tensors have methods for it: t.mul(2), t.lt(1), t.item().`);
  }
}
