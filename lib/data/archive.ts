import { createReadStream } from "node:fs";
import { posix } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { SteppeError } from "../errors.js";
import { formatError, ioError } from "../io/file-errors.js";
import { isSystemError } from "../io/whole-file.js";

/** A file in an archive that is wanted, by its name without folders: at most so many bytes are read. */
export type Wanted = ReadonlyMap<string, number>;

/** Of which no set of images that is read here comes near: what unpacks to more is no such archive. */
const mostUnpacked = 2 ** 31;

/**
 * Files out of a .tar.gz, in one pass, without unpacking it to the disk. What is not wanted is passed over; a wanted one that is
 * not there is missing in the result.
 *
 * @throws SteppeError `FORMAT` for what is truncated, corrupt or no such archive, and for a file that is larger than wanted
 * @throws SteppeError `IO` if it cannot be read
 */
export async function readTarGz(path: string, wanted: Wanted): Promise<Map<string, Buffer>> {
  const { extract } = await import("tar-stream");
  const found = new Map<string, Buffer>();
  const entries = extract();
  let entriesSeen = 0;
  let unpacked = 0;
  const counting = async function* (entry: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of entry) {
      unpacked += piece.length;
      if (unpacked > mostUnpacked) throw formatError(path, 0, `an archive of at most ${mostUnpacked} bytes`, "more");
      yield piece;
    }
  };
  const collecting = (async () => {
    for await (const entry of entries) {
      entriesSeen++;
      const name = posix.basename(entry.header.name);
      const most = entry.header.type === "file" ? wanted.get(name) : undefined;
      const counted = counting(entry as AsyncIterable<Buffer>);
      if (most !== undefined) found.set(name, await collect(counted, most, () => tooLong(path, name, most)));
      else for await (const _ of counted) void _; // passed over
    }
  })();
  // Its error is the first one's, or comes from it.
  collecting.catch(() => {});
  try {
    await pipeline(createReadStream(path), createGunzip(), entries);
    await collecting;
  } catch (error) {
    const first = await collecting.then(() => error, (own: unknown) => (own instanceof SteppeError ? own : error));
    if (first instanceof SteppeError) throw first;
    if (isSystemError(first)) throw ioError("read", path, first);
    throw formatError(path, 0, "a .tar.gz archive", `corrupt or truncated data (${(first as Error).message})`, first);
  }
  if (entriesSeen === 0) throw formatError(path, 0, "a .tar.gz archive", "one without any file");
  return found;
}

/**
 * Files out of a .zip, by its directory: only what is wanted is read. As {@link readTarGz} otherwise.
 */
export async function readZip(path: string, wanted: Wanted): Promise<Map<string, Buffer>> {
  const { openPromise } = (await import("yauzl")).default;
  const found = new Map<string, Buffer>();
  try {
    const zip = await openPromise(path);
    try {
      for await (const entry of zip.eachEntry()) {
        const name = posix.basename(entry.fileName);
        const most = entry.fileName.endsWith("/") ? undefined : wanted.get(name);
        if (most !== undefined) found.set(name, await collect(await zip.openReadStreamPromise(entry), most, () => tooLong(path, name, most)));
      }
    } finally {
      zip.close();
    }
  } catch (error) {
    if (error instanceof SteppeError) throw error;
    if (isSystemError(error)) throw ioError("read", path, error);
    throw formatError(path, 0, "a .zip archive", `corrupt or truncated data (${(error as Error).message})`, error);
  }
  return found;
}

function tooLong(path: string, name: string, most: number): SteppeError {
  return formatError(path, 0, `at most ${most} bytes of ${name} in the archive`, "more");
}

/** What a stream brings, piece by piece: what a header says of its length allocates nothing. */
async function collect(stream: AsyncIterable<Buffer>, most: number, refusal: () => SteppeError): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of stream) {
    size += piece.length;
    if (size > most) throw refusal();
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
