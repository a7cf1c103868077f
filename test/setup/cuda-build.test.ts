import { cpSync, mkdirSync, symlinkSync, existsSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { root } from "./fixtures.js";

// The addon compiled against a CUDA LibTorch (its folder in STEPPE_CUDA_LIBTORCH), in a copy of the package that keeps its build
// tree; a GPU is not needed, and used where there is one.
const libtorch = process.env["STEPPE_CUDA_LIBTORCH"] ?? "";
const home = join(root, "build", "cuda-package");

function node(...args: string[]): string {
  const env = { ...process.env, LIBTORCH: libtorch, STEPPE_CUDA: "1" };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: home, env, encoding: "utf8" });
  if (status !== 0) throw new Error(stdout + stderr);
  return stdout;
}

describe.skipIf(libtorch === "")("against a CUDA LibTorch", () => {
  beforeAll(() => {
    mkdirSync(home, { recursive: true });
    for (const name of ["native", "scripts", "lib", "CMakeLists.txt", "package.json", "package-lock.json", "tsconfig.json"]) {
      cpSync(join(root, name), join(home, name), { recursive: true, preserveTimestamps: true });
    }
    if (!existsSync(join(home, "node_modules"))) symlinkSync(join(root, "node_modules"), join(home, "node_modules"));
    node("scripts/setup/main.js", "typescript", "libtorch", "native");
  }, 3_600_000);

  const run = <Result>(program: string) =>
    JSON.parse(node("--input-type=module", "-e", `const { torch, nn, optim } = await import(${JSON.stringify(pathToFileURL(join(home, "dist", "index.js")).href)});\n${program}`)) as Result;

  test("the addon loads, and CUDA's kernels with it", () => {
    const { cuda, kernels } = run<{ cuda: string; kernels: boolean }>(`
      const { readFileSync } = await import("node:fs");
      console.log(JSON.stringify({ cuda: torch.libtorch.cuda, kernels: readFileSync("/proc/self/maps", "utf8").includes("/libtorch_cuda.so") }));`);
    expect(cuda).toMatch(/^\d+\.\d+$/);
    expect(kernels).toBe(true);
  });

  test("torch.cuda tells what is here", () => {
    const { available, count, reason } = run<{ available: boolean; count: number; reason: string }>(`
      let reason = "";
      try { torch.cuda.synchronize(); } catch (error) { reason = error.code + ": " + error.message; }
      console.log(JSON.stringify({ available: torch.cuda.isAvailable(), count: torch.cuda.deviceCount(), reason }));`);
    expect(available).toBe(count > 0);
    expect(reason === "").toBe(available);
    if (!available) expect(reason).toMatch(/^DEVICE: Expected a GPU that LibTorch can use but found none: NVIDIA's driver/);
  });

  test("a SAM step gives the rule's weights", () => {
    // L = w²/2: w − lr·(w + ρ sign w)
    const weight = run<number>(`
      const w = torch.tensor([2], { dtype: "float64", requiresGrad: true });
      const step = optim.create([w], { method: "sam", rho: 0.5, base: { name: "sgd", lr: 0.1 } }).compile(() => w.pow(2).sum().div(2));
      await step();
      console.log(JSON.stringify(w.item()));`);
    expect(weight).toBeCloseTo(2 - 0.1 * 2.5, 12);
  });
});
