import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.js";

// The experiment's tables from results that were made up, by the command that prints them without running anything.

interface Run {
  id: string;
  lr: number;
  rho: number | null;
  seed: number;
  validation: number;
  test?: number;
}

function tables(runs: Run[]): string[][] {
  const file = join(temporaryFolder(), "results.jsonl");
  const line = (run: Run) => JSON.stringify({ trainLoss: 1.5, test: 0, msPerStep: run.id === "adam" ? 20 : 37, ...run });
  writeFileSync(file, runs.map((run) => `${line(run)}\n`).join(""));
  const output = execFileSync(process.execPath, ["bench/gasam/main.js", "--phase", "none", "--results", file], { encoding: "utf8" });
  return output.split("\n").filter((row) => row.startsWith("|")).map((row) => row.slice(1, -1).split("|").map((cell) => cell.trim()));
}

/** A grid on which the third setting is best with the first seed, and the fifth with both. */
const tuning = (id: string, settings: { lr: number; rho: number | null }[]): Run[] => [
  ...[1.9, 1.85, 1.8, 1.95, 1.81, 1.9, 1.9, 1.95].map((validation, i) => ({ id, ...settings[i]!, seed: 1, validation })),
  { id, ...settings[2]!, seed: 2, validation: 1.84 },
  { id, ...settings[4]!, seed: 2, validation: 1.82 },
];
const adam = [8e-3, 12e-3, 14e-3, 16e-3, 18e-3, 20e-3, 24e-3, 32e-3].map((lr) => ({ lr, rho: null }));
const sam = [1.2, 1.7, 2.4, 1.2, 1.7, 2.4, 3.4, 2.4].map((rho, i) => ({ lr: i < 3 ? 16e-3 : i < 7 ? 24e-3 : 32e-3, rho }));
const finals = (id: string, setting: { lr: number; rho: number | null }, losses: number[]): Run[] =>
  losses.map((loss, i) => ({ id, ...setting, seed: 11 + i, validation: 0, test: loss }));

test("the setting of least validation loss is reported, beside the others seed by seed", () => {
  const rows = tables([
    ...tuning("adam", adam),
    ...tuning("sam", sam),
    ...finals("adam", adam[4]!, [1.9, 2]),
    // Better by 0.1 and by 0.3: mean 0.2, t = 2 with one degree of freedom, whose two tails hold 1 − (2/π) atan 2 = 0.295.
    ...finals("sam", sam[4]!, [1.8, 1.7]),
    ...finals("sam", sam[2]!, [1, 1]),
  ]);
  expect(rows).toContainEqual(["SAM", "0.024", "1.7", "1.8100", "1.8200"]);
  expect(rows).toContainEqual(["SAM", "0.016", "1.2", "1.9000", "–"]);
  expect(rows).toContainEqual(["Adam", "0.018", "–", "2", "1.9500 ± 0.0707", "1.500", "–", "+0.2000 (0.295)", "1.00"]);
  expect(rows).toContainEqual(["SAM", "0.024", "1.7", "2", "1.7500 ± 0.0707", "1.500", "−0.2000 (0.295)", "–", "1.85"]);
});

test("p-values of the paired t-test at the critical values of Student's t", () => {
  // Differences −a, −1, a − 2 have mean −1 and deviation a − 1; t = √3/(a − 1) is 4.3027, the table's 5 % for 2 degrees of freedom.
  const a = 1 + Math.sqrt(3) / 4.3027;
  const rows = tables([
    ...tuning("adam", adam),
    ...tuning("sam", sam),
    ...finals("adam", adam[4]!, [2, 2, 2]),
    ...finals("sam", sam[4]!, [2 - a, 1, a]),
  ]);
  expect(rows.find(([name, , , seeds]) => name === "SAM" && seeds === "3")![6]).toBe("−1.0000 (0.050)");
});

test("a contender whose tuning is not complete is not in the final table", () => {
  const rows = tables([...tuning("adam", adam), ...tuning("sam", sam).slice(1), ...finals("adam", adam[4]!, [1.9, 2]), ...finals("sam", sam[4]!, [1, 1])]);
  expect(rows.filter(([name, , , seeds]) => name === "SAM" && seeds === "2")).toEqual([]);
});

test("the tables in docs/gasam.md are those of the results", () => {
  const document = readFileSync("docs/gasam.md", "utf8");
  const printed = execFileSync(process.execPath, ["bench/gasam/main.js", "--phase", "none"], { encoding: "utf8" }).trim().split("\n\n");
  expect(printed).toHaveLength(3);
  for (const table of printed) expect(document).toContain(table);
});
