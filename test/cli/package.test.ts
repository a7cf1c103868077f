import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root, setUp, workFolder } from "./processes.js";

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

test("its types are whole for a project that targets ES2022 and checks its libraries", () => {
  const folder = workFolder();
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules", "steppe"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "main.ts"), 'import { torch, type Tensor } from "steppe";\nconst t: Tensor = torch.ones([2, 3]);\nexport const sizes: readonly number[] = t.T.shape;\n');
  const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck", "false", "--types", ""];
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { stdout } = spawnSync(process.execPath, [tsc, ...options, "main.ts"], { cwd: folder, encoding: "utf8" });
  // The package is reached by a link, so that its own files are not in node_modules; those of others are theirs.
  expect(stdout.split("\n").filter((line) => line !== "" && !line.includes("node_modules"))).toEqual([]);
});
