import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { io, metrics, nn, optim, torch, train } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { temporaryFolder } from "../support/folder.js";
import { Net, bytes, start, withoutTimes } from "./small-run.js";
import type { Batch } from "./small-run.js";

torch.setNumThreads(1);

describe("a run", () => {
  test("takes the steps that a loop of one's own would, and records them", async () => {
    const a = start();
    const run = await train.fit({ ...a, epochs: 3 });
    const b = start();
    const step = b.optimizer.compile(b.loss);
    const losses: number[] = [];
    for (let epoch = 0; epoch < 3; epoch++) {
      let sum = 0;
      for (const [x, y] of b.data.train) sum += x.shape[0]! * step.sync(x, y).loss;
      losses.push(sum / 60);
    }
    expect(bytes(a.model.stateDict())).toEqual(bytes(b.model.stateDict()));
    expect(run).toMatchObject({ end: "finished", epoch: 3, step: 24, checkpoint: null });
    expect(run.history.map(({ loss }) => loss)).toEqual(losses);
    const { loss, accuracy } = await train.evaluate({ model: b.model, loss: b.loss, metrics: { accuracy: new metrics.Accuracy() } }, b.data.validation);
    expect(run.history.at(-1)).toMatchObject({ epoch: 3, step: 24, validationLoss: loss, accuracy });
    expect(accuracy).toBeGreaterThan(0.8);
    expect(run.best).toEqual(run.history.map(({ validationLoss, step }) => ({ value: validationLoss!, step })).reduce((x, y) => (y.value < x.value ? y : x)));
    expect(b.model.training).toBe(true);
  });

  test("by steps, with records every few of them", async () => {
    const run = await train.fit({ ...start(), steps: 11, validateEvery: 4 });
    expect(run).toMatchObject({ end: "finished", epoch: 2, step: 11 });
    expect(run.history.map(({ step }) => step)).toEqual([4, 8, 11]);
    const whole = await train.fit({ ...start(), steps: 11 });
    expect(whole.history.map(({ epoch, step }) => [epoch, step])).toEqual([[1, 8], [2, 11]]);
  });

  test("tells its callbacks, waits for them, and stops when they say so", async () => {
    const told: string[] = [];
    const run = await train.fit({
      ...start(),
      epochs: 5,
      folder: temporaryFolder(),
      callbacks: [
        {
          onStart: ({ step }) => void told.push(`start ${step}`),
          onStep: async (report, run) => {
            await new Promise((resolve) => setTimeout(resolve, 1));
            if (run.step === 3) told.push(`step ${run.step} ${report.updated}`);
            if (run.step === 10) run.stop();
          },
          onRecord: (record, { history }) => void told.push(`record ${record.step} ${history.length}`),
          onCheckpoint: (path) => void told.push(path.split(/[\\/]/).at(-1)!),
          onEnd: ({ step }) => void told.push(`end ${step}`),
        },
      ],
    });
    expect(told).toEqual(["start 0", "step 3 true", "record 8 1", "step-00000008", "step-00000010", "end 10"]);
    expect(run.end).toBe("stopped");
  });

  test("early stopping", async () => {
    const flat = { reset() {}, update() {}, compute: () => 0.5 };
    const run = await train.fit({ ...start(), epochs: 50, metrics: { flat }, earlyStopping: { metric: "flat", patience: 3 } });
    expect(run).toMatchObject({ end: "stopped", epoch: 4, best: { value: 0.5, step: 8 } });
    // A run that has stopped early stays stopped.
    const folder = temporaryFolder();
    const stopped = { epochs: 50, metrics: { flat }, earlyStopping: { metric: "flat", patience: 3 }, folder } as const;
    await train.fit({ ...start(), ...stopped });
    expect(await train.fit({ ...start(), ...stopped, resume: true })).toMatchObject({ end: "stopped", epoch: 4, step: 32 });
    let value = 1;
    const falling = { reset() {}, update() {}, compute: () => (value -= 0.01) };
    expect(await train.fit({ ...start(), epochs: 5, metrics: { falling }, earlyStopping: { metric: "falling", mode: "min", patience: 1 } })).toMatchObject({ end: "finished" });
    expect(await train.fit({ ...start(), epochs: 5, metrics: { falling }, earlyStopping: { metric: "falling", mode: "min", patience: 1, minDelta: 0.05 } })).toMatchObject({ end: "stopped", epoch: 2 });
  });

  test("validation looks at the average, training goes on with the weights", async () => {
    const a = start();
    const average = optim.average(a.model, { kind: "ema", decay: 0.9 });
    const run = await train.fit({ ...a, epochs: 2, average });
    const b = start();
    await train.fit({ ...b, epochs: 2 });
    expect(bytes(a.model.stateDict())).toEqual(bytes(b.model.stateDict()));
    const { accuracy, loss } = await average.apply(() => train.evaluate({ model: a.model, loss: a.loss, metrics: a.metrics }, a.data.validation));
    expect(run.history.at(-1)).toMatchObject({ validationLoss: loss, accuracy });
  });

  test("micro-batches are no steps", async () => {
    const run = await train.fit({ ...start({ accumulationSteps: 4 }), epochs: 2 });
    expect(run.step).toBe(4);
    const mixed = await train.fit({ ...start(), epochs: 1, autocast: { dtype: "bfloat16" } });
    expect(mixed.history[0]!.loss).toBeGreaterThan(0);
  });

  test("batches from an array", async () => {
    const a = start();
    const batches = [...a.data.train].map((batch) => batch.map((tensor) => tensor.clone()) as unknown as Batch);
    const run = await train.fit({ ...a, data: { train: batches }, metrics: {}, epochs: 2 });
    expect(run).toMatchObject({ step: 16, best: { step: 16 } });
    expect(Object.keys(run.history[0]!)).toEqual(["epoch", "step", "loss", "seconds"]);
  });
});

describe("several runs in one process", () => {
  test("side by side each draws what it would have drawn alone, and goes on from its checkpoint so", async () => {
    const run = async (seed: number, folder?: string) => {
      const a = start();
      const { history } = await train.fit({ ...a, epochs: 4, seed, ...(folder !== undefined && { folder, resume: true }) });
      return [withoutTimes(history), bytes(a.model.stateDict())];
    };
    const alone = [await run(1), await run(2)];
    expect(alone[0]).not.toEqual(alone[1]); // dropout differs
    expect(await Promise.all([run(1), run(2)])).toEqual(alone);
    // One of two is ended on the way and goes on beside a third.
    const folder = temporaryFolder();
    const a = start();
    await Promise.all([train.fit({ ...a, epochs: 4, seed: 1, folder, callbacks: [{ onStep: (_, { step, stop }) => void (step === 11 && stop()) }] }), run(2)]);
    expect(await Promise.all([run(1, folder), run(7)].reverse())).toEqual([await run(7), alone[0]]);
  });

  test("a loop of one's own with the same seed draws the same", async () => {
    const a = start();
    await train.fit({ ...a, epochs: 2, seed: 5 });
    const b = start();
    const step = b.optimizer.compile(b.loss);
    torch.manualSeed(5);
    for (let epoch = 0; epoch < 2; epoch++) for (const [x, y] of b.data.train) step.sync(x, y);
    expect(bytes(a.model.stateDict())).toEqual(bytes(b.model.stateDict()));
  });
});

describe("methods and schedules that need more", () => {
  test.each<[string, (logits: Tensor, y: Tensor) => Tensor | optim.LossWithLogits]>([
    ["k-sam", (logits, y) => nn.functional.crossEntropy(logits, y, { reduction: "none" })],
    ["bilevel", (logits, target) => ({ loss: nn.functional.crossEntropy(logits, target), logits, target })],
  ])("%s: records hold the mean loss", async (method, loss) => {
    const a = start({ method } as never);
    const run = await train.fit({ ...a, loss: (x, y) => loss(a.model.forward(x), y), epochs: 2 });
    await expect(train.evaluate({ model: a.model, losss: a.loss } as never, a.data.validation)).rejects.toThrow('Did you mean "loss"?');
    await expect(train.evaluate({ loss: a.loss } as never, a.data.validation)).rejects.toThrow("Expected a module for options.model");
    const { loss: validationLoss } = await train.evaluate({ model: a.model, loss: a.loss }, a.data.validation);
    expect(run.history.at(-1)!["validationLoss"]).toBeCloseTo(validationLoss!, 6);
  });

  test("a plateau schedule is told the watched number", async () => {
    const flat = { reset() {}, update() {}, compute: () => 0.5 };
    const a = start({ lrSchedule: { name: "plateau", mode: "max", factor: 0.5, patience: 0 } });
    const rates: number[] = [];
    await train.fit({ ...a, epochs: 4, metrics: { flat }, earlyStopping: { metric: "flat", patience: 9 }, callbacks: [{ onRecord: () => void rates.push(a.optimizer.scheduled[0]!["lr"]!) }] });
    expect(rates).toEqual([0.01, 0.005, 0.0025, 0.00125]);
  });
});

describe("checkpoints", () => {
  const variants: [string, () => { validateEvery?: number }, Partial<optim.OptimizerOptions>][] = [
    ["a plain run", () => ({}), {}],
    ["in the middle of an accumulated step", () => ({}), { accumulationSteps: 3 } as never],
    ["with records in the middle of a pass", () => ({ validateEvery: 5 }), {}],
  ];
  const moments = [1, 5, 8, 13, 20];

  test.each(variants)("%s goes on bit for bit, from wherever it was broken off", async (_, more, options) => {
    const whole = start(options);
    const average = optim.average(whole.model, { kind: "ema", decay: 0.9 });
    const expected = await train.fit({ ...whole, ...more(), epochs: 3, average });
    for (const moment of moments) {
      const folder = temporaryFolder();
      const controller = new AbortController();
      let calls = 0;
      const a = start(options);
      const broken = await train.fit({
        ...a,
        ...more(),
        epochs: 3,
        average: optim.average(a.model, { kind: "ema", decay: 0.9 }),
        folder,
        signal: controller.signal,
        callbacks: [{ onStep: () => void (++calls === moment && controller.abort()) }],
      });
      expect(broken.end).toBe("aborted");
      const b = start(options);
      torch.manualSeed(99); // the checkpoint knows better
      const resumedAverage = optim.average(b.model, { kind: "ema", decay: 0.9 });
      const resumed = await train.fit({ ...b, ...more(), epochs: 3, average: resumedAverage, folder, resume: true });
      expect(resumed.end).toBe("finished");
      expect(bytes(b.model.stateDict()), `after ${moment}`).toEqual(bytes(whole.model.stateDict()));
      expect(bytes(resumedAverage.stateDict().tensors)).toEqual(bytes(average.stateDict().tensors));
      expect(withoutTimes(resumed.history)).toEqual(withoutTimes(expected.history));
    }
  });

  test("the last ones stay, and the best", async () => {
    const folder = temporaryFolder();
    let i = 0;
    const values = [0.3, 0.9, 0.5, 0.4, 0.6];
    const score = { reset() {}, update() {}, compute: () => values[i++]! };
    const run = await train.fit({ ...start(), epochs: 5, folder, metrics: { score }, checkpoints: { keepLast: 2, keepBest: { metric: "score" } } });
    expect(readdirSync(join(folder, "checkpoints")).sort()).toEqual(["step-00000016", "step-00000032", "step-00000040"]);
    expect(run.checkpoint).toBe(join(folder, "checkpoints", "step-00000040"));
    const weights = io.loadSafetensors(join(run.checkpoint!, "model.safetensors"));
    const other = new Net();
    other.loadStateDict(weights);
    const lines = readFileSync(join(folder, "metrics.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line) as { kind: string; step: number });
    expect(lines.filter(({ kind }) => kind === "record").map(({ step }) => step)).toEqual([8, 16, 24, 32, 40]);
    expect(lines.filter(({ kind }) => kind === "step").map(({ step }) => step)).toEqual([10, 20, 30, 40]);
  });

  test("a finished run that is resumed has nothing left to do; with more epochs it goes on", async () => {
    const folder = temporaryFolder();
    await train.fit({ ...start(), epochs: 2, folder });
    const again = await train.fit({ ...start(), epochs: 2, folder, resume: true });
    expect(again).toMatchObject({ end: "finished", step: 16 });
    const b = start();
    expect(await train.fit({ ...b, epochs: 3, folder, resume: true })).toMatchObject({ step: 24 });
    const whole = start();
    await train.fit({ ...whole, epochs: 3 });
    expect(bytes(b.model.stateDict())).toEqual(bytes(whole.model.stateDict()));
  });

  test("what a killed process has left is cleared away; a folder of another run is refused", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "checkpoints", ".steppe-0123.tmp"), { recursive: true });
    writeFileSync(join(folder, "checkpoints", ".steppe-0123.tmp", "model.safetensors"), "half");
    await train.fit({ ...start(), epochs: 1, folder, resume: true });
    expect(readdirSync(join(folder, "checkpoints"))).toEqual(["step-00000008"]);
    await expect(train.fit({ ...start(), epochs: 1, folder })).rejects.toThrow("Go on from it with resume: true");
    await expect(train.fit({ ...start({ method: "asam" } as never), epochs: 1, folder, resume: true })).rejects.toThrow('Expected "asam" for state.method');
  });

  test("states with anything in them", () => {
    const path = join(temporaryFolder(), "one");
    const state = { list: [1, -0, NaN, Infinity, null, undefined, "x", true], deep: { tensor: torch.arange(3), empty: {} } };
    train.saveCheckpoint(path, { w: torch.ones([2]) }, state);
    const { model, state: read } = train.loadCheckpoint(path) as { model: Record<string, Tensor>; state: typeof state };
    expect(model["w"]!.toArray()).toEqual([1, 1]);
    expect(read.list).toEqual(state.list);
    expect(read.deep.tensor.toArray()).toEqual([0, 1, 2]);
    expect(() => train.saveCheckpoint(path, {}, {})).toThrow("Expected a folder that does not exist yet");
    expect(() => train.saveCheckpoint(join(path, "two"), {}, { f: (() => 0) as never })).toThrow("for state.f but received");
    expect(existsSync(join(path, "two"))).toBe(false);
    writeFileSync(join(path, "state.json"), '{"version": 9}');
    expect(() => train.loadCheckpoint(path)).toThrow("Expected a checkpoint of version 1 at byte 0");
    writeFileSync(join(path, "state.json"), '{"version": 1, "state"');
    expect(() => train.loadCheckpoint(path)).toThrow("Expected JSON at byte 22");
    writeFileSync(join(path, "state.json"), '{"version": 1, "state": {"$steppe": "tensor", "name": "nothing"}}');
    expect(() => train.loadCheckpoint(path)).toThrow('Expected the tensor "nothing"');
  });
});

describe("wrong arguments", () => {
  const any = train.fit as (options: unknown) => Promise<unknown>;
  test.each<[string, (good: object) => object, RegExp]>([
    ["neither epochs nor steps", (good) => good, /Expected either epochs or steps for options/],
    ["both", (good) => ({ ...good, epochs: 1, steps: 1 }), /Expected either epochs or steps for options/],
    ["a misspelled option", (good) => ({ ...good, epoch: 1 }), /Did you mean "epochs"/],
    ["no positive number of epochs", (good) => ({ ...good, epochs: 0 }), /Expected a positive integer for epochs but received 0/],
    ["no module", (good) => ({ ...good, epochs: 1, model: {} }), /Expected a module for model/],
    ["no optimizer", (good) => ({ ...good, epochs: 1, optimizer: {} }), /Expected an optimizer of optim.create for optimizer/],
    ["a generator", (good) => ({ ...good, epochs: 1, data: { train: (function* () {})() } }), /A generator runs once/],
    ["metrics without validation data", (good) => ({ ...good, epochs: 1, data: { train: [] } }), /Expected validation data for data.validation/],
    ["a watched number that is none", (good) => ({ ...good, epochs: 1, earlyStopping: { patience: 1, metric: "acuracy" } }), /Expected one of loss, validationLoss, accuracy for earlyStopping.metric/],
    ["a misspelled hook", (good) => ({ ...good, epochs: 1, callbacks: [{ onSteps() {} }] }), /Did you mean "onStep"/],
    ["resume without a folder", (good) => ({ ...good, epochs: 1, resume: true }), /Expected a path for folder/],
    ["no patience", (good) => ({ ...good, epochs: 1, earlyStopping: {} }), /Expected a positive integer for earlyStopping.patience/],
  ])("%s", async (_, options, message) => {
    await expect(any(options(start()))).rejects.toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringMatching(message) }));
  });

  test("empty data", async () => {
    await expect(train.fit({ ...start(), data: { train: [] }, metrics: {}, epochs: 1 })).rejects.toThrow("Expected at least one batch in every pass of data.train");
  });
});
