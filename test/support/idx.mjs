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

/** The four files of an image data set, made of small random-looking images. */
export function imageFiles(count, size = 28) {
  const pixels = Uint8Array.from({ length: count * size * size }, (_, i) => (i * 37) % 256);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 10);
  return {
    "train-images-idx3-ubyte.gz": gzipSync(idx(8, [count, size, size], pixels)),
    "train-labels-idx1-ubyte.gz": gzipSync(idx(8, [count], labels)),
    "t10k-images-idx3-ubyte": idx(8, [count, size, size], pixels),
    "t10k-labels-idx1-ubyte": idx(8, [count], labels),
  };
}
