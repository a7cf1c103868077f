import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { data, flatness, io, models, nn } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { readJson, setUp } from "./processes.js";
import { config, program, steppe, withConfig } from "./steppe.js";

// The commands about runs that were trained before, as users start them.

setUp();

const mlp = { ...config, model: { name: "MLP", hidden: [16] }, epochs: 2, checkpoints: { keepLast: 3 } };

describe("a run of a JSON configuration", () => {
  let folder = "";
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "steppe-runs-"));
    writeFileSync(join(folder, "mlp.json"), JSON.stringify(mlp));
    for (const seed of [0, 1]) execFileSync(process.execPath, [program, "train", "mlp.json", "-q", "-f", `run${seed}`, "--set", `seed=${seed}`], { cwd: folder });
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));

  /** What a command prints with --json. */
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await steppe(folder, ...args, "--json");
    expect(stderr).toBe("");
    expect(code).toBe(0);
    return JSON.parse(stdout) as Record<string, unknown>;
  };

  /** The run's own model and training data, made here. */
  const opened = async () => {
    const model = new models.MLP({ inFeatures: 64, hidden: [16], numClasses: 10 });
    model.loadStateDict(io.loadSafetensors(join(folder, "run0", "model.safetensors")));
    const train = data.fractionPerClass((await data.digits()).train, { fraction: 0.3 });
    return { model, train, loss: (x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y) };
  };

  test("evaluate gives the last record's numbers, and those of any checkpoint and part", async () => {
    const { final, history } = readJson(folder, "run0", "result.json") as { final: { validationLoss: number; accuracy: number }; history: (typeof final)[] };
    expect(await json("evaluate", "run0")).toEqual({ run: "run0", checkpoint: join("run0", "checkpoints", "step-00000026"), step: 26, split: "test", samples: 360, loss: final.validationLoss, accuracy: final.accuracy });
    expect(await json("evaluate", "run0", "-c", join("run0", "checkpoints", "step-00000013"))).toMatchObject({ step: 13, loss: history[0]!.validationLoss });
    expect(await json("evaluate", "run0", "--split", "train")).toMatchObject({ samples: 432 });
    const { stdout } = await steppe(folder, "evaluate", "run0", "-c", "best");
    expect(stdout).toMatch(/^run0 after (13|26) steps, on 360 test samples: loss \d\.\d{4} {2}accuracy \d\.\d{4}\n$/);
  });

  test("sharpness gives what the library gives, and saves it for reports", async () => {
    const found = await json("sharpness", "run0", "-n", "200", "--rho", "0.1", "--steps", "5", "--shards", "50", "--average", "3", "--eigenvalues", "2", "--trace", "2");
    expect(found).toMatchObject({ step: 26, set: "the first 200 training samples" });
    const { model, train, loss } = await opened();
    const batches = data.loader(train.slice(0, 200), { batchSize: 128 });
    const ball = { rho: 0.1, steps: 5 };
    expect(found["sharpness"]).toBeCloseTo(await flatness.sharpness(model, loss, batches, ball), 5);
    expect(found["shardSharpness"]).toBeCloseTo(await flatness.shardSharpness(model, loss, data.loader(train.slice(0, 200), { batchSize: 50 }), ball), 5);
    const [largest] = await flatness.hessianEigenvalues(model, loss, batches, { k: 1 });
    expect((found["hessianEigenvalues"] as number[])[0]! / largest!).toBeCloseTo(1, 2);
    const saved = flatness.load(join(folder, "run0"));
    expect(saved.map(({ measure }) => measure)).toEqual(["averageSharpness", "hessianEigenvalues", "hessianTrace", "shardSharpness", "sharpness"]);
    expect(saved.at(-1)).toMatchObject({ result: found["sharpness"], options: { rho: 0.1, steps: 5, adaptive: false }, set: "the first 200 training samples", step: 26 });
  });

  test("landscapes and the way to another run, as JSON and CSV", async () => {
    const loss = async (run: string) => (await json("evaluate", run, "--split", "train"))["loss"] as number;
    const [here, there] = [await loss("run0"), await loss("run1")];
    const plane = (await json("landscape", "run0", "--points", "3", "--range", "0.5")) as { coordinates: number[]; loss: number[][] };
    expect(plane.coordinates).toEqual([-0.5, 0, 0.5]);
    expect(plane.loss[1]![1]).toBeCloseTo(here, 5);
    const csv = readFileSync(join(folder, "run0", "flatness", "landscape-2d.csv"), "utf8").trimEnd().split("\n");
    expect(csv).toEqual(["a,b,loss", ...plane.coordinates.flatMap((a, i) => plane.coordinates.map((b, j) => `${a},${b},${plane.loss[i]![j]!}`))]);
    const line = (await json("landscape", "run0", "--to", "run1", "--points", "3")) as { loss: number[] };
    expect(line.loss[0]).toBeCloseTo(here, 5);
    expect(line.loss[2]).toBeCloseTo(there, 5);
    expect(line.loss[1]).toBeGreaterThan(Math.max(here, there));
    const { stdout } = await steppe(folder, "landscape", "run0", "--dimensions", "1", "--points", "3");
    expect(stdout).toContain("on all 432 training samples: 3 points, losses from ");
    expect(existsSync(join(folder, "run0", "flatness", "landscape-1d.json"))).toBe(true);
  });

  test.each<[string[], number, string]>([
    [["evaluate", "."], 2, "which has no settings.json with a configuration"],
    [["evaluate", "run0", "--split", "tset"], 2, "Expected one of train, validation, test"],
    [["evaluate", "run0", "-c", "nothing"], 1, "Expected to be able to read"],
    [["sharpness", "run0", "--rho", "-1"], 2, "Expected a positive number."],
    [["landscape", "run0", "--dimensions", "3"], 2, "Expected one of 1, 2"],
    [["sharpness"], 2, "missing required argument 'run'"],
  ])("%j is refused", async (args, code, message) => {
    const finished = await steppe(folder, ...args);
    expect(finished.stderr).toContain(message);
    expect(finished.code).toBe(code);
  });
});

test("functions of a TypeScript configuration, and the average that evaluation looked at, from anywhere", async () => {
  const text = `import { defineConfig, models, nn, type Tensor } from "steppe";
export default defineConfig({
  data: { name: "digits", fraction: 0.2, validationShare: 0.2, normalize: { mean: [0.3], std: [0.4] }, augment: [{ name: "randomCrop", padding: 1 }] },
  model: ({ data }) => new models.MLP({ inFeatures: 64, hidden: [16], numClasses: data.classes! }),
  loss: (model: models.MLP, x: Tensor, y: Tensor) => nn.functional.crossEntropy(model.forward(x), y),
  optimizer: { method: "sam", base: { name: "adam", lr: 0.01 } },
  average: { kind: "swa" }, epochs: 2, batchSize: 32, threads: 1,
});`;
  const folder = withConfig("mine.ts", text);
  expect((await steppe(folder, "train", "mine.ts", "-q")).code).toBe(0);
  const { final } = readJson(folder, "runs", "mine", "result.json") as { final: { validationLoss: number; accuracy: number } };
  const { stdout } = await steppe(join(folder, "runs"), "evaluate", "mine", "--split", "validation", "--json");
  expect(JSON.parse(stdout)).toMatchObject({ loss: final.validationLoss, accuracy: final.accuracy });
});
