import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.js";
import { needsPython, python } from "../support/python.js";

test.skipIf(python === null)(`the loader's bench runs on both sides, beside ${needsPython}`, () => {
  const file = join(temporaryFolder(), "tables.md");
  execFileSync(process.execPath, ["bench/main.js", "--cases", "loader", "--rounds", "1", "--markdown", file], { env: { ...process.env, STEPPE_PYTHON: python!.path }, stdio: ["ignore", "ignore", "pipe"], timeout: 280_000 });
  const rows = readFileSync(file, "utf8").split("\n").filter((line) => line.startsWith("| ")).map((line) => line.slice(2, -2).split(" | "));
  // torchvision, which makes PyTorch's transforms, need not be there.
  for (const name of ["rows alone: Steppe, prefetch 2", "rows alone: PyTorch, DataLoader", "crop, flip, normalize: Steppe, prefetch 0", "Steppe, prefetch 2"]) {
    expect([name, Number(rows.find(([first]) => first === name)?.[1])]).toEqual([name, expect.toSatisfy((time: number) => time > 0)]);
  }
}, 300_000);
