import { isUtf8 } from "node:buffer";
import { Transform } from "node:stream";
import type { TransformCallback } from "node:stream";
import { formatError } from "../../io/file-errors.js";

/** How many bytes at the end may begin a character that goes on in the next chunk. */
function openEnd(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte >= 0xc0) return byte <= 0xf4 && byte >= (back === 1 ? 0xc2 : back === 2 ? 0xe0 : 0xf0) ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
}

/** Where the first character begins that is no UTF-8. */
export function firstWrong(bytes: Buffer): number {
  let [good, bad] = [0, bytes.length];
  // A prefix that is good but for an open end is good.
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    const prefix = bytes.subarray(0, middle);
    if (isUtf8(prefix.subarray(0, middle - openEnd(prefix)))) good = middle;
    else bad = middle;
  }
  return good - openEnd(bytes.subarray(0, good));
}

/** Lets bytes through as long as they are UTF-8; without the mark that some programs put in front. */
export class Utf8Check extends Transform {
  readonly #path: string;
  #offset = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    super();
    this.#path = path;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    const bytes = Buffer.concat([this.#rest, chunk]);
    const end = bytes.length - openEnd(bytes);
    this.#pass(bytes.subarray(0, end), done);
    this.#rest = bytes.subarray(end);
  }

  override _flush(done: TransformCallback): void {
    this.#pass(this.#rest, done);
  }

  #pass(bytes: Buffer, done: TransformCallback): void {
    if (!isUtf8(bytes)) {
      const at = firstWrong(bytes);
      return done(formatError(this.#path, this.#offset + at, "UTF-8", `the byte 0x${bytes[at]!.toString(16).padStart(2, "0")}`));
    }
    const hasMark = this.#offset === 0 && bytes.length >= 3 && bytes.readUIntBE(0, 3) === 0xefbbbf;
    this.#offset += bytes.length;
    done(null, hasMark ? bytes.subarray(3) : bytes);
  }
}
