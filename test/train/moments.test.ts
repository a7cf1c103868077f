import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { optim, torch, train } from "../../lib/index.js";
import { CheckpointFolder } from "../../lib/train/checkpoint.js";
import { temporaryFolder } from "../support/folder.js";
import { bytes, start, withoutTimes } from "./small-run.js";

// Where a run ends and goes on at moments that are no round ones: between a record and its checkpoint, in a validation, at the end of a pass.

torch.setNumThreads(1);

const records = (folder: string) =>
  readFileSync(join(folder, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { kind: string; step: number })
    .filter(({ kind }) => kind === "record")
    .map(({ step }) => step);
const saved = (folder: string) => readdirSync(join(folder, "checkpoints")).map((name) => Number(name.replace("step-", "")));

test("a run of so many steps that ends with a pass goes on with the next one, and records each once", async () => {
  const whole = start();
  const expected = await train.fit({ ...whole, steps: 20 });
  const folder = temporaryFolder();
  await train.fit({ ...start(), steps: 8, folder });
  await train.fit({ ...start(), steps: 11, folder, resume: true });
  const b = start();
  const run = await train.fit({ ...b, steps: 20, folder, resume: true });
  expect(bytes(b.model.stateDict())).toEqual(bytes(whole.model.stateDict()));
  expect(run.history.map(({ epoch, step }) => [epoch, step])).toEqual([[1, 8], [2, 11], [2, 16], [3, 20]]);
  expect(run.history.every(({ loss }) => Number.isFinite(loss))).toBe(true);
  expect(expected.history.map(({ step }) => step)).toEqual([8, 16, 20]);
});

test("a record whose checkpoint was not written any more stands in metrics.jsonl once", async () => {
  const options = { epochs: 3, checkpoints: { every: 4 } };
  const whole = start();
  const expected = await train.fit({ ...whole, epochs: 3 });
  const folder = temporaryFolder();
  const killed = { onRecord: ({ step }: train.RunRecord) => { if (step === 16) throw new Error("killed"); } };
  await expect(train.fit({ ...start(), ...options, folder, callbacks: [killed] })).rejects.toThrow("killed");
  expect([records(folder), saved(folder).at(-1)]).toEqual([[8, 16], 16]);
  const b = start();
  const run = await train.fit({ ...b, ...options, folder, resume: true });
  expect(records(folder)).toEqual([8, 16, 24]);
  expect(withoutTimes(run.history)).toEqual(withoutTimes(expected.history));
  expect(bytes(b.model.stateDict())).toEqual(bytes(whole.model.stateDict()));
});

test.each([{ validateEvery: 5 }, {}])("a signal ends a validation, too, and the record is made when the run goes on: %j", async (options) => {
  const whole = start();
  const expected = await train.fit({ ...whole, ...options, epochs: 3 });
  const folder = temporaryFolder();
  const a = start();
  const controller = new AbortController();
  let looked = 0;
  const validation = { async *[Symbol.asyncIterator]() { for await (const batch of a.data.validation) { if (++looked === 3) controller.abort(); yield batch; } } };
  const told: number[] = [];
  const callbacks = [{ onRecord: ({ step }: train.RunRecord) => void told.push(step) }];
  const broken = await train.fit({ ...a, ...options, data: { ...a.data, validation }, epochs: 3, folder, signal: controller.signal, callbacks });
  const [first, second] = expected.history.map(({ step }) => step);
  expect(broken).toMatchObject({ end: "aborted", step: second });
  expect([looked, told, records(folder)]).toEqual([3, [first], [first]]);
  const b = start();
  const run = await train.fit({ ...b, ...options, epochs: 3, folder, resume: true, callbacks });
  expect(run.end).toBe("finished");
  expect(told).toEqual(expected.history.map(({ step }) => step));
  expect(withoutTimes(run.history)).toEqual(withoutTimes(expected.history));
  expect(bytes(b.model.stateDict())).toEqual(bytes(whole.model.stateDict()));
});

test("the best record has a checkpoint, whenever checkpoints are made", async () => {
  const folder = temporaryFolder();
  const values = [0.1, 0.7, 0.2, 0.9, 0.3, 0.4, 0.5, 0.6];
  let i = 0;
  const score = { reset() {}, update() {}, compute: () => values[i++]! };
  const a = start();
  const weights: Record<number, unknown> = {};
  const keepBest = { metric: "score" };
  await train.fit({ ...a, epochs: 3, validateEvery: 3, metrics: { score }, folder, checkpoints: { keepLast: 1, keepBest }, callbacks: [{ onStep: (_, { step }) => void (weights[step] = bytes(a.model.stateDict())) }] });
  expect(saved(folder)).toEqual([12, 24]);
  expect(bytes(train.loadCheckpoint(join(folder, "checkpoints", "step-00000012")).model)).toEqual(weights[12]);
});

test("a bar counts batches where steps take several of them, and comes to its end", async () => {
  let text = "";
  const stream = Object.assign(new Writable({ write: (chunk, _, done) => void ((text += String(chunk)), done()) }), { isTTY: true, columns: 160 });
  const folder = temporaryFolder();
  await train.fit({ ...start({ accumulationSteps: 4 } as Partial<optim.OptimizerOptions>), epochs: 2, progress: stream, folder });
  expect(/ 100% .*batches\/s/.test(text.slice(text.lastIndexOf("sam ")))).toBe(true);
  text = "";
  await train.fit({ ...start({ accumulationSteps: 4 } as Partial<optim.OptimizerOptions>), epochs: 3, progress: stream, folder, resume: true });
  expect(text).toContain("batches/s");
  expect(text.slice(text.lastIndexOf("sam "))).toMatch(/ 100% /);
});

test("whoever reads a run's checkpoints leaves alone what is being written", async () => {
  const folder = temporaryFolder();
  await train.fit({ ...start(), epochs: 1, folder });
  const place = join(folder, "checkpoints");
  const underWay = [".steppe-0123.tmp", ".steppe-replaced-step-00000016"];
  for (const name of underWay) mkdirSync(join(place, name));
  const checkpoints = new CheckpointFolder(place);
  expect([checkpoints.latest(), checkpoints.list().length]).toEqual([join(place, "step-00000008"), 1]);
  expect(readdirSync(place).sort()).toEqual([...underWay, "step-00000008"]);
});

test("the checkpoint of a step is replaced once the new one is whole, and comes back where that did not happen", async () => {
  // The last window of accumulation is not full: the checkpoint at the end is of the same step as the one before it.
  const folder = temporaryFolder();
  const options = { accumulationSteps: 3 } as Partial<optim.OptimizerOptions>;
  await train.fit({ ...start(options), epochs: 1, folder, checkpoints: { every: 2 } });
  expect(saved(folder)).toEqual([2]);
  const place = join(folder, "checkpoints");
  // As a process leaves it that is killed after it moved the old one away, and one that is killed while it removes it.
  renameSync(join(place, "step-00000002"), join(place, ".steppe-replaced-step-00000002"));
  const again = await train.fit({ ...start(options), epochs: 1, folder, resume: true, checkpoints: { every: 2 } });
  expect(again).toMatchObject({ end: "finished", step: 2, checkpoint: join(place, "step-00000002") });
  expect(train.loadCheckpoint(again.checkpoint!).state).toMatchObject({ progress: { batch: 0, epoch: 1 } });
  mkdirSync(join(place, ".steppe-replaced-step-00000002"));
  expect((await train.fit({ ...start(options), epochs: 1, folder, resume: true })).step).toBe(2);
  expect([existsSync(join(place, ".steppe-replaced-step-00000002")), saved(folder)]).toEqual([false, [2]]);
});
