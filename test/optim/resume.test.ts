import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Tensor, io, optim, torch } from "../../lib/index.js";
import { drawing, lossFunction, makeBatch, makeModel, methods, nets, over, titled, type MethodOptions } from "./nets.js";
import { everything } from "./walk.js";

// Everything at once, saved and resumed at any call: dropout and batch norm, accumulation, schedules, late phase, chosen steps, a dynamic
// loss scale, an average of the weights.

// A second thread costs small tensors more than it gives.
torch.setNumThreads(1);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "steppe-resume-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const all = [...methods, ...drawing];
const net = nets.norms;
const calls = 10;

/** Options with as much besides as the method takes. */
function loaded(options: MethodOptions, place: number): MethodOptions & { base: optim.BaseOptions } {
  const { method } = options;
  const cuts = ["msam", "k-sam", "efficient"].includes(method) || options["ascentFraction"] !== undefined;
  const decides = ["none", "look", "adaptive-schedule", "randomized", "parallel", "bayesian"].includes(method);
  return over(options, {
    accumulationSteps: 2,
    accumulate: cuts ? "shard" : "full",
    lossScale: { initial: 2 ** 12, interval: 2, backoff: 0.25 },
    lrSchedule: place % 2 === 0 ? { name: "cosine", totalSteps: 8, warmupSteps: 2 } : { name: "plateau", factor: 0.5, patience: 0 },
    ...(method === "none" ? {} : { startStep: 1 }),
    ...(method === "none" || "rhoMin" in options ? {} : { rhoSchedule: { name: "proportional", min: 0.05 } }),
    ...(decides ? {} : place % 3 === 0 ? { probability: 0.7 } : { every: 2 }),
  });
}

/** To files and back: tensors by safetensors, all else by JSON. */
function throughFiles<T>(value: T): T {
  const tensors: Record<string, Tensor> = {};
  const text = JSON.stringify(value, (_, each: unknown) => {
    if (!(each instanceof Tensor)) return each;
    const name = `tensor${Object.keys(tensors).length}`;
    tensors[name] = each;
    return { name };
  });
  writeFileSync(join(folder, "state.json"), text);
  io.saveSafetensors(join(folder, "state.safetensors"), tensors);
  const loadedTensors = io.loadSafetensors(join(folder, "state.safetensors"));
  return JSON.parse(readFileSync(join(folder, "state.json"), "utf8"), (_, each: unknown) => {
    const { name } = (each ?? {}) as { name?: string };
    return typeof name === "string" && name in loadedTensors ? loadedTensors[name] : each;
  }) as T;
}

function make(options: MethodOptions & { base: optim.BaseOptions }, seed: number) {
  const model = makeModel(net, seed);
  const optimizer = optim.create(model, options as never) as optim.Optimizer;
  const step = optimizer.compile(lossFunction(net, model, options.method) as (x: Tensor, y: Tensor) => Tensor);
  return { model, optimizer, step, average: optim.average(model, { kind: "ema", decay: 0.5 }) };
}

async function run(options: MethodOptions & { base: optim.BaseOptions }, saveBefore: readonly number[]) {
  let parts = make(options, 51);
  torch.manualSeed(52);
  const reports: optim.StepReport[] = [];
  for (let i = 0; i < calls; i++) {
    if (saveBefore.includes(i)) {
      const saved = throughFiles({
        model: parts.model.stateDict(),
        optimizer: parts.optimizer.stateDict(),
        average: parts.average.stateDict(),
        generator: torch.defaultGenerator().getState(),
      });
      parts = make(options, 53); // other weights, and other random numbers drawn
      parts.model.loadStateDict(saved.model);
      parts.optimizer.loadStateDict(saved.optimizer);
      parts.average.loadStateDict(saved.average);
      torch.defaultGenerator().setState(saved.generator);
    }
    const noise = torch.defaultGenerator().getState();
    const [x, y] = makeBatch(net, i % 4 === 3 ? 7 : 8, 54 + i);
    torch.defaultGenerator().setState(noise); // only the steps draw
    // The third step is not finite.
    const bad = i === 5;
    const report = await parts.step(bad ? x.mul(NaN) : x, y);
    parts.average.update(report);
    reports.push(report);
    if (report.updated && (options["lrSchedule"] as { name: string }).name === "plateau") parts.optimizer.reportMetric(i % 4 === 1 ? 2 : 1);
  }
  return {
    reports,
    state: everything(parts.model, parts.optimizer),
    average: parts.average.apply(() => Object.fromEntries(parts.model.namedParameters().map(([name, tensor]) => [name, tensor.toArray()]))),
    scheduled: parts.optimizer.scheduled,
    generator: torch.defaultGenerator().getState().toArray(),
  };
}

test.each(titled(all).map(([title, options], i) => [title, loaded(options, i)] as const))("%s: goes on from files, bit for bit, wherever it was saved", async (_, options) => {
  const wanted = await run(options, []);
  expect(wanted.reports.filter(({ updated }) => updated)).toHaveLength(4);
  expect(wanted.reports.filter(({ skipped }) => skipped)).toHaveLength(1);
  // In the middle of a step, right after one, and right after one that was skipped; twice within one step; before the first.
  expect(await run(options, [1, 3])).toEqual(wanted);
  expect(await run(options, [0, 4, 5, 6, 7])).toEqual(wanted);
});

test("SAMPa's batch before saving may have had another number of samples, and no other shape", () => {
  const make = () => {
    const model = makeModel(nets.layered, 1);
    const optimizer = optim.create(model, { method: "parallel", base: { name: "sgd", lr: 0.1 } });
    const step = optimizer.compile((x, y) => model.forward(x).pow(2).mean([1]).mul(y).mean());
    return { model, optimizer, step };
  };
  const batch = (size: number, s: number): [Tensor, Tensor] => {
    torch.manualSeed(s);
    return [torch.randn([size, 6], { dtype: "float64" }), torch.randn([size], { dtype: "float64" })];
  };
  const whole = make();
  whole.step.sync(...batch(8, 1));
  whole.step.sync(...batch(3, 2));
  const [saved, weights] = [whole.optimizer.stateDict(), Object.fromEntries(Object.entries(whole.model.stateDict()).map(([name, tensor]) => [name, tensor.clone()]))];
  const resumed = make();
  resumed.model.loadStateDict(weights);
  resumed.optimizer.loadStateDict(saved);
  for (const s of [3, 4]) expect(resumed.step.sync(...batch(8, s))).toEqual(whole.step.sync(...batch(8, s)));
  expect(everything(resumed.model, resumed.optimizer)).toEqual(everything(whole.model, whole.optimizer));

  const other = make();
  other.optimizer.loadStateDict({ ...saved, batch: [saved.batch![0]!, saved.batch![1]!.to("float32")] });
  expect(() => other.step.sync(...batch(8, 3))).toThrow("needs a batch of the shapes and dtypes of the last one before saving, but for the number of samples");
});
