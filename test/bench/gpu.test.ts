import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.js";
import { needsPython, python } from "../support/python.js";

// What scripts/gpu-check runs on a GPU, here on the CPU with nets that are as small as can be: both sides agree on the losses, or the
// program fails.

describe.skipIf(python === null)(`the bench for GPUs beside ${needsPython}`, () => {
  test("in bfloat16", () => {
    const file = join(temporaryFolder(), "tables.md");
    const options = ["--cases", "bert-base", "--bandwidth", "gpt2", "--contenders", "sam,passes,textbook,foreach", "--precision", "bfloat16", "--rounds", "1", "--round-ms", "5"];
    execFileSync(process.execPath, ["bench/gpu.js", "--device", "cpu", "--little", ...options, "--markdown", file], { env: { ...process.env, STEPPE_PYTHON: python!.path }, stdio: ["ignore", "ignore", "pipe"] });
    const tables = readFileSync(file, "utf8");
    const cells = (row: string) => tables.split("\n").filter((line) => line.startsWith(`| ${row}`)).map((line) => line.slice(2, -2).split(" | "));
    const [beside] = cells("BERT-base").filter((row) => row.length === 8); // threads, Steppe, textbook, foreach, torch.compile, ratio, goal
    for (const time of beside!.slice(2, 5)) expect(Number(time)).toBeGreaterThan(0);
    expect(beside![5]).toBe("–");
    const [moved] = cells("GPT-2 small").filter((row) => row.length === 9);
    // 2 layers of 16, 50 tokens, 8 places: 12 numbers of 4 bytes for each of 7,520 parameters
    expect([moved![1], moved![2]]).toEqual(["0.01", "0.4"]);
    expect(Number(moved![4])).toBeGreaterThan(0);
  }, 300_000);
});
