import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { flatness, nn, torch } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";

test("measures come back from a run's folder as they were, with what they were taken with", async () => {
  const folder = join(temporaryFolder(), "run");
  torch.manualSeed(0);
  const model = new nn.Linear(3, 2);
  const x = torch.randn([4, 3]);
  const loss = (input: typeof x) => model.forward(input).square().mean();
  const surface = await flatness.landscape(model, loss, [[x]], { dimensions: 2, points: 3 });
  const density = await flatness.spectralDensity(model, loss, [[x]], { steps: 4, samples: 1, points: 5 });
  const path = flatness.save(folder, "landscape", surface, { options: { points: 3, dimensions: 2 }, set: "4 samples", step: 7, name: "landscape-2d" });
  expect(path).toBe(join(folder, "flatness", "landscape-2d.json"));
  flatness.save(folder, "landscape", { coordinates: [-1, 0, 1], loss: [Infinity, 0.25, NaN] });
  flatness.save(folder, "spectralDensity", density);
  flatness.save(folder, "hessianTrace", { trace: 3, standardError: NaN });
  flatness.save(folder, "sharpness", 0.125, { options: { rho: 0.1, steps: undefined } });
  flatness.save(folder, "sharpness", 0.5, { options: { rho: 0.1 } });
  const to = { weight: model.weight };
  flatness.save(folder, "interpolate", { coordinates: [0, 1], loss: [1, 2] }, { options: { to, points: 2 } });
  writeFileSync(join(folder, "flatness", "notes.txt"), "not a measure");

  expect(flatness.load(folder)).toEqual([
    { measure: "hessianTrace", name: "hessianTrace", result: { trace: 3, standardError: NaN }, options: {}, set: null, step: null },
    { measure: "interpolate", name: "interpolate", result: { coordinates: [0, 1], loss: [1, 2] }, options: { points: 2 }, set: null, step: null },
    { measure: "landscape", name: "landscape-2d", result: surface, options: { points: 3, dimensions: 2 }, set: "4 samples", step: 7 },
    { measure: "landscape", name: "landscape", result: { coordinates: [-1, 0, 1], loss: [Infinity, 0.25, NaN] }, options: {}, set: null, step: null },
    { measure: "sharpness", name: "sharpness", result: 0.5, options: { rho: 0.1 }, set: null, step: null },
    { measure: "spectralDensity", name: "spectralDensity", result: density, options: {}, set: null, step: null },
  ]);
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ version: 1, measure: "landscape", options: { points: 3, dimensions: 2 }, set: "4 samples", step: 7, result: surface });
  expect(flatness.load(temporaryFolder())).toEqual([]);
});

test("what is no result of the measure is refused, in memory and on the disk", () => {
  const folder = temporaryFolder();
  const refused = (measure: string, result: unknown, context = {}) =>
    expect(() => flatness.save(folder, measure as "sharpness", result as number, context)).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
  refused("flatness", 1);
  refused("sharpness", [1]);
  refused("hessianEigenvalues", 1);
  refused("spectralDensity", { eigenvalues: [1, 2], density: [1] });
  refused("landscape", { coordinates: [1, 2], loss: [[1, 2], [3]] });
  refused("interpolate", { coordinates: [1, 2], loss: [[1, 2], [3, 4]] });
  refused("sharpness", 1, { name: "../up" });
  expect(flatness.load(folder)).toEqual([]);

  mkdirSync(join(folder, "flatness"));
  const file = join(folder, "flatness", "sharpness.json");
  for (const text of ["{", "[1]", '{"version":2,"measure":"sharpness","result":1}', '{"version":1,"measure":"x","result":1}', '{"version":1,"measure":"sharpness","result":"1"}']) {
    writeFileSync(file, text);
    expect(() => flatness.load(folder)).toThrow(expect.objectContaining({ code: "FORMAT", message: expect.stringContaining(file) }));
  }
  writeFileSync(join(folder, "file"), "");
  expect(() => flatness.save(join(folder, "file"), "sharpness", 1)).toThrow(expect.objectContaining({ code: "IO" }));
});
