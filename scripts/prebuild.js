// `npm run build:prebuilt`: fills prebuilds/<platform>-<arch>/ in prebuildify's layout, which node-gyp-build reads.
// prebuildify itself drives node-gyp only, and this addon is built by cmake-js.
import { copyFileSync, mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { explain } from "./setup/advice.js";
import { discover, trace } from "./setup/discover.js";
import { archiveUrl } from "./setup/fetch.js";
import { writeJson } from "./setup/files.js";
import { runScript, setup } from "./setup/main.js";
import { compile, describeBinary, hashSources } from "./setup/native.js";
import { root } from "./setup/paths.js";
import { SetupError, announce, say } from "./setup/report.js";

await runScript(async () => {
  await setup(["dependencies"], { command: "npm run build:prebuilt" });
  const { libtorch, attempts } = await discover();
  if (libtorch === undefined) throw new SetupError(explain(attempts, trace(attempts), { command: "npm run build:prebuilt", archive: archiveUrl() }));
  announce("compiling the addon to ship", "it looks for LibTorch beside itself, not in this machine's folders");
  const origin = process.platform === "darwin" ? "@loader_path" : "$ORIGIN";
  const built = await compile(libtorch, join(root, "build", "prebuild"), `${origin}/libtorch/lib`);

  const folder = join(root, "prebuilds", `${process.platform}-${process.arch}`);
  mkdirSync(folder, { recursive: true });
  // prebuildify's name: the package, and tags for what the file is bound to (Node-API makes it the only one).
  const libc = process.platform === "linux" ? ".glibc" : "";
  const file = join(folder, `steppe.napi${libc}.node`);
  copyFileSync(built, `${file}.part`);
  renameSync(`${file}.part`, file);
  const { size, mtimeMs } = statSync(file);
  const { libtorch: target, ...rest } = describeBinary(libtorch, hashSources());
  writeJson(join(folder, "steppe.json"), { libtorch: { version: target.version, cuda: target.cuda }, ...rest, file: { size, mtimeMs } });
  say(`steppe: ${file} is for LibTorch ${libtorch.version}`);
});
