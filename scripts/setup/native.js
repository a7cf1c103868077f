import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { availableParallelism, freemem } from "node:os";
import { dirname, join } from "node:path";
import { filesBelow, hashFiles, readJson, writeJson } from "./files.js";
import { describe } from "./libtorch.js";
import { binary, root, sidecar } from "./paths.js";
import { SetupError, announce, progress, say, since } from "./report.js";
import { run } from "./run.js";

export const NAPI = 9;
/** The build tree. */
export const tree = join(root, "build", "cmake");

/** What one compiler process needs for ATen's headers, in bytes. */
const COMPILER_MEMORY = 1.5e9;

/**
 * A hash of all that the addon is made of, LibTorch aside.
 *
 * @returns {string}
 */
export function hashSources() {
  const sources = filesBelow(join(root, "native"), (name) => /\.(cc|h)$/.test(name));
  const version = readJson(join(root, "node_modules", "node-addon-api", "package.json"))?.version ?? "";
  return hashFiles(root, [...sources, join(root, "CMakeLists.txt")], [`node-addon-api ${version}`]);
}

/**
 * What the binary at hand was built for: the content of `steppe.json` beside it.
 *
 * @param {import("./libtorch.js").LibTorch} libtorch
 * @param {string} sources a hash of the native sources
 */
export function describeBinary(libtorch, sources) {
  return {
    libtorch: { version: libtorch.version, cuda: libtorch.cuda, path: libtorch.path, ...(libtorch.nvidia.length > 0 ? { nvidia: libtorch.nvidia } : {}) },
    napi: NAPI,
    platform: process.platform,
    arch: process.arch,
    sources,
  };
}

/**
 * Whether the binary was built from these sources against this LibTorch, and is the file that build made.
 *
 * @param {import("./libtorch.js").LibTorch} libtorch
 */
export function nativeIsCurrent(libtorch) {
  const { file, ...built } = readJson(sidecar) ?? {};
  if (file === undefined || !existsSync(binary)) return false;
  const wanted = describeBinary(libtorch, hashSources());
  return JSON.stringify(built) === JSON.stringify(wanted) && JSON.stringify(file) === JSON.stringify(stampOf(binary));
}

function stampOf(path) {
  const { size, mtimeMs } = statSync(path);
  return { size, mtimeMs };
}

/**
 * Compiles the addon with cmake-js, incrementally, and puts it in place in one move.
 *
 * @param {import("./libtorch.js").LibTorch} libtorch
 * @param {{ why?: string }} [options]
 */
export async function buildNative(libtorch, { why = "the sources or LibTorch changed" } = {}) {
  const started = Date.now();
  announce(`compiling the native addon against LibTorch ${describe(libtorch)}`, why);
  const sources = hashSources();
  const built = await compile(libtorch, tree, join(libtorch.path, "lib"));
  mkdirSync(dirname(binary), { recursive: true });
  // The tree's file may be half-written at any moment; the one that Node loads never is.
  const temporary = `${binary}.${process.pid}`;
  copyFileSync(built, temporary);
  renameSync(temporary, binary);
  writeJson(sidecar, { ...describeBinary(libtorch, sources), file: stampOf(binary) });
  say(`  addon: ready after ${since(started)}`);
}

/**
 * One build in a build tree of its own.
 *
 * @param {import("./libtorch.js").LibTorch} libtorch
 * @param {string} folder the build tree
 * @param {string} rpath where the binary looks for LibTorch when it is loaded
 * @returns {Promise<string>} the binary in the tree
 */
export async function compile(libtorch, folder, rpath) {
  await requireTools();
  const cmakeJs = join(root, "node_modules", "cmake-js", "bin", "cmake-js");
  const arguments_ = [
    `--CDSTEPPE_LIBTORCH=${libtorch.path}`,
    `--CDSTEPPE_LIBTORCH_VERSION=${libtorch.version}`,
    `--CDSTEPPE_LIBTORCH_CUDA=${libtorch.cuda}`,
    `--CDSTEPPE_RPATH=${rpath}`,
    `--CDSTEPPE_NVIDIA=${libtorch.nvidia.join(";")}`,
  ];
  const bar = progress("compile");
  const log = [];
  const onLine = (text) => {
    log.push(text);
    const step = /^\[\s*(\d+\/\d+|\d+%)\]\s*(.*)/.exec(text);
    if (step !== null) bar.update(`${step[1]} ${step[2].replace(/^.*CMakeFiles\/steppe\.dir\//, "")}`);
    // Warnings and errors, and the lines that explain them; not cmake-js's and CMake's own report.
    else if (!/^(-- |ninja: |make|\s*$|Consolidate|Scanning|Not searching)/.test(text)) say(`  ${text}`);
  };
  const cmake = async (command) => {
    const job = [cmakeJs, command, "--out", folder, "--parallel", String(jobs()), "--log-level", "warn", ...arguments_];
    const { code } = await run(process.execPath, job, { cwd: root, onLine });
    const logFile = join(folder, "build.log");
    mkdirSync(folder, { recursive: true });
    writeFileSync(logFile, `${log.join("\n")}\n`);
    if (code !== 0) throw new SetupError(`The addon could not be compiled against the LibTorch in ${libtorch.path}.\nThe whole output is in ${logFile}. To see what it was compiled with:\n    npm run doctor`);
  };

  // Configuring again costs seconds, so only when its arguments changed. It stays unrecorded until it went through.
  const record = join(folder, "configured.json");
  if (JSON.stringify(readJson(record)) !== JSON.stringify(arguments_) || !existsSync(join(folder, "CMakeCache.txt"))) {
    rmSync(join(folder, "CMakeCache.txt"), { force: true }); // else an argument left out now keeps its old value
    await cmake("configure");
    writeJson(record, arguments_);
  }
  const marker = join(folder, "unfinished");
  if (existsSync(marker)) removeHalfWritten(folder);
  writeFileSync(marker, "");
  const begun = join(folder, "begun");
  const now = new Date();
  if (existsSync(begun)) renewSavedSince(statSync(begun).mtimeMs, now);
  writeFileSync(begun, "");
  utimesSync(begun, now, now); // by the same clock: the file system's own may be milliseconds behind, and all that is renewed would be so again each time
  await cmake("build");
  rmSync(marker);
  return join(folder, "Release", "steppe.node");
}

/** What was saved while a build ran may have been read before: what that build made of it is newer, so make would leave it. */
function renewSavedSince(time, now) {
  for (const file of filesBelow(join(root, "native"))) if (statSync(file).mtimeMs > time) utimesSync(file, now, now);
}

/** Longer than any compiler writes at one file. */
const WRITING_MS = 10_000;

/** After a build that was killed: its last outputs may be half-written, and make takes a new file for a finished one. */
function removeHalfWritten(folder) {
  const outputs = filesBelow(folder, (name) => /\.(o|gch|pch|node)$/.test(name)).map((file) => ({ file, time: statSync(file).mtimeMs }));
  const newest = Math.max(...outputs.map(({ time }) => time));
  for (const { file, time } of outputs) if (time > newest - WRITING_MS) rmSync(file);
}

/** How many compilers run at once: as many as processors and memory allow, or `STEPPE_JOBS`. */
export function jobs() {
  const wanted = Number(process.env.STEPPE_JOBS);
  if (Number.isInteger(wanted) && wanted > 0) return wanted;
  return Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / COMPILER_MEMORY)));
}

async function requireTools() {
  const needed = [
    ["cmake", "apt-get install cmake", "brew install cmake"],
    [process.env.CXX || "c++", "apt-get install g++", "xcode-select --install"],
  ];
  for (const [program, debian, mac] of needed) {
    const { missing } = await run(program, ["--version"]);
    if (missing) {
      const command = process.platform === "darwin" ? mac : debian;
      throw new SetupError(`Expected ${program} on the PATH, which compiles the addon, but found none.\nInstall it: ${command}`);
    }
  }
}
