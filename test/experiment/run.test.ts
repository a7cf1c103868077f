import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { data, nn, torch } from "../../lib/index.js";
import { build } from "../../lib/experiment/build.js";
import { compareConfig, trainConfig } from "../../lib/experiment/index.js";
import type { Config } from "../../lib/experiment/config.js";
import { valueOf } from "../../lib/experiment/comparison.js";
import { readJson } from "../cli/processes.js";
import { temporaryFolder } from "../support/folder.js";

// Runs of configurations in this process: what is awkward to bring about from outside.

const config = {
  data: { name: "digits", fraction: 0.1, validationShare: 0.2 },
  model: { name: "MLP", hidden: [8] },
  optimizer: { method: "none", base: { name: "sgd", lr: 0.05 } },
  epochs: 1,
  batchSize: 32,
  seed: 2,
} as Config;
const loaded: Parameters<typeof trainConfig>[0] = { config, path: null, name: "run", folder: "." };

test("a signal ends the look at test data, too, which is made when the run goes on", async () => {
  const whole = await trainConfig(loaded, { folder: temporaryFolder() });
  const folder = temporaryFolder();
  const controller = new AbortController();
  const broken = await trainConfig(loaded, { folder, signal: controller.signal, callbacks: [{ onEnd: () => controller.abort() }] });
  expect([broken.end, broken.test, existsSync(join(folder, "result.json"))]).toEqual(["aborted", null, false]);
  const { end, test: found } = await trainConfig(loaded, { folder, resume: true });
  expect(end).toBe("finished");
  expect(found!["loss"]).toBeGreaterThan(0);
  expect(found).toEqual(whole.test);
  expect(readJson(folder, "result.json")).toMatchObject({ end: "finished", test: whole.test });
});

test("NaN and infinity are the same for a run that was read again, and no best", () => {
  const history = [1, 2, 3].map((epoch) => ({ epoch, step: epoch, loss: 1, seconds: 1, accuracy: [NaN, 0.5, Infinity][epoch - 1]!, mse: [NaN, 0.5, NaN][epoch - 1]! }));
  const run = JSON.parse(JSON.stringify({ end: "finished", epoch: 3, step: 3, best: null, final: history.at(-1), history, test: { loss: Infinity, accuracy: NaN }, stepMilliseconds: null, folder: "run" })) as Parameters<typeof valueOf>[0];
  expect(valueOf(run, "accuracy", "last", "validation")).toBeNaN();
  expect([valueOf(run, "accuracy", "best", "validation"), valueOf(run, "mse", "best", "validation")]).toEqual([0.5, 0.5]);
  expect([valueOf(run, "accuracy", "last", "test"), valueOf(run, "validationLoss", "last", "test")]).toEqual([NaN, NaN]);
  expect(() => valueOf(run, "f1", "last", "test")).toThrow("has no f1 on test data");
  expect(() => valueOf(run, "f1", "last", "validation")).toThrow("compare.metric: expected one of loss, accuracy, mse");
});

test("a comparison on test data that are not there ends with the first run of tuning", async () => {
  const compare = { on: "test", seeds: [1], methods: { SGD: { method: "none", tune: { "base.lr": [0.05, 0.1, 0.2] } } } };
  const without = { ...config, data: { name: "digits", fraction: 0.1 }, compare } as unknown as Config;
  const begun: (string | null)[] = [];
  const run = compareConfig({ ...loaded, config: without }, { folder: temporaryFolder(), onRun: ({ setting }) => void begun.push(setting) });
  await expect(run).rejects.toThrow('compare.on: expected "validation", or data with a test part beside the validation part');
  expect(begun).toEqual(["base.lr=0.05"]);
});

test("a tuning run whose number was NaN or infinity is known when the comparison goes on, and not chosen", async () => {
  const compare = { seeds: [1], tuneSeed: 5, methods: { SGD: { method: "none", tune: { "base.lr": [0.05, 0.1, 0.2] } } } };
  const own = { ...loaded, config: { ...config, compare } as unknown as Config };
  const folder = temporaryFolder();
  const controller = new AbortController();
  await compareConfig(own, { folder, signal: controller.signal, onResult: ({ setting }) => void (setting === "base.lr=0.2" && controller.abort()) });
  // As a metric of NaN is written, and as infinity is read.
  for (const [lr, number] of [[0.1, "null"], [0.2, "1e999"]]) {
    const path = join(folder, "SGD", "tune", `base.lr=${lr}`, "seed-5", "result.json");
    const result = readJson(path);
    writeFileSync(path, JSON.stringify({ ...result, final: { ...(result["final"] as object), accuracy: "number" } }).replace('"number"', number as string));
  }
  const { methods } = await compareConfig(own, { folder });
  expect(methods[0]!.tuned).toEqual({ values: { "base.lr": 0.05 }, of: 3, seed: 5 });
});

test("a configuration's own data function draws from the run's seed", async () => {
  const own = {
    ...config,
    data: () => ({ train: new data.TensorDataset(torch.randn([32, 3]), torch.randint(0, 2, [32])), classes: ["a", "b"] }),
    model: () => new nn.Linear(3, 2),
    loss: (model: nn.Linear, x: never, y: never) => nn.functional.crossEntropy(model.forward(x), y),
  } as unknown as Config;
  const sums = [];
  for (const [seed, before] of [[2, 0], [2, 1], [3, 0]] as const) {
    torch.manualSeed(before);
    const { data: sets, model } = await build({ config: { ...own, seed }, folder: "." });
    for await (const [x] of sets.trainInOrder) sums.push([x!.sum().item(), (model as nn.Linear).weight.sum().item()]);
  }
  expect(sums[1]).toEqual(sums[0]);
  expect(sums[2]![0]).not.toBe(sums[0]![0]);
});
