import { DEFAULT_VERSION, SUPPORTED, minorOf } from "./libtorch.js";

const WHEELS = "https://download.pytorch.org/whl";
const VENV = "python3 -m venv .cache/python && .cache/python/bin/pip install";
const USE = "STEPPE_PYTHON=.cache/python/bin/python";

/**
 * What helps against what was found, each with the exact command.
 *
 * @param {import("./discover.js").Attempt[]} attempts
 * @param {{ env?: NodeJS.ProcessEnv, command?: string, archive?: string }} [options] `command`: what the user ran
 * @returns {string[]} sentences with commands, the likeliest help first, each once
 */
export function advise(attempts, { env = process.env, command = "npm start", archive = "" } = {}) {
  const advice = [];
  const cuda = env.STEPPE_CUDA === "1";
  for (const { source, found, result } of attempts) {
    const kinds = new Set(found?.problems.map(({ kind }) => kind) ?? []);
    if (source === "LIBTORCH" && kinds.size > 0) {
      advice.push(`Without LIBTORCH setup finds or fetches one itself:\n    env -u LIBTORCH ${command}`);
    }
    if (kinds.has("incomplete") && source === "cache") advice.push(`Remove the broken folder, it is fetched again:\n    rm -rf ${found.path} && ${command}`);
    if (kinds.has("incomplete") && /python/i.test(source)) advice.push(`Repair that Python's torch:\n    ${python(env)} -m pip install --force-reinstall torch==${DEFAULT_VERSION}`);
    if (kinds.has("version") && /python/i.test(source)) advice.push(`Install a supported version beside it:\n    ${VENV} torch==${DEFAULT_VERSION}\n    ${USE} ${command}`);
    if (kinds.has("nvidia")) {
      advice.push(`Install the CUDA build with its NVIDIA libraries, which pip brings along:\n    ${VENV} torch==${DEFAULT_VERSION}\n    ${USE} ${command}`);
      advice.push(`Or name the CUDA installation that has them:\n    CUDA_HOME=/path/to/cuda ${command}`);
      if (!cuda) advice.push(`Or take the CPU build:\n    ${VENV} --index-url ${WHEELS}/cpu torch==${DEFAULT_VERSION}\n    ${USE} ${command}`);
    }
    if (kinds.has("cpu")) advice.push(`For CUDA, install a CUDA build:\n    ${VENV} --index-url ${WHEELS}/cu130 torch==${DEFAULT_VERSION}\n    ${USE} STEPPE_CUDA=1 ${command}\nFor CPU, don't ask for CUDA:\n    env -u STEPPE_CUDA ${command}`);
    if (/ENOSPC|no space left/i.test(result)) advice.push(`Free 2 GB where the cache is, or put it elsewhere:\n    STEPPE_CACHE=/path/with/space ${command}`);
    if (/no module named pip/i.test(result)) advice.push("Give Python its pip:\n    apt-get install python3-pip");
    if (/no such program|there is no /.test(result) && /python|pip/i.test(source)) advice.push("Install Python with pip:\n    apt-get install python3 python3-pip python3-venv");
  }
  if (attempts.some(({ source, found }) => source === "archive" && found === undefined)) {
    advice.push(`Without network: fetch the archive on another machine, unpack it here and name the folder:\n    ${archive}\n    LIBTORCH=/path/to/libtorch ${command}`);
  }
  if (advice.length === 0) advice.push(`Install one that setup finds:\n    ${VENV} torch==${DEFAULT_VERSION}\n    ${USE} ${command}`);
  return [...new Set(advice)];
}

function python(env) {
  return env.STEPPE_PYTHON || "python3";
}

/**
 * The whole message for a LibTorch that can't be had.
 *
 * @param {import("./discover.js").Attempt[]} attempts
 * @param {string} trace the attempts as lines
 * @param {{ env?: NodeJS.ProcessEnv, command?: string, archive?: string }} options
 */
export function explain(attempts, trace, options) {
  const advice = advise(attempts, options).map((text) => `- ${text}`);
  return [`Expected a LibTorch of version ${SUPPORTED} but found none that can be used.`, "Tried:", trace, "Possible solutions:", ...advice].join("\n");
}

/**
 * What to do about a binary and a LibTorch that don't belong together.
 *
 * @param {string} built "2.13.0", what the binary was built for
 * @param {string} beside "2.12.1", what lies there now
 */
export function explainMismatch(built, beside) {
  return [
    `Expected LibTorch ${minorOf(built)} beside the native addon, which was built for ${built}, but found LibTorch ${beside}.`,
    "Possible solutions:",
    "- Build the addon for the LibTorch at hand:\n    npm run build:native",
    `- Or give it back the version it was built for:\n    LIBTORCH=/path/to/libtorch-${built} npm run build:native`,
  ].join("\n");
}
