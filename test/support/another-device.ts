import { native } from "../../lib/native.js";
import type { Handle, NativeOverload } from "../../lib/native.js";

// A device for machines that have but one. Its tensors lie in the processor's memory and its kernels are the processor's, so that
// everything runs, forward and backward; but at the door to the binary they say that they are on "cuda:0", and what a tensor comes
// from tells where it is: an operator's result is where its arguments are, or where its `device` says. LibTorch's own "meta" device
// would do the same with no memory at all, but most of its kernels are written in Python and not in LibTorch. Pinned memory is the
// processor's that a tensor says it is in.

/** The device's name. */
export const elsewhere = "cuda:0";

/** What is not to happen between the inputs of a model and its loss. Each comes once. */
export type Fault = string;

let overloads: Map<number, NativeOverload> | undefined;

/** By its number in the addon. */
function overloadOf(op: number): NativeOverload {
  if (overloads === undefined) {
    const names = new Set(native.operatorNames().map((name) => name.split(".")[0]!));
    overloads = new Map([...names].flatMap((name) => native.family(name)).map((overload) => [overload.op, overload]));
  }
  return overloads.get(op)!;
}

const clone = (): number => native.family("aten::clone")[0]!.op;

/** The generator's state, which checkpointing keeps: in the processor's memory whatever the device. */
const onTheHost = ["steppe::random_state", "steppe::set_random_state"];

const handlesOf = (value: unknown): Handle[] => (Array.isArray(value) ? value.flatMap(handlesOf) : typeof value === "number" && value !== 0 ? [value] : []);

export class AnotherDevice {
  readonly #there = new Set<Handle>();
  readonly #pinned = new Set<Handle>();
  readonly #undo: (() => void)[] = [];
  #faults: Set<Fault> | null = null;
  #dtype: string | null = null;

  /** Until {@link remove}, tensors can be made on it and moved to it. */
  install(): void {
    const replace = <Name extends keyof typeof native>(name: Name, make: (original: (typeof native)[Name]) => (typeof native)[Name]): void => {
      const original = native[name];
      native[name] = make(original);
      this.#undo.push(() => void (native[name] = original));
    };
    replace("invoke", (invoke) => (op, ...values) => this.#call(op, values, invoke));
    replace("invokeTensor", (invoke) => (op, ...values) => this.#call(op, values, invoke as typeof native.invoke) as Handle);
    replace("device", (device) => (tensor) => (this.#there.has(tensor) ? elsewhere : device(tensor)));
    replace("fromBytes", (fromBytes) => (...args) => {
      this.#faults?.add("numbers of JavaScript became a tensor");
      return fromBytes(...args);
    });
    replace("toBytes", (toBytes) => (tensor, ...rest) => {
      if (this.#there.has(tensor)) this.#faults?.add("a value was read");
      return toBytes(tensor, ...rest);
    });
    replace("setData", (setData) => (tensor, data) => {
      setData(tensor, data);
      this.#place(tensor, this.#there.has(data));
    });
    replace("grad", (grad) => (tensor) => this.#place(grad(tensor), this.#there.has(tensor)));
    replace("gradients", (gradients) => (outputs, inputs, ...rest) => {
      return gradients(outputs, inputs, ...rest).map((gradient, i) => this.#place(gradient, this.#there.has(inputs[i]!)));
    });
    replace("recordStandIns", (standIns) => (inputs, parameters) => standIns(inputs, parameters).map((standIn, i) => this.#place(standIn, this.#there.has(inputs[i]!))));
    replace("canPin", () => () => true);
    replace("loadBatch", (loadBatch) => async (...args) => {
      const [tensors, order, start, count, transforms, generator, pin] = args;
      const made = await loadBatch(tensors, order, start, count, transforms, generator, false);
      if (pin) for (const tensor of made) this.#pinned.add(tensor);
      return made;
    });
    // Its kernels are the processor's: these are the ones that are to compute in the lower precision.
    replace("swapAutocast", (swap) => (device, ...rest) => swap(device === "cuda" ? "cpu" : device, ...rest));
  }

  remove(): void {
    for (const restore of this.#undo.splice(0)) restore();
  }

  /**
   * Runs what a model does on the device.
   *
   * @param dtype the only floating-point dtype in which it is to make tensors
   * @returns what would be refused, wait for the device, or be copied to it anew in each step: tensors made elsewhere, operators that take
   *   tensors of both, values that are read, and numbers that become tensors; and tensors of another floating-point dtype
   */
  watch(body: () => unknown, dtype: string | null = null): Fault[] {
    const end = this.#begin(dtype);
    try {
      body();
    } finally {
      end();
    }
    return end();
  }

  /** The same of what takes its time. */
  async watchAsync(body: () => Promise<unknown>, dtype: string | null = null): Promise<Fault[]> {
    const end = this.#begin(dtype);
    try {
      await body();
    } finally {
      end();
    }
    return end();
  }

  #begin(dtype: string | null): () => Fault[] {
    const faults = (this.#faults = new Set<Fault>());
    this.#dtype = dtype;
    return () => {
      this.#faults = null;
      return [...faults].sort();
    };
  }

  #place<T extends Handle | null>(tensor: T, there: boolean): T {
    if (tensor === null || tensor === 0) return tensor;
    if (there) this.#there.add(tensor);
    else this.#there.delete(tensor);
    return tensor;
  }

  #call(op: number, values: readonly unknown[], invoke: typeof native.invoke): unknown {
    const { name, arguments: args, returns } = overloadOf(op);
    const given = handlesOf(args.flatMap(({ kind }, i) => (kind === "Tensor" ? [values[i]] : [])));
    const at = args.findIndex(({ kind }, i) => kind === "Device" && typeof values[i] === "string");
    const asked = at < 0 ? null : (values[at] as string);
    const from = given.map((tensor) => this.#there.has(tensor));
    const to = asked === null ? from.includes(true) : asked.startsWith("cuda");
    if (name === "aten::is_pinned") return this.#pinned.has(given[0]!);
    const pins = name === "aten::pin_memory";
    const result = pins ? invoke(clone(), given[0], null) : invoke(op, ...values.map((value, i) => (i === at && to ? "cpu" : value)));
    if (pins) this.#pinned.add(result as Handle);
    const made = returns.flatMap(({ kind, sameAs }, i) => (kind === "Tensor" && sameAs < 0 ? handlesOf(returns.length === 1 ? result : (result as unknown[])[i]) : []));
    const host = onTheHost.includes(name);
    for (const tensor of made) this.#place(tensor, to && !host);
    if (this.#faults === null || host) return result;

    if (asked === null && from.includes(true) && from.includes(false)) this.#faults.add(`${name} took tensors of both devices`);
    else if (asked !== null && from.some((there) => there !== to)) this.#faults.add(`${name} copied to ${asked}`);
    else if (made.length > 0 && !to && asked !== "meta") this.#faults.add(`${name} made a tensor on the processor`);
    for (const tensor of made) {
      const dtype = native.dtype(tensor);
      if (this.#dtype !== null && /float/.test(dtype) && dtype !== this.#dtype) this.#faults.add(`${name} made ${dtype}`);
    }
    return result;
  }
}
