import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.js";

// The table of what each method costs, from as few steps as can be: every method takes its steps on every net.

test("the bench of methods", () => {
  const file = join(temporaryFolder(), "tables.md");
  const options = ["--cases", "methods", "--threads", "1", "--rounds", "1", "--round-ms", "1", "--markdown", file];
  execFileSync(process.execPath, ["bench/main.js", ...options], { stdio: ["ignore", "ignore", "pipe"] });
  const tables = readFileSync(file, "utf8");
  const rows = tables.split("\n").filter((line) => line.startsWith("| `")).map((line) => line.slice(2, -2).split(" | "));
  const names = "sam gasam gasam asam gsam friendly vasso look momentum async weighted sparse fisher-mask fisher random stable curvature gam parallel bayesian";
  expect(rows.map(([name]) => name!.split("`")[1])).toEqual(names.split(" "));
  for (const [, passes, ...ratios] of rows) {
    expect(Number(passes)).toBeGreaterThan(0);
    expect(ratios).toHaveLength(3);
    for (const ratio of ratios) expect(Number(ratio)).toBeGreaterThan(0);
  }
  expect(tables).not.toMatch(/^- /m); // what a contender could not do
}, 300_000);
