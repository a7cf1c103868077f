import { gzipSync } from "node:zlib";

// JavaScript: plain Node runs it, too.

/** Bytes of an IDX file. */
export function idx(type, shape, elements) {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header[2] = type;
  header[3] = shape.length;
  shape.forEach((size, i) => header.writeUInt32BE(size, 4 + 4 * i));
  return Buffer.concat([header, elements]);
}

/** The four files of an image data set, made of small random-looking images: other ones for training than for testing. */
export function imageFiles(count, size = 28) {
  const pixels = (step, first) => idx(8, [count, size, size], Uint8Array.from({ length: count * size * size }, (_, i) => (first + i * step) % 256));
  const labels = (first) => idx(8, [count], Uint8Array.from({ length: count }, (_, i) => (first + i) % 10));
  return {
    "train-images-idx3-ubyte.gz": gzipSync(pixels(37, 0)),
    "train-labels-idx1-ubyte.gz": gzipSync(labels(0)),
    "t10k-images-idx3-ubyte": pixels(91, 40),
    "t10k-labels-idx1-ubyte": labels(3),
  };
}
