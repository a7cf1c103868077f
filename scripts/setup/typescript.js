import { existsSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { filesBelow, hashFiles, readJson, writeJson } from "./files.js";
import { root } from "./paths.js";
import { SetupError, announce, say, since } from "./report.js";
import { run } from "./run.js";

const stamp = join(root, "dist", ".built.json");

function hashSources() {
  const sources = filesBelow(join(root, "lib"), (name) => name.endsWith(".ts"));
  const compiler = readJson(join(root, "node_modules", "typescript", "package.json"))?.version ?? "";
  return hashFiles(root, [...sources, join(root, "tsconfig.json")], [compiler]);
}

/** Whether dist/ was built, to the end, from lib/ as it is now. */
export function typescriptIsCurrent() {
  return existsSync(stamp) && readJson(stamp)?.sources === hashSources();
}

/** Compiles lib/ into dist/. */
export async function buildTypescript() {
  const started = Date.now();
  announce("compiling the TypeScript", "lib/ changed since dist/ was built");
  const sources = hashSources();
  rmSync(stamp, { force: true }); // dist/ is neither the old nor the new one until the end
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const arguments_ = ["--project", "tsconfig.json", "--pretty", "false", "--listEmittedFiles"];
  const { code, output } = await run(process.execPath, [compiler, ...arguments_], { cwd: root });
  if (code !== 0) throw new SetupError(`tsc refused lib/:\n${output.replace(/^TSFILE: .*\n/gm, "").trim()}`);
  const written = new Set([...output.matchAll(/^TSFILE: (.*)$/gm)].map(([, file]) => resolve(file)));
  for (const file of filesBelow(dirname(stamp))) if (!written.has(file)) rmSync(file); // of a source that is gone
  writeJson(stamp, { sources });
  say(`  tsc: done after ${since(started)}`);
}
