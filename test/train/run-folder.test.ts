import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { io, nn, torch, train } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";

test("settings, metrics as JSON lines and weights stand in a folder of their own", () => {
  const parent = join(temporaryFolder(), "deep", "runs");
  const run = train.RunFolder.create(parent, "first", { seed: 3, base: { lr: 0.1 } });
  expect(run.path).toBe(join(parent, "first"));
  run.log({ epoch: 1, loss: 0.5 });
  run.log({ epoch: 2, loss: 0.25, note: "line\nbreak" });
  torch.manualSeed(1);
  const model = new nn.Linear(3, 2);
  run.saveWeights("model", model.stateDict(), { method: "sam" });
  run.writeJson("results.json", [1, 2]);

  expect(readdirSync(run.path).sort()).toEqual(["metrics.jsonl", "model.safetensors", "results.json", "settings.json"]);
  expect(JSON.parse(readFileSync(join(run.path, "settings.json"), "utf8"))).toEqual({ seed: 3, base: { lr: 0.1 } });
  const lines = readFileSync(join(run.path, "metrics.jsonl"), "utf8").split("\n");
  expect(lines.pop()).toBe("");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([{ epoch: 1, loss: 0.5 }, { epoch: 2, loss: 0.25, note: "line\nbreak" }]);
  const loaded = io.loadSafetensors(join(run.path, "model.safetensors"));
  expect(Object.keys(loaded).sort()).toEqual(["bias", "weight"]);
  expect(loaded["weight"]!.toArray()).toEqual(model.weight.toArray());
});

test("a name that is taken gets a number, and what is there stays", () => {
  const parent = temporaryFolder();
  const paths = [1, 2, 3].map((seed) => train.RunFolder.create(parent, "run", { seed }).path);
  expect(paths).toEqual(["run", "run-2", "run-3"].map((name) => join(parent, name)));
  expect(paths.map((path) => (JSON.parse(readFileSync(join(path, "settings.json"), "utf8")) as { seed: number }).seed)).toEqual([1, 2, 3]);
});

test("a folder that can't be made is an IO error that names it", () => {
  const file = join(temporaryFolder(), "file");
  writeFileSync(file, "");
  expect(() => train.RunFolder.create(file, "run", {})).toThrow(expect.objectContaining({ code: "IO", message: expect.stringContaining(join(file, "run")) }));
});
