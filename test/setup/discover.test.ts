import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cleanEnvironment, fakePython, libraryWithout, makeLibTorch, run, temporaryFolder, writeFile } from "./fixtures.js";

const step = (env: NodeJS.ProcessEnv) => run("scripts/setup/main.js", ["libtorch"], env);

/** `gyp.js path` prints the folder of the LibTorch that discovery chose. */
async function chosen(env: NodeJS.ProcessEnv): Promise<string> {
  const { code, output } = await run("scripts/gyp.js", ["path"], env);
  expect(output).not.toContain("Error");
  expect(code).toBe(0);
  return output.trim();
}

test("LIBTORCH goes before the cache, the cache before Python's torch", async () => {
  const folder = temporaryFolder();
  const own = makeLibTorch(join(folder, "own"));
  const cached = makeLibTorch(join(folder, "cache", "libtorch-2.13.0-cpu"));
  writeFile(join(cached, ".complete"), "");
  const python = makeLibTorch(join(folder, "site-packages", "torch"));
  const path = fakePython(join(folder, "bin"), { torch: python });
  const cache = join(folder, "cache");

  expect(await chosen(cleanEnvironment(cache, { path, LIBTORCH: own }))).toBe(own);
  expect(await chosen(cleanEnvironment(cache, { path }))).toBe(cached);
  rmSync(join(cached, ".complete"));
  expect(await chosen(cleanEnvironment(cache, { path }))).toBe(python);
});

test("LIBTORCH may name the folder an archive was unpacked in", async () => {
  const folder = temporaryFolder();
  const libtorch = makeLibTorch(join(folder, "libtorch"));
  expect(await chosen(cleanEnvironment(join(folder, "cache"), { LIBTORCH: folder }))).toBe(libtorch);
});

test("STEPPE_PYTHON goes before python3", async () => {
  const folder = temporaryFolder();
  const torch = makeLibTorch(join(folder, "a", "torch"));
  const other = makeLibTorch(join(folder, "b", "torch"));
  const path = fakePython(join(folder, "bin"), { torch: other });
  const python = join(fakePython(join(folder, "own"), { torch }), "python3");
  expect(await chosen(cleanEnvironment(join(folder, "cache"), { path, STEPPE_PYTHON: python }))).toBe(torch);
});

test.each(["2.10.1", "2.15.0", "1.13.0"])("version %s in LIBTORCH is refused, with the way out", async (version) => {
  const folder = temporaryFolder();
  const LIBTORCH = makeLibTorch(join(folder, "libtorch"), { version });
  const { code, output } = await step(cleanEnvironment(join(folder, "cache"), { LIBTORCH }));
  expect(code).toBe(1);
  expect(output).toContain(`LIBTORCH: ${LIBTORCH}: it is version ${version}, supported are 2.11 to 2.14`);
  expect(output).toContain("env -u LIBTORCH npm run setup");
});

test.each(["2.11.0", "2.14.1"])("version %s is taken", async (version) => {
  const folder = temporaryFolder();
  const LIBTORCH = makeLibTorch(join(folder, "libtorch"), { version });
  expect((await step(cleanEnvironment(join(folder, "cache"), { LIBTORCH }))).code).toBe(0);
});

test("a Python's torch of a wrong version is passed over, and named when nothing else helps", async () => {
  const folder = temporaryFolder();
  const torch = makeLibTorch(join(folder, "torch"), { version: "2.6.0" });
  const path = fakePython(join(folder, "bin"), { torch });
  const { code, output } = await step(cleanEnvironment(join(folder, "cache"), { path }));
  expect(code).toBe(1);
  expect(output).toContain(`python3: ${torch}: it is version 2.6.0, supported are 2.11 to 2.14`);
  expect(output).toContain("pip install torch==2.13.0");
});

test("a CPU build is refused where CUDA was asked for", async () => {
  const folder = temporaryFolder();
  const LIBTORCH = makeLibTorch(join(folder, "libtorch"));
  const { code, output } = await step(cleanEnvironment(join(folder, "cache"), { LIBTORCH, STEPPE_CUDA: "1" }));
  expect(code).toBe(1);
  expect(output).toContain("it is a CPU build, and STEPPE_CUDA=1 asks for CUDA");
  expect(output).toContain("env -u STEPPE_CUDA npm run setup");
  expect(output).toContain("STEPPE_CUDA=1 npm run setup");
});

test("a CUDA build without its NVIDIA libraries is refused by their names", async () => {
  const folder = temporaryFolder();
  const LIBTORCH = makeLibTorch(join(folder, "libtorch"), { cuda: "13.0" });
  copyFileSync(libraryWithout("libcublas.so.13", folder), join(LIBTORCH, "lib", "libtorch_cuda.so"));
  const { code, output } = await step(cleanEnvironment(join(folder, "cache"), { LIBTORCH }));
  expect(code).toBe(1);
  expect(output).toContain("it is a CUDA build without its NVIDIA libraries: libcublas.so.13 not found");
  expect(output).toContain(".cache/python/bin/pip install torch==2.13.0");
});

/** A CUDA build whose libtorch_cuda needs a library that lies in a folder of its own. */
function cudaBuild(lies: (folder: string) => string): { LIBTORCH: string; folder: string; file: string } {
  const folder = temporaryFolder();
  const LIBTORCH = makeLibTorch(join(folder, "site-packages", "torch"), { cuda: "13.0" });
  copyFileSync(libraryWithout("libnvsome.so.13", folder, lies(folder)), join(LIBTORCH, "lib", "libtorch_cuda.so"));
  return { LIBTORCH, folder, file: join(lies(folder), "libnvsome.so.13") };
}

test.each([
  ["the wheels beside LibTorch", (folder: string) => join(folder, "site-packages", "nvidia", "cu13", "lib"), () => ({})],
  ["CUDA_HOME", (folder: string) => join(folder, "cuda", "lib64"), (folder: string) => ({ CUDA_HOME: join(folder, "cuda") })],
  ["LD_LIBRARY_PATH", (folder: string) => join(folder, "elsewhere"), (folder: string) => ({ LD_LIBRARY_PATH: join(folder, "elsewhere") })],
])("an NVIDIA library that the loader would not find is found in %s, and the addon will name it", async (_, lies, variables) => {
  const { LIBTORCH, folder, file } = cudaBuild(lies);
  const env = cleanEnvironment(join(folder, "cache"), { LIBTORCH, CUDA_HOME: undefined, ...variables(folder) });
  expect((await step(env)).code).toBe(0);
  const { output } = await run("scripts/gyp.js", ["nvidia"], env);
  expect(output.trim()).toBe(file);
  expect((await run("scripts/gyp.js", ["nvidia-folders"], env)).output.trim()).toBe(`-Wl,-rpath,${lies(folder)}`);
});

test("where an NVIDIA library is nowhere, the places that were looked at are said", async () => {
  const { LIBTORCH, folder } = cudaBuild((folder) => join(folder, "site-packages", "nvidia", "cu13", "lib"));
  rmSync(join(folder, "site-packages", "nvidia", "cu13", "lib", "libnvsome.so.13"));
  const { code, output } = await step(cleanEnvironment(join(folder, "cache"), { LIBTORCH }));
  expect(code).toBe(1);
  expect(output).toContain(`libnvsome.so.13 not found, neither by the loader nor in ${join(folder, "site-packages", "nvidia", "cu13", "lib")}`);
  expect(output).toContain("CUDA_HOME=/path/to/cuda npm run setup");
});

test("a broken folder is refused by what is missing", async () => {
  const folder = temporaryFolder();
  const LIBTORCH = makeLibTorch(join(folder, "libtorch"));
  rmSync(join(LIBTORCH, "lib", "libtorch_cpu.so"));
  const { code, output } = await step(cleanEnvironment(join(folder, "cache"), { LIBTORCH }));
  expect(code).toBe(1);
  expect(output).toContain("it is incomplete: lib/libtorch_cpu.so missing");
});

test("a library that was not copied to its end is refused", async () => {
  const folder = temporaryFolder();
  const LIBTORCH = makeLibTorch(join(folder, "libtorch"));
  const whole = readFileSync(libraryWithout("libsome.so", folder)); // any real library
  const target = join(LIBTORCH, "lib", "libc10.so");
  writeFile(target, whole);
  const env = cleanEnvironment(join(folder, "cache"), { LIBTORCH });
  expect((await step(env)).code).toBe(0);
  for (const size of [0, 10, whole.length - 1]) {
    writeFile(target, whole.subarray(0, size));
    const { code, output } = await step(env);
    expect(output).toContain(`LIBTORCH: ${LIBTORCH}: it is broken: lib/libc10.so cut off`);
    expect(output).toContain("env -u LIBTORCH npm run setup");
    expect(code).toBe(1);
  }
});

test("a broken folder in the cache: the command that removes it; one in a Python: the command that repairs it", async () => {
  const folder = temporaryFolder();
  const cache = join(folder, "cache");
  const cached = makeLibTorch(join(cache, "libtorch-2.13.0-cpu", "libtorch"));
  writeFile(join(cache, "libtorch-2.13.0-cpu", ".complete"), "");
  const torch = makeLibTorch(join(folder, "torch"));
  for (const path of [cached, torch]) rmSync(join(path, "include", "ATen"), { recursive: true });
  const { code, output } = await step(cleanEnvironment(cache, { path: fakePython(join(folder, "bin"), { torch }) }));
  expect(output).toContain(`cache: ${cached}: it is incomplete: include/ATen/core/Tensor.h missing`);
  expect(output).toContain(`rm -rf ${cached} && npm run setup`);
  expect(output).toContain(`python3: ${torch}: it is incomplete: include/ATen/core/Tensor.h missing`);
  expect(output).toContain("python3 -m pip install --force-reinstall torch==2.13.0");
  expect(code).toBe(1);
});

test("a folder that isn't there, and a Python that isn't there, are said", async () => {
  const folder = temporaryFolder();
  const wrong = join(folder, "nowhere");
  expect((await step(cleanEnvironment(join(folder, "cache"), { LIBTORCH: wrong }))).output).toContain(`LIBTORCH: ${wrong}: there is no such folder`);
  const { code, output } = await step(cleanEnvironment(join(folder, "cache"), { STEPPE_PYTHON: wrong }));
  expect(code).toBe(1);
  expect(output).toContain(`STEPPE_PYTHON: ${wrong}: no such program`);
  expect(output).toContain("apt-get install python3 python3-pip");
});

test("an unknown step is refused", async () => {
  const { code, output } = await run("scripts/setup/main.js", ["nativ"], process.env);
  expect(code).toBe(1);
  expect(output).toContain('Expected some of dependencies, typescript, libtorch, native as steps but received "nativ".');
});
