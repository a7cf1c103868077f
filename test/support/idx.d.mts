/** Bytes of an IDX file. */
export function idx(type: number, shape: readonly number[], elements: Uint8Array): Buffer;

/** The four files of an image data set, made of small random-looking images: those of training gzipped. */
export function imageFiles(count: number, size?: number): Record<string, Buffer>;
