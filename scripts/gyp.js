// What binding.gyp asks: `node scripts/gyp.js path|version|cuda|sources` prints one word (or a list),
// `node scripts/gyp.js describe FILE` writes the description beside the finished binary.
import { join, relative } from "node:path";
import { statSync } from "node:fs";
import { explain } from "./setup/advice.js";
import { discover, trace } from "./setup/discover.js";
import { filesBelow, writeJson } from "./setup/files.js";
import { archiveUrl } from "./setup/fetch.js";
import { runScript } from "./setup/main.js";
import { describeBinary, hashSources } from "./setup/native.js";
import { root } from "./setup/paths.js";
import { SetupError } from "./setup/report.js";

await runScript(async () => {
  const [what, target] = process.argv.slice(2);
  if (what === "sources") {
    const sources = filesBelow(join(root, "native"), (name) => name.endsWith(".cc"));
    console.log(sources.map((file) => relative(root, file)).join("\n"));
    return 0;
  }
  const { libtorch, attempts } = await discover();
  if (libtorch === undefined) throw new SetupError(explain(attempts, trace(attempts), { command: "npx node-gyp rebuild", archive: archiveUrl() }));
  if (what === "describe") {
    const { size, mtimeMs } = statSync(join(target, "..", "steppe.node"));
    writeJson(target, { ...describeBinary(libtorch, hashSources()), file: { size, mtimeMs } });
  } else {
    console.log(libtorch[what]);
  }
  return 0;
});
