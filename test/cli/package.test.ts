import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root, setUp } from "./processes.js";

setUp();

test("the package holds what its install script, its commands and its users need, and nothing else", () => {
  const output = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const [{ files }] = JSON.parse(output) as [{ files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  const needed = ["package.json", "README.md", "LICENSE", "CMakeLists.txt", "binding.gyp", "dist/index.js", "dist/index.d.ts", "dist/cli/main.js"];
  const scripts = ["install.js", "gyp.js", "steppe.js"].map((name) => `scripts/${name}`);
  const setup = readdirSync(join(root, "scripts", "setup")).map((name) => `scripts/setup/${name}`);
  const data = readdirSync(join(root, "data")).map((name) => `data/${name}`);
  const native = readdirSync(join(root, "native"), { recursive: true, encoding: "utf8" }).filter((name) => /\.(cc|h)$/.test(name)).map((name) => `native/${name}`);
  for (const path of [...needed, ...scripts, ...setup, ...data, ...native]) expect(paths).toContain(path);
  expect(paths.filter((path) => !/^(dist|lib|native|scripts|data|prebuilds)\/|^[^/]+$/.test(path))).toEqual([]);
  expect(paths.filter((path) => /(^|\/)\./.test(path))).toEqual([]);
});
