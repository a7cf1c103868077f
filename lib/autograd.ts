import { adopt } from "./dispatch.js";
import { SteppeError, checkKeys, expected } from "./errors.js";
import { native, type Handle } from "./native.js";
import { Tensor } from "./tensor.js";

interface GraphOptions {
  /** dL/d(output) for each output; null where an output has one element and 1 is meant. */
  gradOutputs?: Tensor | readonly (Tensor | null)[] | null;
  /** Keep the graph for another backward; default: the value of `createGraph`. */
  retainGraph?: boolean;
  /** Record the backward itself, for higher derivatives; default false. */
  createGraph?: boolean;
}

/** Keyword arguments of {@link backward}. */
export interface BackwardOptions extends GraphOptions {
  /** Accumulate into these leaves only; default: all leaves that the outputs depend on. */
  inputs?: Tensor | readonly Tensor[];
}

/** Keyword arguments of {@link grad}. */
export interface GradOptions extends GraphOptions {
  /** Give null for inputs that no output depends on, instead of throwing; default false. */
  allowUnused?: boolean;
}

function tensorList(value: unknown, name: string): Tensor[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  for (const [i, element] of list.entries()) {
    if (!(element instanceof Tensor)) throw expected("a Tensor", Array.isArray(value) ? `${name}[${i}]` : name, element);
  }
  if (list.length === 0) throw expected("at least one Tensor", name, value);
  return list as Tensor[];
}

function seedsFor(outputs: readonly Tensor[], gradOutputs: GraphOptions["gradOutputs"]): (Handle | null)[] {
  const given = gradOutputs instanceof Tensor ? [gradOutputs] : (gradOutputs ?? outputs.map(() => null));
  if (!Array.isArray(given) || given.length !== outputs.length) throw expected(`${outputs.length} tensors, one per output,`, "gradOutputs", gradOutputs);
  return (given as unknown[]).map((seed, i) => {
    if (seed === null || seed === undefined) return null;
    if (!(seed instanceof Tensor)) throw expected("a Tensor or null", `gradOutputs[${i}]`, seed);
    return seed.handle;
  });
}

const handles = (list: readonly Tensor[]): Handle[] => list.map((tensor) => tensor.handle);

/**
 * Accumulates the gradients of the outputs' sum into the `grad` of every leaf that they depend on.
 *
 * @throws SteppeError `OPERATOR` if an output of several elements has no gradient given, or if the graph is gone
 */
export function backward(outputs: Tensor | readonly Tensor[], options: BackwardOptions = {}): void {
  checkKeys(options, ["gradOutputs", "retainGraph", "createGraph", "inputs"]);
  const { gradOutputs, retainGraph = null, createGraph = false, inputs } = options;
  const from = tensorList(outputs, "outputs");
  native.backward(handles(from), seedsFor(from, gradOutputs), retainGraph, createGraph, inputs === undefined ? [] : handles(tensorList(inputs, "inputs")));
}

/**
 * The gradients of the outputs' sum with respect to each input, as `torch.autograd.grad`. Touches no `.grad`.
 *
 * @returns one tensor per input, of its shape (null for an unused one with `allowUnused`)
 * @throws SteppeError `OPERATOR` if an input is not part of the graph, or if the graph is gone
 * @example
 * const [g] = torch.autograd.grad(y, [x], { createGraph: true });
 */
export function grad(outputs: Tensor | readonly Tensor[], inputs: Tensor | readonly Tensor[], options: GradOptions & { allowUnused: true }): (Tensor | null)[];
export function grad(outputs: Tensor | readonly Tensor[], inputs: Tensor | readonly Tensor[], options?: GradOptions): Tensor[];
export function grad(outputs: Tensor | readonly Tensor[], inputs: Tensor | readonly Tensor[], options: GradOptions = {}): (Tensor | null)[] {
  checkKeys(options, ["gradOutputs", "retainGraph", "createGraph", "allowUnused"]);
  const from = tensorList(outputs, "outputs");
  const to = tensorList(inputs, "inputs");
  const { retainGraph = null, createGraph = false, allowUnused = false } = options;
  return native.gradients(handles(from), handles(to), seedsFor(from, options.gradOutputs), retainGraph, createGraph, allowUnused).map(adopt);
}

function withGradMode<T>(enabled: boolean, body: () => T, name: string): T {
  if (typeof body !== "function") throw expected("a function", name, body);
  const before = native.gradMode();
  native.setGradMode(enabled);
  let result: T;
  try {
    result = body();
  } finally {
    native.setGradMode(before);
  }
  if (typeof (result as { then?: unknown } | null | undefined)?.then === "function") {
    throw new SteppeError(
      "ARGUMENT",
      `Expected a synchronous function for ${name} but received one that returns a promise: it would run on after ${name} has ended. Put ${name} around the synchronous parts in it.`,
    );
  }
  return result;
}

/** Runs a synchronous function without recording operators for backward, and returns its result. */
export function noGrad<T>(body: () => T): T {
  return withGradMode(false, body, "noGrad");
}

/** Runs a synchronous function with recording for backward, also inside {@link noGrad}. */
export function enableGrad<T>(body: () => T): T {
  return withGradMode(true, body, "enableGrad");
}

/** Whether operators are being recorded for backward. */
export function isGradEnabled(): boolean {
  return native.gradMode();
}
