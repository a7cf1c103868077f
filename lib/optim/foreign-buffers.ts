import { noGrad } from "../autograd.js";
import { adopt } from "../dispatch.js";
import { native } from "../native.js";
import type { Module } from "../nn/module.js";
import { notingModes } from "../nn/modes.js";
import type { Tensor } from "../tensor.js";
import type { Collected } from "./groups.js";

/** Thrown out of a recording that has met some, to begin again with them. */
export class ForeignBuffersFound extends Error {}

/** Out of the scope and out of sight of a recording that is under way. */
function copyOf(buffer: Tensor): Tensor {
  const copy = adopt(native.copyUnrecorded(buffer.handle))!;
  native.moveToScope(copy.handle, 0);
  return copy;
}

/**
 * Buffers of modules that an optimizer does not know, which are met as the loss function runs: the statistics of a body, say, under
 * the head that is trained. They are saved before they move, and made known to the optimizer afterwards.
 */
export class ForeignBuffers {
  readonly #before = new Map<Tensor, Tensor>();
  /** After the first pass. */
  readonly #after = new Map<Tensor, Tensor>();
  #passes = 0;

  constructor(readonly collected: Collected) {}

  get found(): boolean {
    return this.#before.size > 0;
  }

  /** Runs the loss function: one pass. `seen` gets the modules whose mode it looks at. */
  watch<T>(body: () => T, seen = new Map<Module, boolean>()): T {
    if (this.#passes++ === 1) for (const buffer of this.#before.keys()) this.#after.set(buffer, copyOf(buffer));
    return notingModes((module, training) => {
      if (!seen.has(module) && training) this.#save(module);
      seen.set(module, training);
    }, body);
  }

  #save(module: Module): void {
    for (const buffer of module.buffers({ recurse: false })) {
      if (!this.#before.has(buffer) && !this.collected.buffers.includes(buffer)) this.#before.set(buffer, copyOf(buffer));
    }
  }

  /** As they were before. */
  putBack(): void {
    this.#set((_, before) => before);
  }

  /** As the first pass left them: it is the one that moves them. */
  settle(): void {
    if (this.#passes > 1) this.#set((buffer, before) => this.#after.get(buffer) ?? before);
  }

  /** Makes them known to the optimizer. No step may be under way. */
  addTo(engine: number): void {
    const buffers = [...this.#before.keys()];
    if (buffers.length === 0) return;
    native.engineAddBuffers(engine, buffers.map((buffer) => buffer.handle));
    this.collected.buffers.push(...buffers);
    for (const copy of [...this.#before.values(), ...this.#after.values()]) copy.dispose();
    this.#before.clear();
  }

  #set(value: (buffer: Tensor, before: Tensor) => Tensor): void {
    noGrad(() => {
      for (const [buffer, before] of this.#before) buffer.copy_(value(buffer, before));
    });
  }
}
