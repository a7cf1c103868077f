import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cleanEnvironment, fakePython, libraryWithout, libtorchFiles, run, serve, start, temporaryFolder, under, writeFile, zip } from "./fixtures.js";

const archive = zip(under("libtorch", libtorchFiles()));
const args = ["libtorch"];
const script = "scripts/setup/main.js";
/** What a cache holds beside locks. */
const contents = (cache: string) => readdirSync(cache).filter((name) => !name.startsWith("setup.lock"));

/** A wheel has more than a LibTorch in it. */
function wheel(folder: string, files = libtorchFiles()): string {
  const others = { "torch/nn/__init__.py": "", "torch/lib/libtorch_python.so": "x", "torch-2.13.0.dist-info/RECORD": "", "torch.libs/libgomp.so": "x" };
  return writeFile(join(folder, "torch-2.13.0-cp311-cp311-linux.whl"), zip({ ...under("torch", files), ...others }));
}

test("the official archive is fetched once and found from then on", async () => {
  const cache = temporaryFolder();
  const { url, requests } = await serve((_, response) => response.end(archive));
  const env = cleanEnvironment(cache, { STEPPE_LIBTORCH_URL: url, path: fakePython(join(cache, "bin")) });
  const first = await run(script, args, env);
  expect(first.output).toContain(`LibTorch 2.13.0 for CPU is in ${join(cache, "libtorch-2.13.0-cpu", "libtorch")}`);
  expect(first.code).toBe(0);
  expect(readFileSync(join(cache, "libtorch-2.13.0-cpu", "libtorch", "lib", "libtorch_cpu.so"), "utf8")).toBe("x".repeat(100_000));
  expect(contents(cache).sort()).toEqual(["bin", "libtorch-2.13.0-cpu"]);

  const second = await run(script, args, env);
  expect(second).toMatchObject({ code: 0, output: "" });
  expect(requests).toHaveLength(1);
});

test("without the archive, pip's wheel is taken: its libraries and headers, nothing else", async () => {
  const folder = temporaryFolder();
  const cache = join(folder, "cache");
  const { url } = await serve((_, response) => response.writeHead(404).end());
  const path = fakePython(join(folder, "bin"), { wheel: wheel(folder) });
  const { code, output } = await run(script, args, cleanEnvironment(cache, { STEPPE_LIBTORCH_URL: url, path }));
  expect(output).toContain("the server answered 404");
  expect(code).toBe(0);
  const home = join(cache, "libtorch-2.13.0-cpu");
  expect(readdirSync(home).sort()).toEqual([".complete", "torch", "torch.libs"]);
  expect(existsSync(join(home, "torch", "nn"))).toBe(false);
  expect(existsSync(join(home, "torch", "lib", "libtorch_python.so"))).toBe(false);
  expect(readFileSync(join(home, "torch", "build-version"), "utf8")).toBe("2.13.0+cpu\n");
});

test("a Python that PyTorch has no wheel for takes another Python's", async () => {
  const folder = temporaryFolder();
  const path = fakePython(join(folder, "bin"), { wheel: wheel(folder), needs: "--python-version 3.12" });
  const { code, output } = await run(script, args, cleanEnvironment(join(folder, "cache"), { path }));
  expect(output).toContain("LibTorch 2.13.0 for CPU is in");
  expect(code).toBe(0);
});

test("CUDA was asked for and pip has a CPU build: it is not kept, and the commands for either are named", async () => {
  const folder = temporaryFolder();
  const path = fakePython(join(folder, "bin"), { wheel: wheel(folder) });
  const { code, output } = await run(script, args, cleanEnvironment(join(folder, "cache"), { path, STEPPE_CUDA: "1" }));
  expect(output).toContain("pip: python3 -m pip download torch==2.13.0: it is a CPU build, and STEPPE_CUDA=1 asks for CUDA");
  expect(output).toContain("/cu130 torch==2.13.0\n    STEPPE_PYTHON=.cache/python/bin/python STEPPE_CUDA=1 npm run setup");
  expect(output).toContain("env -u STEPPE_CUDA npm run setup");
  expect(code).toBe(1);
  expect(contents(join(folder, "cache"))).toEqual([]);
});

test("a disk without room: what to free, or where else to put it", async () => {
  const folder = temporaryFolder();
  const path = fakePython(join(folder, "bin"), { pipError: "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device" });
  const { code, output } = await run(script, args, cleanEnvironment(join(folder, "cache"), { path }));
  expect(output).toContain("STEPPE_CACHE=/path/with/space npm run setup");
  expect(code).toBe(1);
});

test("no network: the trace names both tries, and what to do instead", async () => {
  const folder = temporaryFolder();
  const path = fakePython(join(folder, "bin"));
  const { code, output } = await run(script, args, cleanEnvironment(join(folder, "cache"), { path }));
  expect(code).toBe(1);
  expect(output).toMatch(/archive: http:.*: no network: .*ECONNREFUSED/);
  expect(output).toContain("pip: python3 -m pip download torch==2.13.0: ERROR: No matching distribution found for torch");
  expect(output).toContain("LIBTORCH=/path/to/libtorch npm run setup");
  expect(contents(join(folder, "cache"))).toEqual([]);
});

test("a Python without pip: the package to install is named", async () => {
  const folder = temporaryFolder();
  const path = fakePython(join(folder, "bin"), { pipError: "/usr/bin/python3: No module named pip" });
  const { output } = await run(script, args, cleanEnvironment(join(folder, "cache"), { path }));
  expect(output).toContain("apt-get install python3-pip");
});

test("a wheel that is a CUDA build without its NVIDIA libraries is not kept", async () => {
  const folder = temporaryFolder();
  const broken = readFileSync(libraryWithout("libcudnn.so.99", folder));
  const wheelFile = writeFile(
    join(folder, "torch-2.13.0-cp311-cp311-linux.whl"),
    zip({ ...under("torch", libtorchFiles({ cuda: "13.0" })), "torch/lib/libtorch_cuda.so": broken }),
  );
  const path = fakePython(join(folder, "bin"), { wheel: wheelFile });
  const { code, output } = await run(script, args, cleanEnvironment(join(folder, "cache"), { path }));
  expect(code).toBe(1);
  expect(output).toContain("it is a CUDA build without its NVIDIA libraries: libcudnn.so.99 not found");
  expect(output).toContain(".cache/python/bin/pip install torch==2.13.0");
  expect(output).toContain("/cpu torch==2.13.0");
  expect(contents(join(folder, "cache"))).toEqual([]);
});

test.each([
  ["cut off", archive.subarray(0, archive.length / 2), /cut off/],
  ["damaged", damaged(), /checksum is wrong|invalid|incorrect/],
  ["leading out of its folder", zip({ "../../escaped": "x" }), /leads out of it/],
])("an archive that is %s is refused and not kept", async (_, content, message) => {
  const folder = temporaryFolder();
  const { url } = await serve((_, response) => response.end(content));
  const path = fakePython(join(folder, "bin"));
  const { code, output } = await run(script, args, cleanEnvironment(join(folder, "cache"), { STEPPE_LIBTORCH_URL: url, path }));
  expect(code).toBe(1);
  expect(output).toMatch(message);
  expect(contents(join(folder, "cache"))).toEqual([]);
  expect(existsSync(join(folder, "escaped"))).toBe(false);
});

function damaged(): Buffer {
  const copy = Buffer.from(archive);
  const at = copy.indexOf("#define"); // in a stored file: only the checksum can tell
  copy[at < 0 ? 60 : at] = 0x41;
  return copy;
}

test.each(["SIGINT", "SIGTERM", "SIGKILL"] as const)("%s in the middle of a download leaves nothing that looks whole", async (signal) => {
  const folder = temporaryFolder();
  const cache = join(folder, "cache");
  let stall = true;
  const { url } = await serve((_, response) => {
    response.writeHead(200, { "content-length": archive.length });
    if (stall) response.write(archive.subarray(0, 100));
    else response.end(archive);
  });
  const env = cleanEnvironment(cache, { STEPPE_LIBTORCH_URL: url, path: fakePython(join(folder, "bin")) });
  const { child, finished, said } = start(script, args, env);
  await said(/fetching LibTorch/);
  await until(() => contents(cache).some((name) => existsSync(join(cache, name, "libtorch.zip"))));
  child.kill(signal);
  const { code, output } = await finished;
  if (signal !== "SIGKILL") {
    expect(code).toBe(signal === "SIGINT" ? 130 : 143);
    expect(output).toContain("setup interrupted");
    expect(readdirSync(cache)).toEqual([]);
  }

  stall = false;
  const next = await run(script, args, env);
  expect(next.output).toContain("LibTorch 2.13.0 for CPU is in");
  expect(next.code).toBe(0);
  expect(readdirSync(cache)).toEqual(["libtorch-2.13.0-cpu"]);
});

test("a half-finished fetch without its marker is not used but replaced", async () => {
  const folder = temporaryFolder();
  const cache = join(folder, "cache");
  writeFile(join(cache, "libtorch-2.13.0-cpu", "libtorch", "lib", "libtorch.so"), "half");
  const { url } = await serve((_, response) => response.end(archive));
  const { code } = await run(script, args, cleanEnvironment(cache, { STEPPE_LIBTORCH_URL: url, path: fakePython(join(folder, "bin")) }));
  expect(code).toBe(0);
  expect(readFileSync(join(cache, "libtorch-2.13.0-cpu", "libtorch", "lib", "libtorch.so"), "utf8")).not.toBe("half");
});

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("it did not come to that within 10 s");
}
