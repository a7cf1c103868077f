import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { checkInteger } from "../checks.js";
import { SteppeError, checkKeys, expected } from "../errors.js";
import { ioError } from "../io/file-errors.js";
import { isSystemError } from "../io/whole-file.js";
import { checkChecksums, mismatch } from "./checksums.js";
import { Transient, get, isWeb, refused } from "./http.js";
import type { IncomingMessage } from "node:http";
import type { Checksums } from "./checksums.js";

/** How patient a download is, and what its file is checked with. */
export interface DownloadOptions extends Checksums {
  /** How often it is tried again, without a byte having come in between; default 4. */
  retries?: number;
  /** Milliseconds before the first retry, twice as many before each further one; default 500. */
  retryDelay?: number;
  /** Milliseconds without a byte after which a connection counts as broken; default 60,000. */
  stallTimeout?: number;
  /** Breaks the download off: it rejects with the signal's reason. What has come is kept to go on from. */
  signal?: AbortSignal;
  /** Called as bytes come: how many of the file are there, and how many there will be, null if the server does not say. */
  onProgress?: (progress: { received: number; total: number | null }) => void;
}

/** Beside the part of a file: where it came from, and what tells whether the server's file is still the same. */
interface PartInfo {
  url: string;
  validator: string | null;
}

/** All that a transfer needs. */
interface Transfer {
  url: string;
  part: string;
  info: string;
  stallTimeout: number;
  signal: AbortSignal | undefined;
  onProgress: NonNullable<DownloadOptions["onProgress"]>;
}

/**
 * Downloads a file over HTTP or HTTPS. `file` is whole and checked, or not there: until then bytes are in `FILE.part`, from where a
 * broken connection, and the next call, go on if the server's file is still the same. A file that is there already stays,
 * unless its checksum is another.
 *
 * @returns the file's path
 * @throws SteppeError `IO` if the server or the file system refuses, `FORMAT` for another checksum: then nothing is left
 * @example await data.download("https://example.org/set.tar.gz", "data/set.tar.gz", { sha256: "…" });
 */
export async function download(url: string, file: string, options: DownloadOptions = {}): Promise<string> {
  checkKeys(options, ["sha256", "md5", "retries", "retryDelay", "stallTimeout", "signal", "onProgress"]);
  const { retries = 4, retryDelay = 500, stallTimeout = 60_000, onProgress = () => {} } = options;
  checkInteger(retries, "retries", 0);
  checkInteger(retryDelay, "retryDelay", 0);
  checkInteger(stallTimeout, "stallTimeout", 1);
  checkChecksums(options);
  if (typeof url !== "string" || !URL.canParse(url) || !isWeb(new URL(url))) throw expected("an http or https URL", "url", url);
  if (typeof file !== "string" || file === "") throw expected("a path", "file", file);
  // Calls for the same file in this process come one after the other: the second one finds it there.
  const path = resolve(file);
  const before = underWay.get(path) ?? Promise.resolve();
  const mine = before.catch(() => {}).then(() => run(url, file, { ...options, retries, retryDelay, stallTimeout, onProgress }));
  underWay.set(path, mine);
  try {
    return await mine;
  } finally {
    if (underWay.get(path) === mine) underWay.delete(path);
  }
}

const underWay = new Map<string, Promise<unknown>>();

type Settings = DownloadOptions & Required<Pick<DownloadOptions, "retries" | "retryDelay" | "stallTimeout" | "onProgress">>;

async function run(url: string, file: string, options: Settings): Promise<string> {
  const { retries, retryDelay, stallTimeout, signal, onProgress } = options;
  signal?.throwIfAborted();
  const there = await stat(file).catch(() => null);
  if (there !== null && !there.isFile()) throw ioError("write", file, new Error("it is no file"));
  if (there !== null && (await mismatch(file, options)) === null) return file;

  const transfer = { url, part: `${file}.part`, info: `${file}.part.json`, stallTimeout, signal, onProgress };
  try {
    await mkdir(dirname(file), { recursive: true });
    let wrong = await fetchAndCheck(transfer, options, retries, retryDelay);
    // What an earlier call left may have been the cause.
    if (wrong?.resumed === true) wrong = await fetchAndCheck(transfer, options, retries, retryDelay);
    if (wrong !== null) throw new SteppeError("FORMAT", wrong.reason);
    await sync(transfer.part);
    await rename(transfer.part, file);
    await rm(transfer.info, { force: true });
    return file;
  } catch (error) {
    throw isSystemError(error) ? ioError("write", file, error) : error;
  }
}

/** The whole part, or why it is wrong: then it is gone. */
async function fetchAndCheck(transfer: Transfer, sums: Checksums, retries: number, retryDelay: number): Promise<{ reason: string; resumed: boolean } | null> {
  const resumed = await fetchAll(transfer, retries, retryDelay);
  const reason = await mismatch(transfer.part, sums);
  if (reason === null) return null;
  await forget(transfer);
  return { reason: reason.replace(transfer.part, transfer.url), resumed };
}

/** @returns whether it went on from what was there */
async function fetchAll(transfer: Transfer, retries: number, retryDelay: number): Promise<boolean> {
  const resumed = (await sizeOf(transfer.part)) > 0;
  for (let failures = 0; ; ) {
    const before = await sizeOf(transfer.part);
    try {
      await fetchRest(transfer);
      return resumed;
    } catch (error) {
      transfer.signal?.throwIfAborted();
      if (!(error instanceof Transient)) throw error;
      failures = (await sizeOf(transfer.part)) > before ? 1 : failures + 1;
      if (failures > retries) throw refused(transfer.url, error.message, error);
      await wait(retryDelay * 2 ** (failures - 1), undefined, { signal: transfer.signal }).catch(() => transfer.signal?.throwIfAborted());
    }
  }
}

/** One connection: what of the file is not there yet, or all of it where the server's file has changed. */
async function fetchRest(transfer: Transfer): Promise<void> {
  const { url, part, signal, stallTimeout } = transfer;
  const validator = await validatorOf(transfer);
  const offset = validator === null ? 0 : await sizeOf(part);
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), stallTimeout);
  try {
    const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-`, "if-range": validator! } : {};
    const response = await get(url, { headers, signal: signal === undefined ? stalled.signal : AbortSignal.any([signal, stalled.signal]) });
    try {
      await receive(response, offset, validator, transfer, () => timer.refresh());
    } finally {
      response.destroy();
    }
  } catch (error) {
    if (stalled.signal.aborted) throw new Transient(`nothing for ${stallTimeout} milliseconds`, { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function receive(response: IncomingMessage, offset: number, validator: string | null, transfer: Transfer, onBytes: () => void): Promise<void> {
  const { url, part, info, onProgress } = transfer;
  const { statusCode: status = 0, statusMessage, headers } = response;
  const restart = async () => {
    await forget(transfer);
    return new Transient("a file that changed meanwhile");
  };
  if (status === 416 && offset > 0) {
    // Nothing is missing, or the file has become another.
    if (headers["content-range"] === `bytes */${offset}`) return;
    throw await restart();
  }
  if (status !== 200 && status !== 206) {
    const reason = `HTTP ${status} ${statusMessage ?? ""}`.trim();
    throw status >= 500 || status === 408 || status === 425 || status === 429 ? new Transient(reason) : refused(url, reason);
  }
  if (headers["content-encoding"] !== undefined && headers["content-encoding"] !== "identity") throw refused(url, `content in ${headers["content-encoding"]}, which was not asked for`);
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers["content-range"] ?? "");
  const changed = (newValidator(headers) ?? validator) !== validator;
  if (status === 206 && (offset === 0 || range === null || Number(range[1]) !== offset || changed)) throw await restart();
  const begin = status === 206 ? offset : 0;
  const length = headers["content-length"] === undefined ? null : Number(headers["content-length"]);
  const total = status === 206 ? (range![2] === "*" ? null : Number(range![2])) : length;
  const file = await open(part, begin === 0 ? "w" : "r+");
  let received = begin;
  try {
    // Once the part is empty: a process that ends in between must not leave the old bytes beside the new note.
    if (begin === 0) await writeFile(info, JSON.stringify({ url, validator: newValidator(headers) } satisfies PartInfo));
    onProgress({ received, total });
    for await (const chunk of body(response)) {
      onBytes();
      // A nearly full disk takes some of it.
      for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done, chunk.length - done, received + done)).bytesWritten;
      received += chunk.length;
      onProgress({ received, total });
    }
  } finally {
    await file.close();
  }
  if (total !== null && received !== total) throw new Transient(`${received} of ${total} bytes`);
}

/** The body's pieces; a connection that breaks is worth another try. */
async function* body(response: IncomingMessage): AsyncGenerator<Buffer> {
  const pieces = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  for (;;) {
    const next = await pieces.next().catch((error: Error) => {
      throw new Transient(`a connection that broke (${error.message})`, { cause: error });
    });
    if (next.done === true) return;
    yield next.value;
  }
}

/** What If-Range takes: a strong ETag, or the date of the last change. */
function newValidator({ etag, "last-modified": modified }: IncomingMessage["headers"]): string | null {
  return etag !== undefined && etag.startsWith('"') ? etag : (modified ?? null);
}

/** Of what is there; null if nothing is, or if it cannot be gone on from. */
async function validatorOf({ url, info }: Transfer): Promise<string | null> {
  try {
    const found = JSON.parse(await readFile(info, "utf8")) as Partial<PartInfo> | null;
    return found?.url === url && typeof found.validator === "string" ? found.validator : null;
  } catch {
    return null;
  }
}

async function forget({ part, info }: Transfer): Promise<void> {
  await rm(part, { force: true });
  await rm(info, { force: true });
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

/** A name must not come before its content on the disk. */
async function sync(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
