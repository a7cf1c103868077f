import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { join, resolve } from "node:path";
import { nvidiaLibraries } from "./nvidia.js";

/** What setup fetches when no LibTorch is found. */
export const DEFAULT_VERSION = "2.13.0";
/** The minor versions the addon's source compiles against and is tested with. */
export const OLDEST = [2, 11];
export const NEWEST = [2, 14];
/** "2.11 to 2.14" */
export const SUPPORTED = `${OLDEST.join(".")} to ${NEWEST.join(".")}`;

const extension = process.platform === "darwin" ? "dylib" : "so";

/**
 * What a folder with a LibTorch is, and what is wrong with it.
 *
 * @typedef {object} LibTorch
 * @property {string} path the folder with include/ and lib/
 * @property {string} version "2.13.0"; "" where it can't be told
 * @property {string} cuda the CUDA version it was built for, "13.0"; "" for a CPU build
 * @property {string[]} nvidia files of NVIDIA's libraries that the loader would not find by itself; empty for a CPU build
 * @property {{ kind: "missing" | "incomplete" | "version" | "cpu" | "nvidia", text: string }[]} problems empty when it can be used
 */

/**
 * Looks into a folder. Never throws: what is wrong stands in `problems`.
 *
 * @param {string} folder a LibTorch folder or one that has it as `libtorch/` (an unpacked archive's parent) or `torch/`
 * @param {NodeJS.ProcessEnv} [env] `STEPPE_CUDA=1` asks for a CUDA build
 * @returns {LibTorch}
 */
export function inspect(folder, env = process.env) {
  const path = locate(resolve(folder));
  const problems = [];
  const refuse = (kind, text) => problems.push({ kind, text });
  if (!existsSync(path)) return { path, version: "", cuda: "", nvidia: [], problems: [{ kind: "missing", text: "there is no such folder" }] };
  const { version, cuda } = identify(path);
  const hasCuda = cuda !== "";

  const missing = parts(hasCuda).filter((part) => !existsSync(join(path, part)));
  const cut = parts(hasCuda).filter((part) => part.startsWith("lib/") && !missing.includes(part) && isCutOff(join(path, part)));
  if (missing.length > 0) refuse("incomplete", `it is incomplete: ${missing.join(", ")} missing`);
  else if (cut.length > 0) refuse("incomplete", `it is broken: ${cut.join(", ")} cut off`);
  else if (version === "") refuse("incomplete", "its version can't be read from include/torch/headeronly/version.h");
  if (version !== "" && !isSupported(version)) refuse("version", `it is version ${version}, supported are ${SUPPORTED}`);
  if (env.STEPPE_CUDA === "1" && !hasCuda && missing.length === 0) {
    refuse("cpu", "it is a CPU build, and STEPPE_CUDA=1 asks for CUDA");
  }
  const nvidia = [];
  if (hasCuda && missing.length === 0) {
    const libraries = nvidiaLibraries(path, cuda, env);
    nvidia.push(...libraries.elsewhere);
    if (libraries.missing.length > 0) {
      refuse("nvidia", `it is a CUDA build without its NVIDIA libraries: ${libraries.missing.join(", ")} not found${libraries.folders.length > 0 ? `, neither by the loader nor in ${libraries.folders.join(", ")}` : ""}`);
    }
  }
  return { path, version, cuda, nvidia, problems };
}

/**
 * @param {string} version "2.13.0"
 * @returns {boolean}
 */
export function isSupported(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major === OLDEST[0] && minor >= OLDEST[1] && minor <= NEWEST[1];
}

/**
 * "2.13.0" -> "2.13"
 *
 * @param {string} version
 */
export function minorOf(version) {
  return version.split(".").slice(0, 2).join(".");
}

/**
 * "2.13.0 for CPU", "2.13.0 for CUDA 13.0"
 *
 * @param {{ version: string, cuda: string }} libtorch
 */
export function describe({ version, cuda }) {
  return `${version} for ${cuda === "" ? "CPU" : `CUDA ${cuda}`}`;
}

function locate(folder) {
  if (existsSync(join(folder, "lib")) && existsSync(join(folder, "include"))) return folder;
  for (const name of ["libtorch", "torch"]) {
    if (existsSync(join(folder, name, "lib"))) return join(folder, name);
  }
  return folder;
}

/** What compiling and loading the addon needs. */
function parts(hasCuda) {
  const libraries = ["torch", "torch_cpu", "c10", ...(hasCuda ? ["torch_cuda", "c10_cuda"] : [])];
  return [
    ...libraries.map((name) => `lib/lib${name}.${extension}`),
    "include/ATen/core/Tensor.h",
    "include/c10/core/Device.h",
    "include/torch/csrc/api/include/torch/torch.h",
  ];
}

/** Whether a library ends before the table that stands last in it: a copy or a download that was not finished. */
function isCutOff(library) {
  const file = openSync(library, "r");
  try {
    const { size } = fstatSync(file);
    // The header of a 64-bit ELF file: magic number, at 40 where the section headers begin, at 58 their size and number.
    const header = Buffer.alloc(64);
    if (readSync(file, header) < header.length) return true;
    if (header.toString("latin1", 0, 5) !== "\x7fELF\x02") return false;
    return Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60) > size;
  } finally {
    closeSync(file);
  }
}

/**
 * What LibTorch a folder holds, without a look at whether it can be used.
 *
 * @param {string} path
 * @returns {{ path: string, version: string, cuda: string }}
 */
export function identify(path) {
  const hasCuda = existsSync(join(path, "lib", `libtorch_cuda.${extension}`));
  return { path, version: readVersion(path), cuda: hasCuda ? readCuda(path) : "" };
}

/**
 * From the header: it is what the addon is compiled with, in the archive and in the wheel alike.
 */
function readVersion(path) {
  for (const header of ["include/torch/headeronly/version.h", "include/torch/csrc/api/include/torch/version.h"]) {
    const text = readText(join(path, header));
    const number = (name) => new RegExp(`#define TORCH_VERSION_${name} (\\d+)`).exec(text)?.[1];
    const version = [number("MAJOR"), number("MINOR"), number("PATCH")];
    if (!version.includes(undefined)) return version.join(".");
  }
  return "";
}

function readCuda(path) {
  const wheel = /^cuda.*=\s*'([\d.]+)'/m.exec(readText(join(path, "version.py")));
  if (wheel !== null) return wheel[1];
  const archive = /\+cu(\d+)(\d)\b/.exec(readText(join(path, "build-version")));
  return archive === null ? "unknown" : `${archive[1]}.${archive[2]}`;
}

function readText(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
