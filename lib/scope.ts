import { AsyncLocalStorage } from "node:async_hooks";
import { SteppeError, expected } from "./errors.js";
import { native } from "./native.js";
import { recording } from "./recording.js";
import { Tensor } from "./tensor.js";

/**
 * A scope frees at its end the tensors that were made in it. Which scope is current is a plain number in the addon. Only
 * while asynchronous scopes are open does each operator ask Node's asynchronous context where it runs, so that scopes that
 * run interleaved do not mix and synchronous code does not pay.
 */
const context = new AsyncLocalStorage<number>();
let lastScope = 0;
let current = 0;
let openAsync = 0;

function setCurrent(scope: number): void {
  if (scope === current) return;
  current = scope;
  native.setScope(scope);
}

/** Before anything creates a tensor: makes the scope of the asynchronous context at hand the current one. */
export function followContext(): void {
  if (openAsync > 0) setCurrent(context.getStore() ?? 0);
}

/**
 * Runs `body`, then frees every tensor that was made in it, except those in its result (a tensor, or tensors anywhere in
 * arrays, objects, maps and sets) and those given to {@link keep}. Scopes nest: what leaves one belongs to the next outer one.
 * When `body` throws, everything made in it is freed.
 *
 * `body` may be asynchronous: the scope then ends when its promise settles, and interleaved scopes do not mix.
 *
 * @returns what `body` returns
 * @example
 * const variance = torch.scope(() => x.sub(x.mean()).pow(2).mean()); // three intermediate tensors are gone
 */
export function scope<T>(body: () => T): T {
  if (typeof body !== "function") throw expected("a function", "scope", body);
  followContext();
  const outer = current;
  const id = ++lastScope;
  setCurrent(id);
  let result: T;
  try {
    result = context.run(id, body);
  } catch (error) {
    setCurrent(outer);
    native.releaseScope(id);
    throw error;
  }
  setCurrent(outer);
  if (!isPromiseLike(result)) return leave(id, outer, result);
  openAsync++;
  const closed = <V>(end: () => V): V => {
    openAsync--;
    if (openAsync === 0) setCurrent(0);
    return end();
  };
  return result.then(
    (value) => closed(() => leave(id, outer, value)),
    (error: unknown) =>
      closed(() => {
        native.releaseScope(id);
        throw error;
      }),
  ) as T;
}

/**
 * Takes a tensor out of the current scope: it lives until it is disposed of, or until nobody holds it.
 *
 * @returns the tensor itself
 */
export function keep<T extends Tensor>(tensor: T): T {
  if (!(tensor instanceof Tensor)) throw expected("a Tensor", "tensor", tensor);
  if (recording.byShapes) throw new SteppeError("RECORD", "A tensor that is kept beyond a recording needs its values.");
  native.moveToScope(tensor.handle, 0);
  return tensor;
}

/** Runs what makes tensors for later: they belong to no scope, whichever is open where they are asked for. */
export function outsideScopes<T>(body: () => T): T {
  followContext();
  const outer = current;
  setCurrent(0);
  try {
    return context.run(0, body);
  } finally {
    setCurrent(outer);
  }
}

/** Gives tensors that came from another thread to the scope of the code at hand, as if they had been made in it. */
export function adopt(tensors: readonly Tensor[]): void {
  followContext();
  for (const tensor of tensors) native.moveToScope(tensor.handle, current);
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

function leave<T>(id: number, outer: number, result: T): T {
  moveTensors(result, outer, new Set());
  native.releaseScope(id);
  return result;
}

/** Moves every tensor that can be reached from a value to another scope. */
function moveTensors(value: unknown, to: number, seen: Set<object>): void {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || seen.has(value)) return;
  seen.add(value);
  if (value instanceof Tensor) {
    native.moveToScope(value.handle, to);
  } else if (value instanceof Map || value instanceof Set) {
    for (const element of value.values()) moveTensors(element, to, seen);
  } else {
    for (const element of Object.values(value)) moveTensors(element, to, seen);
  }
}
