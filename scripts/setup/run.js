import { spawn } from "node:child_process";

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
    const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    running.add(child);
    let late = false;
    const stop = () => {
      late = true;
      child.kill();
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

/** Ends every program under way. For the handler of an interrupt. */
export function stopAll() {
  for (const child of running) child.kill("SIGTERM");
}
