import { existsSync } from "node:fs";
import { join } from "node:path";
import { readJson } from "./files.js";
import { root } from "./paths.js";
import { SetupError, announce, progress, say, since } from "./report.js";
import { run } from "./run.js";

/**
 * Whether node_modules holds what package-lock.json asks for.
 *
 * npm writes node_modules/.package-lock.json last: an interrupted installation has none.
 */
export function dependenciesAreCurrent() {
  const wanted = readJson(join(root, "package-lock.json"))?.packages ?? {};
  const present = readJson(join(root, "node_modules", ".package-lock.json"))?.packages;
  if (present === undefined) return false;
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === "") return true;
    const at = present[path];
    // Packages for other platforms are optional and left out.
    if (at === undefined) return optional === true;
    return at.version === version && existsSync(join(root, path, "package.json"));
  });
}

/** `npm ci`: exactly what package-lock.json says. */
export async function installDependencies() {
  const started = Date.now();
  announce("installing the npm packages", "node_modules is not what package-lock.json asks for");
  const bar = progress("npm ci");
  // Under `npm start` this is the npm that runs; it has no shebang to rely on.
  const npm = process.env.npm_execpath?.endsWith(".js") ? [process.execPath, process.env.npm_execpath] : ["npm"];
  const [program, ...first] = npm;
  const job = run(program, [...first, "ci", "--no-audit", "--no-fund", "--include=dev"], { cwd: root, onLine: (line) => bar.update(line) });
  const ticker = setInterval(() => bar.update(since(started)), 1000);
  const { code, output } = await job;
  clearInterval(ticker);
  if (code !== 0) {
    const network = /ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|network/i.test(output);
    const help = network ? "The registry can't be reached. With network, or a mirror in `npm config set registry`, run:" : "The same by hand, with npm's whole output:";
    throw new SetupError(`npm ci failed:\n${indent(output)}\n${help}\n    npm ci`);
  }
  say(`  npm ci: done after ${since(started)}`);
}

function indent(text) {
  return text.trim().split("\n").slice(-15).map((line) => `  ${line}`).join("\n");
}
