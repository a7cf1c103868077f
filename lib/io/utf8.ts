import { isUtf8 } from "node:buffer";
import { formatError } from "./file-errors.js";

/** How many bytes at the end may begin a character that goes on in the next chunk. */
export function openEnd(bytes: Buffer): number {
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

/**
 * @param offset where in the file the bytes begin
 * @throws SteppeError `FORMAT` with the place of the first byte that is no UTF-8
 */
export function checkUtf8(bytes: Buffer, path: string, offset = 0): void {
  if (isUtf8(bytes)) return;
  const at = firstWrong(bytes);
  throw formatError(path, offset + at, "UTF-8", `the byte 0x${bytes[at]!.toString(16).padStart(2, "0")}`);
}
