import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/folder.js";

// The experiments of docs/evidence by their command: at their smallest, and their tables from results that were made up.

const command = "bench/evidence/main.js";
const output = (...args: string[]) => execFileSync(process.execPath, [command, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
const rowsOf = (text: string) => text.split("\n").filter((row) => row.startsWith("|")).map((row) => row.slice(1, -1).split("|").map((cell) => cell.trim()));

type Line = { id: string; seed: number; msPerStep?: number; seconds?: number } & Record<string, unknown>;
const linesOf = (file: string) => readFileSync(file, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as Line);
/** The runs in a file; what a step and a run took differs from time to time. */
const runsIn = (file: string): Line[] => linesOf(file).map((line) => ({ ...line, msPerStep: 0, seconds: 0 }));

const quick = ["phonemes", "--quick", "--methods", "adam,gasam"];

test("an experiment that is killed goes on to the same results, with as many runs for each method", async () => {
  const folder = temporaryFolder();
  const [whole, killed] = [join(folder, "whole.jsonl"), join(folder, "killed.jsonl")];
  output(...quick, "--results", whole);

  const child = spawn(process.execPath, [command, ...quick, "--results", killed], { stdio: "ignore" });
  const gone = new Promise((resolve) => child.on("exit", resolve));
  const lines = () => (existsSync(killed) ? readFileSync(killed, "utf8").split("\n").length - 1 : 0);
  while (lines() < 2 && child.exitCode === null) await wait(20);
  child.kill("SIGKILL");
  await gone;
  const before = readFileSync(killed, "utf8").split("\n").slice(0, -1);
  writeFileSync(killed, `${before.join("\n")}\n{"task":"phonemes","id":"ga`); // the worst moment: while it writes
  output(...quick, "--results", killed);

  const runs = runsIn(killed);
  expect(runs).toEqual(runsIn(whole));
  expect(readFileSync(killed, "utf8").split("\n").slice(0, before.length)).toEqual(before);
  const count = (id: string, seed: number) => runs.filter((run) => run.id === id && run.seed === seed).length;
  for (const id of ["adam", "gasam"]) expect([count(id, 1), count(id, 11), count(id, 12)]).toEqual([2, 1, 1]);
  expect(runs).toHaveLength(8);
  for (const run of runs) expect(run["validation"]).toBeGreaterThan(0);
  for (const { seconds } of linesOf(killed)) expect(seconds).toBeGreaterThan(0);
  for (const run of runs.filter(({ seed }) => seed > 10)) expect(run["eigenvalue"]).toBeGreaterThan(0);
}, 600_000);

const settings = [0.02, 0.04, 0.06, 0.1, 0.15, 0.2].map((lr) => ({ lr, rho: null }));
const perturbed = [0.05, 0.1].flatMap((lr) => [0.05, 0.1, 0.2].map((rho) => ({ lr, rho })));
const measured = { testLoss: 0.5, trainAccuracy: 90, sharpness: 0.2, shardSharpness: 0.3, adaptiveSharpness: 0.4, eigenvalue: 8 };
const tuning = (id: string, some: { lr: number; rho: number | null }[], errors: (number | null)[]) => {
  const all = some.map((setting, i) => ({ task: "images", id, ...setting, seed: 1, validation: errors[i] }));
  const best = [...all].sort((a, b) => (a.validation ?? 9) - (b.validation ?? 9)).slice(0, 2);
  return [...all, ...best.map((run) => ({ ...run, seed: 2 }))];
};
const finals = (id: string, setting: { lr: number; rho: number | null }, accuracies: number[], msPerStep: number) =>
  accuracies.map((accuracy, i) => ({ task: "images", id, ...setting, seed: 11 + i, validation: 0.2, msPerStep, ...measured, test: accuracy, eigenvalue: 8 + i }));

test("tables show the setting of least error, means and deviations, and differences seed by seed", () => {
  const file = join(temporaryFolder(), "made-up.jsonl");
  const lines = [
    ...tuning("sgd", settings, [0.3, 0.2, 0.25, 0.4, null, null]),
    ...tuning("sam", perturbed, [0.3, 0.3, 0.3, 0.3, 0.1, 0.2]),
    ...finals("sgd", settings[1]!, [80, 82], 2),
    // Better by 1 and by 3: mean 2, t = 2 with one degree of freedom, whose two tails hold 1 − (2/π) atan 2 = 0.295.
    ...finals("sam", perturbed[4]!, [81, 85], 5),
    // Of a setting that tuning did not choose.
    ...finals("sam", perturbed[0]!, [99, 99], 5),
    ...finals("msam-2", perturbed[1]!, [99, 99], 5),
  ];
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const rows = rowsOf(output("few-labels", "--phase", "none", "--results", file));
  const flat = ["0.200 ± 0.000", "0.300 ± 0.000", "0.400 ± 0.000", "8.5 ± 0.7"];
  expect(rows).toContainEqual(["SGD", "0.04", "–", "2", "81.00 ± 1.41", "0.500 ± 0.000", "90.0 ± 0.0", ...flat, "1.00"]);
  expect(rows).toContainEqual(["SAM", "0.1", "0.1", "2", "83.00 ± 2.83", "0.500 ± 0.000", "90.0 ± 0.0", ...flat, "2.50"]);
  expect(rows.find(([name]) => name === "SAM less SGD")?.slice(0, 3)).toEqual(["SAM less SGD", "+2.00 (0.295)", "+0.000 (1.000)"]);
  expect(rows).toContainEqual(["SGD", "0.2", "–", "diverged", "–"]);
  expect(rows).toContainEqual(["SGD", "0.04", "–", "0.2000", "0.2000"]);
  expect(rows.filter(([name]) => name!.startsWith("mSAM"))).toEqual([]); // it was not tuned
});

test.each(["noise", "few-labels", "text", "phonemes"])("the tables in docs/evidence are those of the results of %s", (name) => {
  const documents = ["images", "text", "phonemes"].map((each) => readFileSync(`docs/evidence/${each}.md`, "utf8")).join("\n");
  for (const table of output(name, "--phase", "none").trim().split("\n\n")) expect(documents).toContain(table);
});
