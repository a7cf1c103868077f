import { createHash } from "node:crypto";
import { SteppeError, describe, expected } from "../errors.js";
import type { Tensor } from "../tensor.js";

/** Where a loader is, to go on from later: plain JSON. */
export interface LoaderState {
  /** The pass that is under way, or the next one. */
  epoch: number;
  /** How many of its batches were given. */
  batch: number;
  /** In the middle of a pass: whose batches they were. A state without it is taken at its word. */
  of?: PassIdentity;
}

/** What decides which samples each batch of a pass has, and what transforms draw. */
export interface PassIdentity {
  /** Samples of a pass: the length of the sampler. */
  samples: number;
  /** Samples of a batch. */
  batchSize: number;
  /** The loader's seed. */
  seed: number;
  /** A hash of the order of the samples in this pass. */
  order: string;
}

/** A hash of the first samples of an order. */
export function hashOf(order: Tensor, samples: number): string {
  return createHash("sha256").update(order.contiguous().toBytes().subarray(0, 8 * samples)).digest("hex").slice(0, 16);
}

/** @throws SteppeError `ARGUMENT` unless numbers are where they must be */
export function checkState(state: LoaderState): void {
  const { epoch, batch } = state ?? {};
  if (!Number.isSafeInteger(epoch) || epoch < 0) throw expected("a non-negative integer", "state.epoch", epoch);
  if (!Number.isSafeInteger(batch) || batch < 0) throw expected("a non-negative integer", "state.batch", batch);
  const { of } = state;
  if (of !== undefined && (typeof of !== "object" || of === null)) throw expected("an object", "state.of", of);
}

const shown = (value: unknown) => (typeof value === "number" ? String(value) : describe(value));
const words: Readonly<Record<keyof PassIdentity, string>> = { samples: "number of samples", batchSize: "batchSize", seed: "seed", order: "order of samples" };

/**
 * Compares a loader with the one that a state comes from.
 *
 * @throws SteppeError `ARGUMENT` that names what differs: the rest of the pass would hold other samples than those that are left
 */
export function checkIdentity({ epoch, of }: LoaderState, own: Omit<PassIdentity, "order">, order: () => string): void {
  if (of === undefined) return;
  const differ = (name: keyof PassIdentity, mine: unknown) => {
    if (of[name] === mine) return;
    const found = name === "order" ? "another one: the sampler, its seed or its weights differ" : shown(mine);
    throw new SteppeError("ARGUMENT", `Expected a loader with the ${words[name]} of the state${name === "order" ? `, in pass ${epoch},` : ` (${shown(of[name])})`} but received ${found}. What is left of a pass that is under way can only go on as it began: set \`epoch\` to ${epoch + 1} to begin the next one, or to ${epoch} to repeat it.`);
  };
  for (const name of ["samples", "batchSize", "seed"] as const) differ(name, own[name]);
  differ("order", order());
}
