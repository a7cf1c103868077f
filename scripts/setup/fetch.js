import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { MARKER } from "./discover.js";
import { filesBelow } from "./files.js";
import { atExit } from "./interrupt.js";
import { DEFAULT_VERSION, inspect } from "./libtorch.js";
import { cacheFolders } from "./paths.js";
import { announce, megabytes, progress, since } from "./report.js";
import { run } from "./run.js";
import { listZip, unpack } from "./unzip.js";

/** No answer in this time is taken for no network. */
const CONNECT_MS = 5_000;
/** A download that brings nothing for this long has died. */
const STALL_MS = 30_000;
const TEMPORARY = ".fetch-";
/** The CUDA version of the archive that is fetched where `STEPPE_CUDA=1` asks for CUDA. */
const CUDA = "cu130";

/**
 * Fetches LibTorch into the cache: the official archive, else out of the wheel that pip downloads.
 *
 * Everything happens in a temporary folder that is renamed at the end: an interrupt leaves nothing that looks whole.
 *
 * @param {import("./discover.js").Attempt[]} attempts both tries are added to it
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<import("./libtorch.js").LibTorch | undefined>}
 */
export async function fetchLibTorch(attempts, env = process.env) {
  announce(`fetching LibTorch ${DEFAULT_VERSION}`, "none was found on this machine; it goes into the cache, about 500 MB");
  const cache = cacheFolders(env)[0];
  mkdirSync(cache, { recursive: true });
  // The caller holds the cache's lock: what another fetch left here is nobody's.
  for (const name of readdirSync(cache)) {
    if (name.startsWith(TEMPORARY)) rmSync(join(cache, name), { recursive: true, force: true });
  }
  const sources = [
    ["archive", archiveUrl(env), fromArchive],
    ["pip", `${pythonOf(env)} -m pip download torch==${DEFAULT_VERSION}`, fromWheel],
  ];
  for (const [source, place, get] of sources) {
    const work = mkdtempSync(join(cache, TEMPORARY));
    const clean = () => rmSync(work, { recursive: true, force: true });
    const forget = atExit(clean);
    try {
      const folder = await get(work, place, env);
      const found = inspect(folder, env);
      if (found.problems.length > 0) {
        attempts.push({ source, place, result: found.problems.map(({ text }) => text).join("; "), found });
        continue;
      }
      const home = join(cache, `libtorch-${found.version}-${found.cuda === "" ? "cpu" : `cu${found.cuda}`}`);
      writeFileSync(join(folder, MARKER), `${place}\n`);
      rmSync(home, { recursive: true, force: true }); // without its marker, or it would have been found
      renameSync(folder, home);
      const libtorch = inspect(home, env);
      attempts.push({ source, place, result: `fetched into ${home}`, found: libtorch });
      return libtorch;
    } catch (error) {
      attempts.push({ source, place, result: reason(error) });
      progress(source).done(`no: ${reason(error)}`);
    } finally {
      forget();
      clean();
    }
  }
  return undefined;
}

/**
 * The official archive for this machine, or `STEPPE_LIBTORCH_URL`, for instance a mirror.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export function archiveUrl(env = process.env) {
  if (env.STEPPE_LIBTORCH_URL) return env.STEPPE_LIBTORCH_URL;
  const base = "https://download.pytorch.org/libtorch";
  if (process.platform === "darwin") return `${base}/cpu/libtorch-macos-arm64-${DEFAULT_VERSION}.zip`;
  const build = env.STEPPE_CUDA === "1" ? CUDA : "cpu";
  return `${base}/${build}/libtorch-shared-with-deps-${DEFAULT_VERSION}%2B${build}.zip`;
}

function pythonOf(env) {
  return env.STEPPE_PYTHON || "python3";
}

/** @returns the unpacked LibTorch folder, its rename moves all of it */
async function fromArchive(work, url, env) {
  const official = process.platform === "darwin" ? "arm64" : "x64";
  if (!env.STEPPE_LIBTORCH_URL && process.arch !== official) throw new Error(`there is no official archive for ${process.platform} ${process.arch}`);
  const zip = join(work, "libtorch.zip");
  await download(url, zip);
  const entries = await listZip(zip);
  const folder = join(work, "unpacked");
  await unpackShown(zip, folder, entries);
  return folder;
}

async function download(url, file) {
  const started = Date.now();
  const bar = progress("download");
  const abort = new AbortController();
  let timer = setTimeout(() => abort.abort(new Error(`no answer within ${CONNECT_MS / 1000} s`)), CONNECT_MS);
  try {
    const response = await fetch(url, { signal: abort.signal });
    if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status} ${response.statusText}`);
    const total = Number(response.headers.get("content-length") ?? 0);
    let received = 0;
    const count = new Transform({
      transform(chunk, _, done) {
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(new Error(`nothing came for ${STALL_MS / 1000} s`)), STALL_MS);
        received += chunk.length;
        bar.update(`${megabytes(received)}${total > 0 ? ` of ${megabytes(total)}, ${Math.floor((100 * received) / total)}%` : ""}`);
        done(null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(response.body), count, createWriteStream(file), { signal: abort.signal });
    if (total > 0 && received !== total) throw new Error(`the download was cut off after ${megabytes(received)} of ${megabytes(total)}`);
    bar.done(`${megabytes(received)} in ${since(started)}`);
  } catch (error) {
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

async function fromWheel(work, _, env) {
  const bar = progress("pip");
  const python = pythonOf(env);
  // pip shows no progress but on a terminal. What it has downloaded lies in its temporary folder, which is ours this way.
  let said = "";
  const watch = setInterval(() => bar.update(`${megabytes(sizeBelow(work))} so far. ${said}`), 500);
  const download = (more) =>
    run(python, ["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--retries", "1", "--timeout", "15", "--dest", work, ...more, `torch==${DEFAULT_VERSION}`], {
      env: { ...env, PIP_DEFAULT_TIMEOUT: "15", TMPDIR: work },
      cwd: work,
      onLine: (line) => (said = line.trim()),
    });
  let { code, missing, output } = await download([]);
  // The libraries are the same for every Python: one that PyTorch no longer supports, or not yet, takes another's wheel.
  if (/no matching distribution/i.test(output)) ({ code, missing, output } = await download(["--python-version", "3.12"]));
  clearInterval(watch);
  if (missing) throw new Error(`there is no ${python}`);
  const wheel = readdirSync(work).find((name) => name.endsWith(".whl"));
  if (code !== 0 || wheel === undefined) {
    const lines = output.trim().split("\n");
    throw new Error((lines.findLast((line) => /error|no module named pip/i.test(line)) ?? lines.at(-1) ?? "pip failed").trim());
  }
  bar.done(wheel);
  const zip = join(work, wheel);
  const entries = (await listZip(zip)).filter(({ name }) => isLibraryPart(name));
  const folder = join(work, "unpacked");
  await unpackShown(zip, folder, entries);
  const version = /__version__\s*=\s*'([^']+)'/.exec(readFileSync(join(folder, "torch", "version.py"), "utf8"))?.[1];
  // The archive says so in this file; a LibTorch out of a wheel then looks the same to every reader.
  if (!existsSync(join(folder, "torch", "build-version"))) writeFileSync(join(folder, "torch", "build-version"), `${version}\n`);
  return folder;
}

function sizeBelow(folder) {
  return filesBelow(folder).reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** Libraries, those that auditwheel put beside them, headers; not Python's own part. */
function isLibraryPart(name) {
  if (/^torch\/lib\/libtorch_python\b/.test(name)) return false;
  return /^(torch\/(lib|include)\/|torch\.libs\/|torch\/version\.py$)/.test(name);
}

async function unpackShown(zip, folder, entries) {
  const started = Date.now();
  const bar = progress("unpack");
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  await unpack(zip, folder, entries, (bytes) => bar.update(`${megabytes(bytes)} of ${megabytes(total)}`));
  bar.done(`${entries.length} files, ${megabytes(total)}, in ${since(started)}`);
}

/** Node's fetch says "fetch failed" and hides why in the cause. */
function reason(error) {
  const cause = error.cause ?? error;
  const network = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|ECONNRESET|UND_ERR/.test(cause.code ?? "");
  const text = cause.message || cause.code || String(cause);
  return network ? `no network: ${text}` : text;
}
