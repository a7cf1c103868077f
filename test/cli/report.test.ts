import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { train } from "../../lib/index.js";
import { root, setUp, start, workFolder } from "./processes.js";

setUp();

const steppe = (args: readonly string[], cwd: string) => start(process.execPath, [join(root, "scripts", "steppe.js"), "report", ...args], { cwd }).finished;

test("steppe report writes one file and says what is in it; a wrong command line is code 2", async () => {
  const folder = workFolder();
  for (const seed of [0, 1]) train.RunFolder.create(join(folder, "runs"), `sam-${seed}`, { method: "sam", seed }).log({ kind: "record", step: 10, loss: 0.5 + seed, validationLoss: 0.25 });
  const { code, stdout, stderr } = await steppe(["runs", "-o", "out/report.html", "--title", "Both"], folder);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toBe("out/report.html: 2 runs of sam; 2 figures. Open it in a browser.\n");
  expect(readFileSync(join(folder, "out", "report.html"), "utf8")).toMatch(/^<!doctype html>[^]*<title>Both<\/title>[^]*runs\/sam-1,sam,1,10,1\.5\n/);
  const [none, baseline, missing] = await Promise.all([steppe([], folder), steppe(["runs", "--baseline", "san"], folder), steppe(["rums"], folder)]);
  expect([none!.code, baseline!.code, missing!.code]).toEqual([2, 2, 1]);
  expect(baseline!.stderr).toContain('Did you mean "sam"?');
  expect(missing!.stderr).toContain("rums");
}, 120_000);
