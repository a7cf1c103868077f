import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readJson, setUp } from "./processes.js";
import { config, startSteppe, steppe, withConfig } from "./steppe.js";

// `npx steppe compare` as users start it.

setUp();

const { optimizer, seed: _, ...rest } = config;
const { base, lrSchedule } = optimizer;
const compared = {
  ...rest,
  epochs: 1,
  optimizer: { base, lrSchedule },
  compare: { seeds: [4, 7], methods: { SGD: { method: "none" }, "SAM, ρ = 0": { method: "sam", rho: 0 }, SAM: { method: "sam", rho: 0.2, base: { lr: 0.1 } } } },
};

test("the same weights and data for a seed, statistics of the pairs, a table; what is finished is not done again", async () => {
  const folder = withConfig("methods.json", compared);
  const first = await steppe(folder, "compare", "methods.json");
  expect(first.stderr).toBe("");
  expect(first.code).toBe(0);
  expect(first.stdout).toContain("6 of 6: SAM, seed 7");
  expect(first.stdout).toMatch(/^method +accuracy +seeds +− SGD +p +time per step +÷ SGD's$/m);
  expect(first.stdout).toMatch(/^SAM, ρ = 0 +0\.\d{4} ± 0\.\d{4} +2 +0 ± 0 +1\.0000 +[\d.]+ ms +[\d.]+$/m);
  const root = join(folder, "runs", "methods-compare");
  // Without a perturbation SAM is SGD: the weights agree to the last bit, for each seed; seeds differ.
  const weights = (method: string, seed: number) => readFileSync(join(root, method, `seed-${seed}`, "model.safetensors"));
  for (const seed of [4, 7]) expect(weights("SAM____=_0", seed).equals(weights("SGD", seed))).toBe(true);
  expect(weights("SGD", 4).equals(weights("SGD", 7))).toBe(false);

  const comparison = readJson(root, "comparison.json") as { complete: boolean; metric: string; methods: { method: string; values: Record<string, number>; mean: number; std: number; against: { pairs: number; mean: number; p: number } | null }[] };
  expect(comparison).toMatchObject({ complete: true, metric: "accuracy", baseline: "SGD", seeds: [4, 7] });
  const [sgd, zero, sam] = comparison.methods;
  expect(sgd!.against).toBeNull();
  expect(zero!.against).toEqual({ pairs: 2, mean: 0, halfWidth: 0, p: 1 });
  const accuracy = (method: string, seed: number) => (readJson(root, method, `seed-${seed}`, "result.json")["final"] as { accuracy: number }).accuracy;
  expect(sam!.values).toEqual({ 4: accuracy("SAM", 4), 7: accuracy("SAM", 7) });
  const [a, b] = [4, 7].map((seed) => accuracy("SAM", seed) - accuracy("SGD", seed)) as [number, number];
  expect(sam!.mean).toBeCloseTo((accuracy("SAM", 4) + accuracy("SAM", 7)) / 2, 12);
  expect(sam!.std).toBeCloseTo(Math.abs(accuracy("SAM", 4) - accuracy("SAM", 7)) / Math.SQRT2, 12);
  // With one degree of freedom Student's t is Cauchy's distribution; t = (a + b)/|a − b|.
  expect(sam!.against!.p).toBeCloseTo(1 - (2 / Math.PI) * Math.atan(Math.abs((a + b) / (a - b))), 10);

  const written = statSync(join(root, "SGD", "seed-4", "result.json")).mtimeMs;
  const second = await steppe(folder, "compare", "methods.json", "--methods", "SGD,SAM", "--json");
  expect(second.stderr).toBe("");
  expect(JSON.parse(second.stdout)).toEqual(comparison); // what is there stays in the comparison
  const without = await steppe(folder, "compare", "methods.json", "--methods", "SAM", "--seeds", "4", "--quiet");
  expect(without.code).toBe(0);
  expect(readJson(root, "comparison.json")).toEqual(comparison); // the baseline, too
  expect(statSync(join(root, "SGD", "seed-4", "result.json")).mtimeMs).toBe(written);
  // A finished run of other settings is no result of these.
  const other = await steppe(folder, "compare", "methods.json", "--set", "compare.methods.SAM.rho=0.3");
  expect(other.code).toBe(2);
  expect(other.stderr).toContain("optimizer.rho: the run has 0.2, the configuration 0.3");
});

test("methods are tuned on validation data with a seed of their own, and compared on test data with others", async () => {
  const tune = { rho: [0.05, 0.2], "base.lr": [0.05, 1e30] };
  const data = { name: "digits", fraction: 0.3, validationShare: 0.2 };
  const methods = { SGD: { method: "none" }, SAM: { method: "sam", tune } };
  const folder = withConfig("tuned.json", { ...compared, data, compare: { seeds: [4, 7], on: "test", tuneSeed: 11, methods } });
  const first = await steppe(folder, "compare", "tuned.json", "--folder", "out");
  expect(first.stderr).toBe("");
  expect(first.code).toBe(0);
  expect(first.stdout).toContain("1 of 8: tuning SAM, rho=0.05,base.lr=0.05, seed 11\n");
  expect(first.stdout).toContain("  SAM, rho=0.2,base.lr=1e_30, seed 11: NaN or infinity\n".replace("1e_30", "1e+30"));
  // The best by the last record on validation data.
  const scores = tune.rho.map((rho) => (readJson(folder, "out", "SAM", "tune", `rho=${rho},base.lr=0.05`, "seed-11", "result.json")["final"] as { accuracy: number }).accuracy);
  const rho = tune.rho[scores[1]! > scores[0]! ? 1 : 0]!;
  const comparison = readJson(folder, "out", "comparison.json") as { methods: { tuned: object | null; values: Record<string, number>; folders: Record<string, string> }[] };
  expect(comparison.methods.map(({ tuned }) => tuned)).toEqual([null, { values: { rho, "base.lr": 0.05 }, of: 4, seed: 11 }]);
  expect(first.stdout).toContain(`SAM: rho ${rho}, base.lr 0.05, the best of 4 on validation data with seed 11.`);
  expect(readJson(folder, "out", "SAM", "seed-4", "settings.json")).toMatchObject({ seed: 4, optimizer: { method: "sam", rho, base: { lr: 0.05, momentum: 0.9 } } });
  for (const { values, folders } of comparison.methods) {
    const { accuracy } = JSON.parse((await steppe(folder, "evaluate", folders["4"]!, "--split", "test", "--json")).stdout) as { accuracy: number };
    expect(values["4"]).toBe(accuracy);
  }
  // What was chosen before stays for a method that does not run now; nothing is done again.
  const second = await steppe(folder, "compare", "tuned.json", "--folder", "out", "--methods", "SGD", "--json");
  expect(JSON.parse(second.stdout)).toEqual(comparison);
  const refused = await steppe(folder, "compare", "tuned.json", "--folder", "out", "--seeds", "11");
  expect(refused.stderr).toContain("Expected other seeds than 11, with which methods are tuned, for seeds");
  expect(refused.code).toBe(2);
});

test("Ctrl-C ends the run under way; the same command goes on, to the same numbers", async () => {
  const text = `export default { ...${JSON.stringify(compared)}, callbacks: [{ onStep: (_, run) => { if (run.step === 5 && process.env.STOP === "1" && ++globalThis.runs === 3) process.kill(process.pid, "SIGINT"); } }] }; globalThis.runs = 0;`;
  const folder = withConfig("methods.mjs", text);
  const broken = await startSteppe(folder, ["compare", "methods.mjs", "--folder", "broken"], { STOP: "1" }).finished;
  expect(broken.code).toBe(130);
  expect(broken.stderr).toContain("Stopped; what is finished stays. To go on:\n  npx steppe compare methods.mjs --folder broken\n");
  expect(readJson(folder, "broken", "comparison.json")).toMatchObject({ complete: false });
  const resumed = await steppe(folder, "compare", "methods.mjs", "--folder", "broken");
  expect(resumed.code).toBe(0);
  expect(resumed.stdout.match(/, from before$/gm)).toHaveLength(2);
  await steppe(folder, "compare", "methods.mjs", "--folder", "whole", "--quiet");
  const numbers = (name: string) => (readJson(folder, name, "comparison.json")["methods"] as { values: object; against: object }[]).map(({ values, against }) => [values, against]);
  expect(numbers("broken")).toEqual(numbers("whole"));
});

test("without methods, and with a method that is not there", async () => {
  const folder = withConfig();
  const none = await steppe(folder, "compare", "sam.json");
  expect(none.code).toBe(2);
  expect(none.stderr).toContain("compare: missing; expected the methods to compare");
  const misspelled = await steppe(withConfig("methods.json", compared), "compare", "methods.json", "--methods", "SGD,SAN");
  expect(misspelled.code).toBe(2);
  expect(misspelled.stderr).toContain('received "SAN". Did you mean "SAM"?');
});
