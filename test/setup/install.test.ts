import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readFileSync, readlinkSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { cleanEnvironment, fakePython, makeLibTorch, root, run, temporaryFolder, writeFile } from "./fixtures.js";

// The package as npm installs it: in a node_modules, with npm's install script to be run.

beforeAll(() => void execFileSync(process.execPath, [join(root, "scripts/setup/main.js")], { cwd: root, stdio: "ignore" }), 3_600_000);

const platform = `${process.platform}-${process.arch}`;

/** An installed package; with a prebuilt binary, which is this checkout's own, said to be for that LibTorch. */
function installed({ prebuiltFor }: { prebuiltFor?: string } = {}): string {
  const modules = join(temporaryFolder(), "node_modules");
  const folder = join(modules, "steppe");
  mkdirSync(folder, { recursive: true });
  for (const name of ["dist", "data", "scripts", "native", "package.json"]) cpSync(join(root, name), join(folder, name), { recursive: true });
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { dependencies: Record<string, string> };
  // node-gyp-build looks around itself for a node-gyp: a link would lead it into the checkout.
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    if (name === "node-gyp-build") cpSync(join(root, "node_modules", name), join(modules, name), { recursive: true });
    else symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  if (prebuiltFor !== undefined) {
    const home = join(folder, "prebuilds", platform);
    mkdirSync(home, { recursive: true });
    cpSync(join(root, "build", "Release", "steppe.node"), join(home, process.platform === "linux" ? "steppe.glibc.node" : "steppe.node"));
    const description = { libtorch: { version: prebuiltFor, cuda: "" }, napi: 9, platform: process.platform, arch: process.arch };
    writeFile(join(home, "steppe.json"), JSON.stringify(description));
  }
  return folder;
}

/** What the checkout's binary was built for. */
function built(): { version: string; path: string } {
  return (JSON.parse(readFileSync(join(root, "build", "Release", "steppe.json"), "utf8")) as { libtorch: { version: string; path: string } }).libtorch;
}

/** A node-gyp for the PATH, where npm has one: it writes down what it was called with. */
function fakeGyp(folder: string, log: string): string {
  const file = writeFile(join(folder, "node-gyp"), `#!/bin/sh\nprintf '{ "args": "%s", "libtorch": "%s", "jobs": "%s", "cwd": "%s" }' "$*" "$LIBTORCH" "$JOBS" "$PWD" > '${log}'\n`);
  chmodSync(file, 0o755);
  return folder;
}

test("a prebuilt binary that fits is taken: no compiler is asked for, and it loads with the LibTorch found", async () => {
  const { version, path } = built();
  const folder = installed({ prebuiltFor: version });
  const env = cleanEnvironment(join(folder, "cache"), { LIBTORCH: path });
  const { code, output } = await run("scripts/install.js", [], env, folder);
  expect(output).toBe(`steppe: LibTorch ${version} for CPU is in ${path}\n`);
  expect(code).toBe(0);
  expect(readlinkSync(join(folder, "prebuilds", platform, "libtorch"))).toBe(path);

  const doctor = await run("scripts/steppe.js", ["doctor"], cleanEnvironment(join(folder, "cache"), { path: fakePython(join(folder, "bin")) }), folder);
  expect(doctor.output).toMatch(/^addon .*steppe.*\.node \(prebuilt\)$/m);
  expect(doctor.output).toContain(`LibTorch beside it: ${version} for CPU in ${join(folder, "prebuilds", platform, "libtorch")}`);
  expect(doctor.output).toMatch(/loads; \d+ threads/);
  expect(doctor.output).toContain("All is well.");
  expect(doctor.code).toBe(0);
});

test("a script of the project beside it trains a step and writes a file of weights", async () => {
  const { version, path } = built();
  const folder = installed({ prebuiltFor: version });
  const project = join(folder, "..", "..");
  const env = cleanEnvironment(join(folder, "cache"), { LIBTORCH: path });
  expect((await run("scripts/install.js", [], env, folder)).code).toBe(0);
  writeFile(
    join(project, "train.mjs"),
    `import { io, nn, optim, torch } from "steppe";
    torch.manualSeed(0);
    const model = new nn.Linear(4, 2);
    const step = optim.create(model, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.1 } }).compile((x) => model.forward(x).pow(2).mean());
    const x = torch.randn([8, 4]);
    const [first, second] = [await step(x), await step(x)];
    io.saveSafetensors("weights.safetensors", model.stateDict());
    console.log(second.loss < first.loss, Object.keys(io.loadSafetensors("weights.safetensors")));`,
  );
  const { code, output } = await run("train.mjs", [], env, project);
  expect(output).toBe("true [ 'bias', 'weight' ]\n");
  expect(code).toBe(0);
});

test.each([
  ["another LibTorch's prebuilt binary", { prebuiltFor: "2.12.0" }, "the prebuilt one is for another LibTorch"],
  ["no prebuilt binary", {}, "there is none prebuilt for this platform"],
])("%s: node-gyp compiles one for the LibTorch found", async (_, options, why) => {
  const folder = installed(options);
  const LIBTORCH = makeLibTorch(join(folder, "libtorch"));
  const log = join(folder, "called");
  const { code, output } = await run("scripts/install.js", [], cleanEnvironment(join(folder, "cache"), { LIBTORCH, path: fakeGyp(join(folder, "bin"), log) }), folder);
  expect(output).toContain(`steppe: compiling the addon with node-gyp (${why})`);
  expect(code).toBe(0);
  const call = JSON.parse(readFileSync(log, "utf8")) as Record<string, unknown>;
  expect(call).toMatchObject({ args: "rebuild", libtorch: LIBTORCH, cwd: folder });
  expect(Number(call["jobs"])).toBeGreaterThan(0);
});

test("no LibTorch: the trace, and the command to run again", async () => {
  const folder = installed();
  const { code, output } = await run("scripts/install.js", [], cleanEnvironment(join(folder, "cache"), { path: fakePython(join(folder, "bin")) }), folder);
  expect(output).toContain("Expected a LibTorch of version 2.11 to 2.14 but found none that can be used.");
  expect(output).toContain("LIBTORCH=/path/to/libtorch npm rebuild steppe");
  expect(code).toBe(1);
});

test("in a checkout the install script leaves the set-up to npm start", async () => {
  expect(await run("scripts/install.js", [], process.env)).toMatchObject({ code: 0, output: "" });
});
