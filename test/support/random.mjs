// JavaScript: plain Node runs it, too.

/** Numbers from 0 to 1 that depend on the seed only (mulberry32). */
export function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const interesting = [0, 1, 2, 0x22, 0x2c, 0x30, 0x39, 0x5b, 0x7b, 0x7d, 0x7f, 0x80, 0xfe, 0xff];
const sizes = [0, 1, 0x7f, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x00ffffff, 0xfffffffe, 0x20000000];

/** A copy with a few bytes changed, cut out, put in, doubled or cut off, and now and then a whole number. */
export function damage(bytes, random) {
  let result = Buffer.from(bytes);
  const below = (n) => Math.floor(random() * n);
  // Heads and ends of files say most about them.
  const place = () => (random() < 0.5 ? below(result.length) : random() < 0.5 ? below(Math.min(600, result.length)) : result.length - 1 - below(Math.min(600, result.length)));
  for (let i = 1 + below(4); i > 0 && result.length > 0; i--) {
    const at = place();
    switch (below(7)) {
      case 0:
        result[at] = below(256);
        break;
      case 1:
        result[at] = interesting[below(interesting.length)];
        break;
      case 2:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + 1 + below(8))]);
        break;
      case 3:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at - Math.min(at, below(4096))), result.subarray(at)]);
        break;
      case 4:
        if (random() < 0.2) result = result.subarray(0, at);
        break;
      case 5: {
        const size = sizes[below(sizes.length)];
        if (at + 8 > result.length) break;
        if (random() < 0.5) result.writeUInt32LE(size, at);
        else result.writeUInt32BE(size, at);
        if (random() < 0.3) result.writeUInt32LE(random() < 0.5 ? 0 : 0xffffffff, at + 4);
        break;
      }
      default: // text of numbers, as tar and JSON have them
        result.write(["9".repeat(12), "77777777777", "-1", "1e9", "null", '"x"', "[[", "00000000000"][below(8)], at, "latin1");
    }
  }
  return result;
}
