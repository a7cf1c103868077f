import type { Readable } from "node:stream";
import { expected } from "../../errors.js";
import { formatError } from "../../io/file-errors.js";
import { readText } from "../tables/text-file.js";

/** Bytes of a line at most: what is longer is no text, and would take all memory. */
const longest = 2 ** 26;

/**
 * The lines of a text file in UTF-8, one after the other: a file may be larger than memory. A line ends with \n or \r\n, with nothing
 * else: U+2028 and its like are part of it, so that lines of two files stay side by side.
 *
 * @param path unpacked if it ends with .gz
 * @throws SteppeError `IO` if the file system refuses; `FORMAT` with the byte for broken UTF-8 and for a line above 64 MiB
 * @example for await (const line of data.lines("train.en")) …
 */
export async function* lines(path: string): AsyncGenerator<string, void, undefined> {
  for await (const block of lineBlocks(path)) yield* block;
}

/** The lines of a file, as many at once as a chunk of it holds: for whoever reads a hundred million words. */
export async function* lineBlocks(path: string): AsyncGenerator<string[], void, undefined> {
  if (typeof path !== "string" || path === "") throw expected("a path", "path", path);
  yield* readText(path, (bytes) => blocksOf(bytes, path));
}

async function* blocksOf(bytes: Readable, path: string): AsyncGenerator<string[], void, undefined> {
  let open: Buffer[] = []; // of the line that goes on in the next chunk
  let [length, offset] = [0, 0];
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    const end = chunk.lastIndexOf(0x0a);
    if (end >= 0) {
      yield textOf([...open, chunk.subarray(0, end)]);
      offset += length + end + 1;
      [open, length] = [[], 0];
    }
    const rest = chunk.subarray(end + 1);
    if (rest.length > 0) open.push(rest);
    length += rest.length;
    if (length > longest) throw formatError(path, offset, "a line of at most 64 MiB", "a longer one");
  }
  if (length > 0) yield textOf(open);
}

function textOf(pieces: Buffer[]): string[] {
  const text = Buffer.concat(pieces).toString("utf8");
  const found = text.split("\n");
  return text.includes("\r") ? found.map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line)) : found;
}
