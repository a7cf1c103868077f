import { native } from "../native.js";
import { Tensor } from "../tensor.js";

let warned = false;

/** Whether batches are to be pinned: asked for, and there is a device that copies from pinned memory. Warns once where there is none, as PyTorch. */
export function pinning(asked: boolean): boolean {
  if (!asked || native.canPin()) return asked;
  if (!warned) process.emitWarning("Expected an accelerator for the loader's option pin but there is none: batches stay in ordinary memory.", "SteppeWarning");
  warned = true;
  return false;
}

/** The same batch with its tensors in pinned memory: of arrays and plain objects all, down to any depth. */
export function pinned<T>(value: T): T {
  if (value instanceof Tensor) return (value.device === "cpu" ? value.pinMemory() : value) as T;
  if (Array.isArray(value)) return value.map(pinned) as T;
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, pinned(each)])) as T;
}
