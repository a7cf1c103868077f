/** Numbers from 0 to 1 that depend on the seed only (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A copy of the bytes with a few of them changed, cut out, put in or cut off. */
export function damage(bytes: Uint8Array, random: () => number): Buffer {
  let result = Buffer.from(bytes);
  const below = (n: number) => Math.floor(random() * n);
  const interesting = [0, 1, 0x22, 0x2c, 0x30, 0x39, 0x5b, 0x7b, 0x7d, 0x7f, 0x80, 0xff];
  for (let i = 1 + below(4); i > 0 && result.length > 0; i--) {
    const at = below(result.length);
    switch (below(5)) {
      case 0:
        result[at] = below(256);
        break;
      case 1:
        result[at] = interesting[below(interesting.length)]!;
        break;
      case 2:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + 1 + below(8))]);
        break;
      case 3:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at - below(at + 1), at), result.subarray(at)]);
        break;
      default:
        result = result.subarray(0, random() < 0.2 ? at : result.length);
    }
  }
  return result;
}
