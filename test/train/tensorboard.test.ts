import { spawn } from "node:child_process";
import { readFileSync, readdirSync, truncateSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { data, metrics, nn, optim, torch, train } from "../../lib/index.js";
import type { Tensor } from "../../lib/index.js";
import { packageUrl } from "../support/child.js";
import { temporaryFolder } from "../support/folder.js";
import { hasLibraries, runPython } from "../support/python.js";

torch.setNumThreads(1);
const hasTensorBoard = hasLibraries("tensorboard", "google.protobuf");

interface Read {
  scalars: Record<string, [step: number, value: number][]>;
  texts: Record<string, string[]>;
  /** Of the scalars as the scalars plugin sees them. */
  plugins: Record<string, string>;
}

/** What TensorBoard's own reader finds in a folder. */
function read(folder: string): Read {
  return runPython(
    `
import logging
logging.disable(logging.WARNING)
from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator
a = event_accumulator.EventAccumulator(inputs, size_guidance={"scalars": 0, "tensors": 0})
a.Reload()
# The page itself is fed by this one, for which everything is a tensor with a plugin.
b = plugin_event_accumulator.EventAccumulator(inputs, size_guidance={"tensors": 0})
b.Reload()
outputs = {
    "scalars": {tag: [[e.step, e.value] for e in a.Scalars(tag)] for tag in a.Tags()["scalars"]},
    "texts": {tag: [s.decode() for e in a.Tensors(tag) for s in e.tensor_proto.string_val] for tag in a.Tags()["tensors"] if not tag.startswith("_")},
    "plugins": {tag: b.SummaryMetadata(tag).plugin_data.plugin_name for tag in b.Tags()["tensors"]},
}
`,
    folder,
  );
}

const lines = (folder: string) =>
  readFileSync(join(folder, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown> & { kind: string; step: number });

function job(folder: string, options: Partial<train.FitOptions<[Tensor, Tensor]>> = {}): train.FitOptions<[Tensor, Tensor]> {
  torch.manualSeed(0);
  const model = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 3));
  const x = torch.randn([48, 4]);
  const set = new data.TensorDataset(x, x.narrow(1, 0, 3).argmax(1));
  return {
    model,
    loss: (input, target) => nn.functional.crossEntropy(model.forward(input), target),
    optimizer: optim.create(model, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.1 } }) as optim.Optimizer,
    data: { train: data.loader(set, { batchSize: 8, shuffle: true, seed: 4 }), validation: data.loader(set, { batchSize: 24 }) } as unknown as train.FitOptions<[Tensor, Tensor]>["data"],
    metrics: { accuracy: new metrics.Accuracy() },
    epochs: 3,
    logEvery: 2,
    folder,
    progress: false,
    ...options,
  };
}

/** Scalars as they stand in metrics.jsonl. */
function logged(folder: string): Read["scalars"] {
  const found: Read["scalars"] = {};
  for (const { kind, step, ...numbers } of lines(folder)) {
    for (const [name, value] of Object.entries(numbers)) {
      if (typeof value !== "number" || (kind === "step" && name === "epoch")) continue;
      const tag =
        kind === "step" ? `train/${name === "ms" ? "milliseconds" : name}` : name === "loss" ? "train/meanLoss" : ["epoch", "seconds"].includes(name) ? `train/${name}` : `validation/${name === "validationLoss" ? "loss" : name}`;
      (found[tag] ??= []).push([step, value]);
    }
  }
  return found;
}

function expectSame(found: Read["scalars"], wanted: Read["scalars"]): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(wanted).sort());
  for (const [tag, points] of Object.entries(wanted)) {
    expect(found[tag]!.map(([step]) => step), tag).toEqual(points.map(([step]) => step));
    // Milliseconds are rounded in metrics.jsonl.
    points.forEach(([, value], i) => expect(Math.abs(found[tag]![i]![1] - value)).toBeLessThanOrEqual(tag.endsWith("milliseconds") ? 1e-3 : 1e-6 * Math.abs(value)));
  }
}

describe.skipIf(!hasTensorBoard)("TensorBoard's own reader", () => {
  test("finds what metrics.jsonl holds, and the settings as a text", async () => {
    const folder = join(temporaryFolder(), "run");
    await train.fit(job(folder));
    const { scalars, texts, plugins } = read(folder);
    expectSame(scalars, logged(folder));
    expect(scalars["train/loss"]!.map(([step]) => step)).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18]);
    expect(scalars["validation/accuracy"]!.map(([step]) => step)).toEqual([6, 12, 18]);
    const settings = JSON.parse(texts["settings"]![0]!) as Record<string, unknown>;
    expect(settings).toEqual(JSON.parse(readFileSync(join(folder, "settings.json"), "utf8")));
    expect(settings).toMatchObject({ method: "sam", seed: 4, optimizer: { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.1 } }, epochs: 3, data: { samples: 48, batchSize: 8 }, parameters: 67 });
    expect(new Set(Object.values(plugins))).toEqual(new Set(["scalars", "text", "hparams"]));
    expect(plugins["settings"]).toBe("text");
    expect(plugins["_hparams_/session_start_info"]).toBe("hparams");
  }, 120_000);

  test("shows runs in a table of hyperparameters with their last numbers", async () => {
    const root = temporaryFolder();
    for (const [name, settings] of Object.entries({ a: { config: { data: { name: "mine", clean: true }, batchSize: 8, compare: {} } }, b: { method: "SAM" } })) await train.fit(job(join(root, name), { epochs: 1, settings }));
    // The page's own way: from the folder to what its table shows.
    const sessions = runPython<Record<string, { hparams: Record<string, unknown>; metrics: Record<string, number> }>>(
      `
import logging
logging.disable(logging.WARNING)
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups
from tensorboard import context
multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(inputs)
multiplexer.Reload()
provider = data_provider.MultiplexerDataProvider(multiplexer, inputs)
ctx = backend_context.Context(base_plugin.TBContext(data_provider=provider, multiplexer=multiplexer))
request = context.RequestContext()
experiment = get_experiment.Handler(request, ctx, "", api_pb2.GetExperimentRequest()).run()
columns = [api_pb2.ColParams(hparam=info.name) for info in experiment.hparam_infos] + [api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos]
wanted = api_pb2.ListSessionGroupsRequest(col_params=columns, slice_size=10, allowed_statuses=[api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_RUNNING, api_pb2.STATUS_SUCCESS])
value = lambda v: getattr(v, v.WhichOneof("kind"))
outputs = {}
for group in list_session_groups.Handler(request, ctx, "", wanted).run().session_groups:
    outputs[group.sessions[0].name] = {"hparams": {name: value(v) for name, v in group.hparams.items()}, "metrics": {m.name.tag: m.value for m in group.metric_values}}
`,
      root,
    );
    const optimizer = { "optimizer.method": "sam", "optimizer.rho": 0.05, "optimizer.base.name": "sgd", "optimizer.base.lr": 0.1 };
    expect(sessions["a"]!.hparams).toMatchObject({ ...optimizer, method: "sam", seed: 4, epochs: 1, batchSize: 8, "data.name": "mine", "data.clean": true });
    expect(sessions["b"]!.hparams).toMatchObject({ ...optimizer, method: "SAM", "data.samples": 48 });
    for (const name of ["a", "b"]) {
      const last = lines(join(root, name)).filter(({ kind }) => kind === "record").at(-1)!;
      expect(sessions[name]!.metrics["validation/accuracy"]).toBeCloseTo(last["accuracy"] as number, 6);
      expect(sessions[name]!.metrics["validation/loss"]).toBeCloseTo(last["validationLoss"] as number, 6);
    }
  }, 120_000);

  test("finds a record once that stands in an earlier file without its checkpoint", async () => {
    const folder = temporaryFolder();
    const options = { checkpoints: { every: 3 }, logEvery: 1 };
    const killed = { onRecord: ({ step }: train.RunRecord) => { if (step === 12) throw new Error("killed"); } };
    await expect(train.fit(job(folder, { ...options, callbacks: [killed] }))).rejects.toThrow("killed");
    await train.fit(job(folder, { ...options, resume: true }));
    const { scalars } = read(folder);
    expectSame(scalars, logged(folder));
    expect(scalars["validation/accuracy"]!.map(([step]) => step)).toEqual([6, 12, 18]);
    expect(scalars["train/loss"]).toHaveLength(18);
  }, 120_000);

  test("finds every number of a file that was cut off in the middle of a record", async () => {
    const folder = temporaryFolder();
    const events = train.EventFile.create(folder);
    for (let step = 1; step <= 5; step++) events.scalars(step, { "größe/ρ": step / 4, nan: NaN });
    events.scalars(2 ** 40, { late: 1 });
    events.close();
    const whole = read(folder).scalars;
    expect(whole["größe/ρ"]).toEqual([1, 2, 3, 4, 5].map((step) => [step, step / 4]));
    expect(whole["nan"]).toEqual([1, 2, 3, 4, 5].map((step) => [step, "NaN"]));
    expect(whole["late"]).toEqual([[2 ** 40, 1]]);
    truncateSync(events.path, statSync(events.path).size - 20);
    expect(read(folder).scalars).toEqual({ "größe/ρ": whole["größe/ρ"], nan: whole["nan"] });
  }, 120_000);

  test("finds each step once after a run was killed and went on", async () => {
    const place = temporaryFolder();
    const file = join(place, "run.mjs");
    writeFileSync(
      file,
      `
import { nn, optim, torch, train } from ${JSON.stringify(packageUrl)};
torch.manualSeed(0);
torch.setNumThreads(1);
const model = new nn.Linear(4, 1);
const x = torch.randn([8, 4]);
await train.fit({
  model,
  loss: (input) => model.forward(input).square().mean(),
  optimizer: optim.create(model, { method: "sam", rho: 0.05, base: { name: "sgd", lr: 0.001 } }),
  data: { train: [[x]] },
  steps: 60,
  logEvery: 1,
  validateEvery: 5,
  checkpoints: { every: 10 },
  folder: process.argv[2],
  resume: true,
  progress: false,
  // At that step it says so, and waits for its end.
  callbacks: [{ onStep: (_, run) => run.step === Number(process.argv[3]) && new Promise(() => setInterval(() => process.stdout.write("."), 100)) }],
});
`,
    );
    const folder = join(place, "run");
    const start = (killAt: number | null) =>
      new Promise<string | null>((resolve, reject) => {
        const child = spawn(process.execPath, [file, folder, String(killAt)], { stdio: ["ignore", "pipe", "inherit"] });
        child.stdout.on("data", () => child.kill("SIGKILL"));
        child.on("error", reject);
        child.on("close", (code, signal) => (code === 0 ? resolve(null) : signal === "SIGKILL" ? resolve(signal) : reject(new Error(`exit code ${code}`))));
      });
    expect(await start(25)).toBe("SIGKILL");
    const upTo = (step: number) => Array.from({ length: step }, (_, i) => i + 1);
    expect(read(folder).scalars["train/loss"]!.map(([step]) => step)).toEqual(upTo(25));
    expect(await start(45)).toBe("SIGKILL");
    expect(await start(null)).toBe(null);
    const { scalars } = read(folder);
    expect(scalars["train/loss"]!.map(([step]) => step)).toEqual(upTo(60));
    expectSame(scalars, logged(folder));
  }, 240_000);
});

test("settings that stand there already stay, and a run without TensorBoard writes no event file", async () => {
  const parent = temporaryFolder();
  const { path } = train.RunFolder.create(parent, "run", { label: "mine" });
  await train.fit(job(path, { tensorboard: false, epochs: 1 }));
  expect(readdirSync(path).sort()).toEqual(["checkpoints", "metrics.jsonl", "settings.json"]);
  expect(JSON.parse(readFileSync(join(path, "settings.json"), "utf8"))).toEqual({ label: "mine" });
});

test("what is no number, no step, no folder is refused", () => {
  const folder = temporaryFolder();
  const events = train.EventFile.create(folder);
  expect(() => events.scalars(-1, { a: 1 })).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
  expect(() => events.scalars(1, { a: "1" as unknown as number })).toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringContaining('values["a"]') }));
  expect(() => events.text(1, "a", 1 as unknown as string)).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
  expect(() => events.hparams({ a: {} as unknown as string })).toThrow(expect.objectContaining({ code: "ARGUMENT", message: expect.stringContaining('values["a"]') }));
  events.close();
  events.close();
  expect(() => events.scalars(1, { a: 1 })).toThrow(expect.objectContaining({ code: "CLOSED" }));
  expect(() => train.EventFile.create(join(events.path, "below"))).toThrow(expect.objectContaining({ code: "IO" }));
  // Made in the same second, it is a file of its own and a later one.
  const next = train.EventFile.create(folder);
  next.close();
  expect(readdirSync(folder).sort().map((name) => join(folder, name))).toEqual([events.path, next.path]);
});
