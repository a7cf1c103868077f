// npm's install script. In a checkout there is nothing to do: `npm start` and `npm test` set up what they need.
// As an installed package: a LibTorch, and an addon binary that fits it, prebuilt or compiled by node-gyp.
import { spawnSync } from "node:child_process";
import { existsSync, symlinkSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { discover, trace } from "./setup/discover.js";
import { explain } from "./setup/advice.js";
import { archiveUrl, fetchLibTorch } from "./setup/fetch.js";
import { readJson } from "./setup/files.js";
import { handleInterrupts } from "./setup/interrupt.js";
import { describe, minorOf } from "./setup/libtorch.js";
import { withLock } from "./setup/lock.js";
import { runScript } from "./setup/main.js";
import { jobs } from "./setup/native.js";
import { cacheFolders, installed, root } from "./setup/paths.js";
import { SetupError, say } from "./setup/report.js";

if (installed) await runScript(install);

async function install() {
  const giveBack = handleInterrupts();
  const { libtorch, attempts } = await withLock(cacheFolders()[0], async () => {
    const found = await discover();
    if (found.libtorch === undefined && !process.env.LIBTORCH) found.libtorch = await fetchLibTorch(found.attempts);
    return found;
  });
  giveBack();
  const command = "npm rebuild steppe";
  if (libtorch === undefined) throw new SetupError(explain(attempts, trace(attempts), { command, archive: archiveUrl() }));
  say(`steppe: LibTorch ${describe(libtorch)} is in ${libtorch.path}`);

  const folder = join(root, "prebuilds", `${process.platform}-${process.arch}`);
  const built = readJson(join(folder, "steppe.json"))?.libtorch;
  if (built !== undefined && minorOf(built.version) === minorOf(libtorch.version) && (built.cuda === "") === (libtorch.cuda === "") && libtorch.nvidia.length === 0) {
    // A prebuilt binary looks for LibTorch beside itself, as it can't know this machine's folders.
    const link = join(folder, "libtorch");
    rmSync(link, { recursive: true, force: true });
    symlinkSync(libtorch.path, link, "dir");
    return 0;
  }
  say(`steppe: compiling the addon with node-gyp (${existsSync(folder) ? "the prebuilt one is for another LibTorch" : "there is none prebuilt for this platform"})`);
  const builder = createRequire(import.meta.url).resolve("node-gyp-build/bin.js");
  const env = { ...process.env, LIBTORCH: libtorch.path, npm_config_build_from_source: "true", JOBS: process.env.JOBS ?? String(jobs()) };
  return spawnSync(process.execPath, [builder], { cwd: root, env, stdio: "inherit" }).status ?? 1;
}
