import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** The environment variable in which every program that setup starts, and what that starts in turn, finds whose it is. */
const OWNER = "STEPPE_SETUP_PROCESS";

/**
 * Runs a program to its end, without a shell.
 *
 * Its output goes line by line to `onLine`. With no `onLine` it is collected only.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, onLine?: (line: string) => void, timeoutMs?: number }} [options]
 * @returns {Promise<{ code: number, stdout: string, output: string, missing: boolean }>} `missing`: there is no such program
 */
export function run(program, args, { cwd, env, onLine, timeoutMs } = {}) {
  return new Promise((resolve) => {
    // A process group of its own, so that all that it starts can be ended with it; and a word on whose it is.
    const marked = { ...(env ?? process.env), [OWNER]: identityOf(process.pid) };
    const child = spawn(program, args, { cwd, env: marked, stdio: ["ignore", "pipe", "pipe"], detached: true });
    running.add(child);
    let late = false;
    const stop = () => {
      late = true;
      killGroup(child.pid, "SIGTERM");
    };
    const timer = timeoutMs === undefined ? undefined : setTimeout(stop, timeoutMs);
    const forget = () => {
      clearTimeout(timer);
      running.delete(child);
    };
    let stdout = "";
    let output = "";
    let rest = "";
    const take = (chunk, isStdout) => {
      output += chunk;
      if (isStdout) stdout += chunk;
      if (onLine === undefined) return;
      const lines = (rest + chunk).split(/[\r\n]+/);
      rest = lines.pop() ?? "";
      for (const text of lines) if (text !== "") onLine(text);
    };
    child.stdout.setEncoding("utf8").on("data", (chunk) => take(chunk, true));
    child.stderr.setEncoding("utf8").on("data", (chunk) => take(chunk, false));
    child.on("error", (error) => {
      forget();
      resolve({ code: 127, stdout, output: output + error.message, missing: error.code === "ENOENT" });
    });
    child.on("close", (code) => {
      forget();
      if (stopping) return; // nobody has use for the result of what was cut short
      if (rest !== "") onLine?.(rest);
      if (late) output += `\nstopped after ${timeoutMs / 1000} s`;
      resolve({ code: code ?? 128, stdout, output, missing: false });
    });
  });
}

/**
 * Runs a program that takes over the terminal: the job after the setup.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<number>} its exit code
 */
export function become(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: "inherit" });
    // A terminal sends Ctrl-C to the child as well: it decides when to end, and we end after it.
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    const forward = (signal) => void (signal !== "SIGINT" || !process.stdin.isTTY ? child.kill(signal) : undefined);
    for (const signal of signals) process.on(signal, forward);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      for (const each of signals) process.off(each, forward);
      resolve(code ?? (signal === "SIGINT" ? 130 : signal === "SIGTERM" ? 143 : 1));
    });
  });
}

/** Programs under way, to be ended when this process ends early. */
const running = new Set();

function pids() {
  return [...running].map(({ pid }) => pid).filter((pid) => pid !== undefined);
}

let stopping = false;

/** Asks every program under way to end, and waits until they and all that they started have. Their `run` never returns. */
export async function stopAll() {
  stopping = true;
  await endGroups(pids(), "SIGTERM");
}

/** What has not ended by then is ended by force, */
const PATIENCE_MS = 4_000;
/** and by then it is left alone: it has ended, but its parent doesn't take notice. */
const END_MS = 5_000;

/**
 * Ends process groups and waits for their end.
 *
 * @param {number[]} groups
 * @param {NodeJS.Signals} signal
 */
export async function endGroups(groups, signal) {
  for (const group of groups) killGroup(group, signal);
  const started = Date.now();
  const passed = () => Date.now() - started;
  for (let left = groups; left.length > 0 && passed() < END_MS; left = left.filter((group) => killGroup(group, 0))) {
    if (passed() > PATIENCE_MS) for (const group of left) killGroup(group, "SIGKILL");
    await sleep(20);
  }
}

/** @returns whether there was such a group. With signal 0 nothing but that is found out. */
function killGroup(group, signal) {
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/**
 * Names a process for good: its id is used again one day, but not with the same start.
 *
 * @param {number} pid
 * @returns {string} its id, and when it began in clock ticks since boot; "" where there is no such process or no /proc
 */
export function identityOf(pid) {
  const text = readProc(pid, "stat");
  return text === "" ? "" : `${pid}@${text.slice(text.lastIndexOf(")") + 2).split(" ")[19]}`;
}

/**
 * Ends by force what a setup that was killed has left running. Where there is no /proc it can't be found.
 *
 * @param {string} owner the setup's identity
 */
export async function endOrphans(owner) {
  if (owner === "" || !existsSync("/proc/self/environ")) return;
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const orphans = pids.filter((pid) => readProc(pid, "environ").split("\0").includes(`${OWNER}=${owner}`));
  await endGroups([...new Set(orphans.map(groupOf).filter((group) => group > 1))], "SIGKILL");
}

/** The process group of a process, NaN where it has ended. */
function groupOf(pid) {
  return Number(/^.*\) \S \d+ (\d+) /s.exec(readProc(pid, "stat"))?.[1]);
}

function readProc(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return ""; // it has ended, or belongs to somebody else
  }
}
