/** Numbers from 0 to 1 that depend on the seed only. */
export function randomNumbers(seed: number): () => number;

/** A copy with a few bytes changed, cut out, put in, doubled or cut off, and now and then a whole number. */
export function damage(bytes: Uint8Array, random: () => number): Buffer;
