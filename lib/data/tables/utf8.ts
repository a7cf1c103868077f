import { Transform } from "node:stream";
import type { TransformCallback } from "node:stream";
import { checkUtf8, openEnd } from "../../io/utf8.js";

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
    try {
      checkUtf8(bytes, this.#path, this.#offset);
    } catch (error) {
      return done(error as Error);
    }
    const hasMark = this.#offset === 0 && bytes.length >= 3 && bytes.readUIntBE(0, 3) === 0xefbbbf;
    this.#offset += bytes.length;
    done(null, hasMark ? bytes.subarray(3) : bytes);
  }
}
