import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { torch } from "../../lib/index.js";
import { fakeDriver } from "../support/fake-driver.js";
import { root, run, temporaryFolder } from "./fixtures.js";

beforeAll(() => void execFileSync(process.execPath, [join(root, "scripts/setup/main.js"), "typescript"], { cwd: root }));

/** What doctor says of GPUs, with a driver that tells of them as it is asked to. */
async function gpuLines(options: Parameters<typeof fakeDriver>[1]): Promise<{ lines: string[]; output: string; code: number | null }> {
  const folder = fakeDriver(temporaryFolder(), options);
  const { code, output } = await run("scripts/steppe.js", ["doctor"], { ...process.env, LD_LIBRARY_PATH: folder });
  const all = output.split("\n");
  const first = all.findIndex((line) => line.startsWith("GPU "));
  const next = all.findIndex((line, i) => i > first && /^\S/.test(line));
  return { lines: all.slice(first, next).map((line) => line.slice(12)), output, code };
}

test("a driver's GPUs are named, with what they are", async () => {
  const { lines, output, code } = await gpuLines({ names: ["Fake GPU", "Another GPU"] });
  expect(lines.slice(0, 3)).toEqual([
    "driver for CUDA up to 13.0; 2 GPUs",
    "cuda:0 Fake GPU: compute capability 9.0, 80.0 GiB",
    "cuda:1 Another GPU: compute capability 9.0, 80.0 GiB",
  ]);
  // The driver is a fake: a CUDA LibTorch starts on none of its GPUs.
  expect(lines[3]).toBe(torch.libtorch.cuda === null ? "LibTorch is a CPU build: it does not use them" : "LibTorch cannot use them");
  expect(output).toContain("All is well but for the GPU:");
  expect(code).toBe(0);
});

test("a driver that does not start: its own words", async () => {
  expect((await gpuLines({ init: 803 })).lines).toEqual(["none: NVIDIA's driver does not start: system has unsupported display driver (803)"]);
});

test("a driver without a GPU", async () => {
  expect((await gpuLines({ names: [] })).lines).toEqual(["none: NVIDIA's driver finds no GPU"]);
});
