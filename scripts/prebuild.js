// `npm run build:prebuilt`: fills prebuilds/<platform>-<arch>/, which node-gyp-build reads. Such a binary looks for LibTorch
// beside itself: scripts/install.js links the one that is found into its folder.
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { explain } from "./setup/advice.js";
import { discover, trace } from "./setup/discover.js";
import { archiveUrl } from "./setup/fetch.js";
import { writeJson } from "./setup/files.js";
import { handleInterrupts } from "./setup/interrupt.js";
import { withLock } from "./setup/lock.js";
import { runScript, setup } from "./setup/main.js";
import { compile, describeBinary, hashSources, tree } from "./setup/native.js";
import { root } from "./setup/paths.js";
import { SetupError, announce, say } from "./setup/report.js";

const command = "npm run build:prebuilt";

await runScript(async () => {
  await setup(["dependencies"], { command });
  const giveBack = handleInterrupts();
  const { libtorch, attempts } = await discover();
  if (libtorch === undefined) throw new SetupError(explain(attempts, trace(attempts), { command, archive: archiveUrl() }));
  announce("compiling the addon to ship", "it looks for LibTorch beside itself, not in this machine's folders");
  const origin = process.platform === "darwin" ? "@loader_path" : "$ORIGIN";
  const staging = join(root, "build", "prebuild");
  await withLock(join(root, ".cache"), async () => {
    // NVIDIA's libraries lie elsewhere on another machine.
    const built = await compile({ ...libtorch, nvidia: [] }, tree, `${origin}/libtorch/lib`);
    mkdirSync(join(staging, "build", "Release"), { recursive: true });
    copyFileSync(built, join(staging, "build", "Release", "steppe.node"));
  });

  const folder = join(root, "prebuilds", `${process.platform}-${process.arch}`);
  rmSync(folder, { recursive: true, force: true });
  const { default: prebuildify } = await import("prebuildify");
  // It would drive node-gyp. The binary is made already, so that there is nothing to do for that program: names, strips, places.
  await promisify(prebuildify)({ cwd: staging, out: root, name: "steppe", napi: true, nodeGyp: "true", strip: true, tagLibc: process.platform === "linux", quiet: true });
  const { libtorch: target, ...rest } = describeBinary(libtorch, hashSources());
  writeJson(join(folder, "steppe.json"), { libtorch: { version: target.version, cuda: target.cuda }, ...rest });
  say(`steppe: ${folder} holds the addon for LibTorch ${libtorch.version}`);
  giveBack();
});
