import { execFileSync } from "node:child_process";
import { cpSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { cleanEnvironment, fakePython, makeLibTorch, root, run, temporaryFolder, writeFile } from "./fixtures.js";

// `npm test` has built dist/ already; vitest on its own has not.
beforeAll(() => void execFileSync(process.execPath, [join(root, "scripts/setup/main.js"), "typescript"], { cwd: root }));

const doctor = (env: NodeJS.ProcessEnv, folder = root) => run("scripts/steppe.js", ["doctor"], env, folder);

/** The package as it is, without a binary of its own. */
function packageCopy(): string {
  const folder = temporaryFolder();
  for (const name of ["dist", "scripts", "package.json", "package-lock.json", "lib", "tsconfig.json"]) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  return folder;
}

test("doctor prints the whole situation, and the addon loads", async () => {
  const { code, output } = await doctor(process.env);
  for (const name of ["Node", "compiler", "cmake", "Python", "threads", "LibTorch", "addon", "data"]) expect(output).toMatch(new RegExp(`^${name} `, "m"));
  expect(output).toContain(process.version);
  expect(output).toMatch(/built for LibTorch 2\.\d+\.\d+ for (CPU|CUDA [\d.]+), linux \w+, Node-API 9/);
  expect(output).toMatch(/loads; \d+ threads/);
  expect(output).toContain("looked at, in this order:");
  expect(output).toContain("All is well.");
  expect(code).toBe(0);
});

test("a LibTorch of another minor version beside the binary: both are named, nothing is loaded", async () => {
  const folder = temporaryFolder();
  const other = makeLibTorch(join(folder, "libtorch"), { version: "2.12.1" });
  const { code, output } = await doctor({ ...process.env, LD_LIBRARY_PATH: join(other, "lib") });
  expect(output).toMatch(/does not load: Expected LibTorch 2\.\d+ beside the native addon, which was built for 2\.\d+\.\d+, but found LibTorch 2\.12\.1\./);
  expect(output).toContain(`LibTorch beside it: 2.12.1 for CPU in ${other}`);
  expect(output).toContain("npm run build:native");
  expect(code).toBe(1);
});

test("where nothing is installed, doctor still speaks: what was tried, and what helps", async () => {
  const folder = packageCopy();
  const cache = join(folder, "cache");
  const { code, output } = await doctor(cleanEnvironment(cache, { path: fakePython(join(folder, "bin")), STEPPE_DATA: join(folder, "data") }), folder);
  expect(output).toContain(`cache: ${cache}: holds no LibTorch`);
  expect(output).toContain("python3: python3: it has no torch");
  expect(output).toMatch(/^addon +not built$/m);
  expect(output).toContain("pip install torch==2.13.0");
  expect(output).toContain("npm run build:native");
  expect(code).toBe(1);
});

test("a binary for another platform is refused before the system's loader sees it", async () => {
  const folder = packageCopy();
  const libtorch = makeLibTorch(join(folder, "libtorch"));
  writeFile(join(folder, "build", "Release", "steppe.node"), "not for here");
  const description = { libtorch: { version: "2.13.0", cuda: "", path: libtorch }, napi: 9, platform: "aix", arch: "ppc64" };
  writeFile(join(folder, "build", "Release", "steppe.json"), JSON.stringify(description));
  const { code, output } = await doctor(process.env, folder);
  expect(output).toContain(`Expected a native addon for ${process.platform} ${process.arch} but`);
  expect(output).toContain("is for aix ppc64.");
  expect(code).toBe(1);
});

test("a binary the system's loader refuses: its reason and what helps", async () => {
  const folder = packageCopy();
  const libtorch = makeLibTorch(join(folder, "libtorch"));
  writeFile(join(folder, "build", "Release", "steppe.node"), "no library at all");
  const description = { libtorch: { version: "2.13.0", cuda: "", path: libtorch }, napi: 9, platform: process.platform, arch: process.arch };
  writeFile(join(folder, "build", "Release", "steppe.json"), JSON.stringify(description));
  const { output } = await doctor(process.env, folder);
  expect(output).toMatch(/does not load: Expected .*steppe\.node to load but the system refused it: /);
});

test("a wrong command line ends with code 2 and a suggestion", async () => {
  const { code, output } = await run("scripts/steppe.js", ["docter"], process.env);
  expect(output).toContain("unknown command 'docter'");
  expect(output).toContain("doctor");
  expect(code).toBe(2);
});
