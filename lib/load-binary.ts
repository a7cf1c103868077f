import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { explainMismatch } from "../scripts/setup/advice.js";
import { identify, minorOf } from "../scripts/setup/libtorch.js";
import { SteppeError } from "./errors.js";

/** What lies beside a binary as `steppe.json`, written by whoever built it. */
interface Description {
  /** What it was compiled against. The path is left out of a prebuilt binary, which is for any machine. */
  libtorch: { version: string; cuda: string; path?: string };
  napi: number;
  platform: string;
  arch: string;
}

/** A native addon binary, what it was built for, and the LibTorch it will load. */
export interface BinaryInfo {
  file: string;
  kind: "prebuilt" | "compiled";
  builtFor: Description;
  /** The LibTorch beside it; its version is "" when nothing is there. CUDA is "" for a CPU build. */
  libtorch: { path: string; version: string; cuda: string };
}

// One level up, from lib/ under vitest as from dist/ in a package.
const root = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);

const REBUILD = "- Build the addon for this machine:\n    npm run build:native      in a checkout\n    npm rebuild steppe        as an installed package";
const DOCTOR = "- See the whole situation:\n    npx steppe doctor";

let loaded: { exports: unknown; info: BinaryInfo } | undefined;

/**
 * Loads the native addon: a prebuilt binary if one fits, else the compiled one.
 *
 * @returns what the addon exports
 * @throws SteppeError `LIBTORCH` when there is no binary, when the LibTorch beside it is missing or of another minor
 * version than the binary was built for, and when the system's loader refuses it; the message says what helps
 */
export function loadBinary(): unknown {
  if (loaded !== undefined) return loaded.exports;
  const candidates = candidatesForLoading();
  const refusals: string[] = [];
  for (const info of candidates) {
    const refusal = refuse(info);
    if (refusal === undefined) {
      loaded = { exports: open(info), info };
      return loaded.exports;
    }
    refusals.push(refusal);
  }
  throw new SteppeError("LIBTORCH", refusals[0] ?? message("Expected the native addon but found no binary.", `Looked in:\n  ${join(root, "prebuilds")}\n  ${join(root, "build", "Release")}`));
}

/**
 * The binary that is loaded, or would be: undefined when there is none.
 *
 * Loads nothing and throws nothing: it is there for finding out why loading fails.
 */
export function binaryInfo(): BinaryInfo | undefined {
  if (loaded !== undefined) return loaded.info;
  const candidates = candidatesForLoading();
  return candidates.find((info) => refuse(info) === undefined) ?? candidates[0];
}

function candidatesForLoading(): BinaryInfo[] {
  const candidates: BinaryInfo[] = [];
  for (const [kind, file] of [["prebuilt", prebuilt()], ["compiled", join(root, "build", "Release", "steppe.node")]] as const) {
    if (file === undefined || !existsSync(file)) continue;
    const builtFor = readDescription(join(dirname(file), "steppe.json"));
    candidates.push({ file, kind, builtFor, libtorch: identify(libtorchFolder(file, builtFor)) });
  }
  return candidates;
}

/** node-gyp-build takes a compiled binary first unless it is told, when it is loaded, to look at prebuilt ones only. */
function prebuilt(): string | undefined {
  const before = process.env["PREBUILDS_ONLY"];
  process.env["PREBUILDS_ONLY"] = "1";
  try {
    const find = require("node-gyp-build") as { resolve(folder: string): string };
    return find.resolve(root);
  } catch {
    return undefined;
  } finally {
    if (before === undefined) delete process.env["PREBUILDS_ONLY"];
    else process.env["PREBUILDS_ONLY"] = before;
  }
}

function readDescription(file: string): Description {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Description;
  } catch {
    return { libtorch: { version: "", cuda: "" }, napi: 0, platform: "", arch: "" };
  }
}

/** The folder whose libraries the system's loader will take: LD_LIBRARY_PATH goes before the path in the binary. */
function libtorchFolder(file: string, builtFor: Description): string {
  const name = process.platform === "darwin" ? "libtorch_cpu.dylib" : "libtorch_cpu.so";
  const variable = process.platform === "darwin" ? "DYLD_LIBRARY_PATH" : "LD_LIBRARY_PATH";
  const override = (process.env[variable] ?? "").split(delimiter).find((folder) => folder !== "" && existsSync(join(folder, name)));
  if (override !== undefined) return dirname(override);
  return builtFor.libtorch.path ?? join(dirname(file), "libtorch");
}

/** Why a binary can't be loaded, or undefined. */
function refuse({ file, builtFor, libtorch }: BinaryInfo): string | undefined {
  const built = builtFor.libtorch.version;
  if (built === "") return message(`Expected ${join(dirname(file), "steppe.json")}, which says what ${file} was built for, but can't read it.`);
  if (builtFor.platform !== process.platform || builtFor.arch !== process.arch) {
    return message(`Expected a native addon for ${process.platform} ${process.arch} but ${file} is for ${builtFor.platform} ${builtFor.arch}.`);
  }
  if (builtFor.napi > Number(process.versions["napi"])) {
    return message(`Expected a Node with Node-API ${builtFor.napi} but this is Node ${process.version} with Node-API ${process.versions["napi"]}.`, "", "- Use Node 20.17 or later.");
  }
  if (libtorch.version === "") return message(`Expected LibTorch ${built} in ${libtorch.path}, which the native addon was built for, but there is none.`);
  if (minorOf(libtorch.version) !== minorOf(built)) return `${explainMismatch(built, libtorch.version)}\nThe LibTorch: ${libtorch.path}\nThe addon: ${file}`;
  if (builtFor.libtorch.cuda !== "" && libtorch.cuda === "") {
    return message(`Expected a CUDA build of LibTorch in ${libtorch.path}, as the native addon was built for CUDA ${builtFor.libtorch.cuda}, but found a CPU build.`);
  }
  return undefined;
}

function open(info: BinaryInfo): unknown {
  try {
    return require(info.file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SteppeError("LIBTORCH", message(`Expected ${info.file} to load but the system refused it: ${reason}`, `LibTorch: ${info.libtorch.path}`), { cause: error });
  }
}

function message(what: string, more = "", first = REBUILD): string {
  return [what, ...(more === "" ? [] : [more]), "Possible solutions:", first, DOCTOR].join("\n");
}
