import { createHash } from "node:crypto";

/** A set in its parts: to train on, to tune by, to test by. All hold items in the set's own order. */
export interface Parts<Item> {
  /** What is trained on. */
  readonly train: readonly Item[];
  /** What settings are chosen by. */
  readonly validation: readonly Item[];
  /** What is kept for the end. */
  readonly test: readonly Item[];
}

/**
 * Eight items in ten to train on, one to tune by and one to test by. Which part an item goes to depends on its key alone (its
 * SHA-256): on no random generator, and not on what else is in the set. Items of one key are never in two parts.
 */
export function partsByHash<Item>(items: readonly Item[], keyOf: (item: Item) => string): Parts<Item> {
  const part = items.map((item) => {
    const draw = createHash("sha256").update(keyOf(item)).digest().readUInt32BE(0) / 2 ** 32;
    return draw < 0.8 ? "train" : draw < 0.9 ? "validation" : "test";
  });
  const of = (name: string) => items.filter((_, i) => part[i] === name);
  return { train: of("train"), validation: of("validation"), test: of("test") };
}
