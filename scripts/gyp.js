// What binding.gyp asks: `node scripts/gyp.js path|version|cuda|sources|nvidia|nvidia-folders` prints one word (or a list),
// `node scripts/gyp.js describe FILE` writes the description beside the finished binary.
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { explain } from "./setup/advice.js";
import { discover, trace } from "./setup/discover.js";
import { filesBelow, writeJson } from "./setup/files.js";
import { archiveUrl } from "./setup/fetch.js";
import { runScript } from "./setup/main.js";
import { describeBinary, hashSources } from "./setup/native.js";
import { root } from "./setup/paths.js";
import { SetupError } from "./setup/report.js";

/** As in CMakeLists.txt: nearly all of a compiler's time goes into LibTorch's headers, so that several small files share it. */
const FILES_PER_UNIT = 8;

/** Files that include the sources, eight each. */
function writeUnits() {
  const sources = filesBelow(join(root, "native"), (name) => name.endsWith(".cc")).sort();
  const folder = join(root, "build", "units");
  mkdirSync(folder, { recursive: true });
  return Array.from({ length: Math.ceil(sources.length / FILES_PER_UNIT) }, (_, i) => {
    const unit = join(folder, `unit_${i}.cc`);
    const included = sources.slice(i * FILES_PER_UNIT, (i + 1) * FILES_PER_UNIT).map((file) => relative(join(root, "native"), file).replaceAll("\\", "/"));
    writeFileSync(unit, included.map((file) => `#include "${file}"\n`).join(""));
    return relative(root, unit);
  });
}

await runScript(async () => {
  const [what, target] = process.argv.slice(2);
  if (what === "sources") {
    console.log(writeUnits().join("\n"));
    return 0;
  }
  const { libtorch, attempts } = await discover();
  if (libtorch === undefined) throw new SetupError(explain(attempts, trace(attempts), { command: "npx node-gyp rebuild", archive: archiveUrl() }));
  if (what === "describe") {
    const { size, mtimeMs } = statSync(join(target, "..", "steppe.node"));
    writeJson(target, { ...describeBinary(libtorch, hashSources()), file: { size, mtimeMs } });
  } else if (what === "nvidia") {
    console.log(libtorch.nvidia.join("\n"));
  } else if (what === "nvidia-folders") {
    console.log([...new Set(libtorch.nvidia.map((file) => `-Wl,-rpath,${dirname(file)}`))].join("\n"));
  } else {
    console.log(libtorch[what]);
  }
  return 0;
});
